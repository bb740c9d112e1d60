// The latest changes, newest first. New ones appear as they happen.

import { get } from './api.js';
import { byId, h, keep } from './dom.js';
import { at, changeSource, changeStatus, changeWords, instanceLink, reason } from './format.js';

/** Maximum number of changes on the page. */
const SHOWN = 60;

let changes = [];
let node;

/** Reads the latest changes. If another process answers than before, its changes replace those on the page. */
export async function readChanges() {
  const answer = await get('changes', { limit: SHOWN });
  if (node !== answer.node) changes = [];
  node = answer.node;
  for (const change of answer.changes) add(change);
  show();
}

/** Adds one change to the page. */
export function showChange(change) {
  add(change);
  show();
}

function add(change) {
  if (changes.some(({ number }) => number === change.number)) return;
  changes.unshift(change);
  changes.sort((a, b) => b.number - a.number).splice(SHOWN);
}

let waiting = false;
/** Draws with the next frame, because thousands of changes may arrive at once. */
function show() {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => {
    waiting = false;
    byId('no-changes').hidden = changes.length > 0;
    keep(byId('feed'), changes, { key: ({ number }) => String(number), said: () => '', make: line });
  });
}

function line(change) {
  const { application, instanceId } = change;
  const source = changeSource(change);
  return h(
    'li', { 'data-kind': change.kind },
    at(change.at),
    h('p', {}, h('span', { class: 'app' }, application), ' ', h('a', { class: 'id', href: instanceLink(application, instanceId) }, instanceId)),
    h('p', {}, `${changeWords(change)} `, changeStatus(change), source && h('small', {}, ` ${source}`), reason(change)),
  );
}
