// The page of an instance: the data that it sent, its history, and the buttons for what can be done with it.

import { instanceActions } from './actions.js';
import { get, instancePath, Refused } from './api.js';
import { byId, fill, h, whenChanged } from './dom.js';
import { drainOf } from './drain.js';
import { ago, at, changeSource, changeStatus, changeWords, outward, reason, status, timeOfDay } from './format.js';
import { changed, mark, pageLinks } from './instances.js';

/** Reads the instance that `query` names; `undefined` if the registry does not know it. */
export async function askInstance(query, signal) {
  try {
    return await get(instancePath(query.get('application'), query.get('instance')), {}, signal);
  } catch (error) {
    if (error instanceof Refused && error.status === 404) return undefined;
    throw error;
  }
}

/** Shows the instance. `refresh` is called after the user changed it. */
export function showInstance(details, query, user, refresh) {
  const application = query.get('application');
  const id = query.get('instance');
  const instance = details?.instance;
  const drained = drainOf(application, id, details);
  whenChanged('instance', [application, id, details && { ...details, now: 0 }, user, drained?.dataset.number], () => {
    const open = byId('raw')?.open;
    fill(
      byId('instance'),
      h('nav', { 'aria-label': 'Back' }, h('a', { href: changed(query, { instance: undefined }), id: 'back' }, `← ${application}`), h('a', { href: './' }, 'all instances')),
      h('div', { class: 'title' }, h('h2', { id: 'instance-title', tabindex: '-1', class: 'id' }, id), instance && status(instance.status), instance && mark(instance), instance && h('span', { class: 'links' }, pageLinks(instance))),
      instance ? h('p', { class: 'quiet' }, summary(instance)) : h('p', { class: 'gone' }, gone(details)),
      instance && instanceActions(instance, user, refresh),
      drained,
      h('div', { class: 'columns' }, instance && sent(details), history(details)),
    );
    if (byId('raw')) byId('raw').open = open ?? false;
  });
}

function gone(details) {
  return details ? 'This instance is no longer registered. Its history is below.' : 'This instance is not registered, and no changes of it are kept.';
}

function summary(instance) {
  const { application, zone, version, registeredAt, lastRenewalAt, leaseDurationSeconds } = instance;
  const parts = [application, zone && `zone ${zone}`, version && `version ${version}`].filter(Boolean).join(' · ');
  return [`${parts} · registered `, ago(registeredAt), ' ago · last renewal ', ago(lastRenewalAt), ` ago, the lease lasts ${leaseDurationSeconds} s`];
}

function history({ history: changes = [], changesKeptSince } = {}) {
  const line = (change) =>
    h('li', {}, at(change.at), h('p', {}, `${changeWords(change)} `, changeStatus(change), changeSource(change) && h('small', {}, ` ${changeSource(change)}`), reason(change)));
  return h(
    'section', { class: 'sheet', 'aria-labelledby': 'history-title' },
    h('h3', { id: 'history-title' }, 'History'),
    changes.length ? h('ol', { class: 'feed', id: 'history' }, changes.map(line)) : h('p', { class: 'quiet' }, 'No changes of this instance are kept.'),
    changesKeptSince && h('p', { class: 'quiet' }, `The registry keeps changes since ${timeOfDay(changesKeptSince)}.`),
  );
}

/** The data that the instance sent, as groups of names and values, and as JSON. */
function sent({ eureka, pod }) {
  const all = eureka.instance ?? eureka;
  const plain = Object.entries(all).filter(([, value]) => value === null || typeof value !== 'object');
  const groups = Object.entries(all).filter(([, value]) => value !== null && typeof value === 'object' && !isPort(value));
  const ports = Object.entries(all).filter(([, value]) => isPort(value)).map(([name, port]) => [name, `${port.$}${isTrue(port['@enabled']) ? '' : ' (disabled)'}`]);
  const { metadata = {}, ...others } = Object.fromEntries(groups);
  // The Java server writes this entry into an empty map.
  const named = Object.entries(metadata).filter(([, value]) => value !== 'java.util.Collections$EmptyMap');
  return h(
    'div', { class: 'groups' },
    pod && group('pod', Object.entries(pod)),
    group('metadata', named),
    group('instance', [...plain, ...ports]),
    Object.entries(others).map(([name, value]) => group(name, Object.entries(value))),
    h('details', { class: 'sheet', id: 'raw' }, h('summary', {}, 'As JSON'), h('pre', { tabindex: '0' }, JSON.stringify(eureka, null, 2))),
  );
}

const isPort = (value) => value !== null && typeof value === 'object' && '$' in value;
const isTrue = (value) => String(value) === 'true';

function group(name, entries) {
  const pairs = entries.map(([key, value]) => h('div', {}, h('dt', {}, key), h('dd', { class: 'id' }, shown(key, value))));
  return h('section', { class: 'sheet', 'aria-label': name }, h('h3', {}, name), pairs.length ? h('dl', { class: 'pairs' }, pairs) : h('p', { class: 'quiet' }, 'none'));
}

/** A value as text. A timestamp also as a time, a web address as a link. */
function shown(key, value) {
  if (value !== null && typeof value === 'object') return JSON.stringify(value);
  if (key.endsWith('Timestamp') && Number(value) > 0) return [String(value), ' ', h('small', {}, timeOfDay(Number(value)))];
  return outward(value) ?? String(value);
}
