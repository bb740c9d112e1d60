// The page of the subscribers: who fetches the registry from this replica.

import { get } from './api.js';
import { byId, h, keep, text } from './dom.js';
import { ago, count, number, setAgo, setServerTime, tick } from './format.js';

/** Time between two automatic reads, in milliseconds. */
const AGAIN = 10_000;
/** Maximum number of rows. */
const ROWS = 500;

const filter = byId('filter');
let typing;
let reading;

async function read() {
  reading?.abort();
  const mine = (reading = new AbortController());
  const asked = Object.fromEntries([...new FormData(filter)].filter(([, value]) => value.trim()));
  try {
    const answer = await get('subscribers', { ...asked, limit: ROWS }, mine.signal);
    if (mine.signal.aborted) return;
    setServerTime(answer.now);
    show(answer, asked);
    text(byId('trouble'), '');
  } catch (error) {
    if (!mine.signal.aborted) text(byId('trouble'), `The list could not be read: ${error.message}`);
  }
}

function show({ total, forgotten, subscribers }, { q }) {
  const none = q ? 'No matching subscribers.' : 'No client has fetched the registry from this replica since it started.';
  const lost = forgotten ? ` ${count(forgotten, 'other')} forgotten since the start, to make room.` : '';
  const shown = total > subscribers.length ? `, the first ${number(subscribers.length)} are listed` : '';
  text(byId('found'), `${total ? `${count(total, 'subscriber')}${shown}.` : none}${lost}`);
  byId('subscribers').hidden = !total;
  keep(byId('rows'), subscribers, {
    key: ({ address, userAgent }) => JSON.stringify([address, userAgent]),
    said: (subscriber) => JSON.stringify({ ...subscriber, lastAt: 0 }),
    make: row,
    update: (element, { lastAt }) => setAgo(element.querySelector('.last time'), lastAt),
  });
}

const KINDS = { full: 'full fetch', delta: 'delta', part: 'part' };

function row({ address, userAgent, user, applications, full, delta, part, lastFetch, intervalMillis, lastAt }) {
  const links = applications.flatMap((application) => [h('a', { href: `./?${new URLSearchParams({ application })}` }, application), ' ']);
  return h(
    'tr', {},
    h('td', { class: 'id' }, address),
    h('td', { 'data-label': 'Applications' }, links),
    h('td', { 'data-label': 'User agent' }, userAgent ?? 'none named'),
    h('td', { 'data-label': 'User' }, user),
    h('td', { class: 'n', 'data-label': 'Full fetches' }, number(full)),
    h('td', { class: 'n', 'data-label': 'Deltas' }, number(delta)),
    h('td', { class: 'n', 'data-label': 'Parts' }, number(part)),
    h('td', { class: 'n', 'data-label': 'Every' }, every(intervalMillis)),
    h('td', { class: 'n last', 'data-label': 'Last' }, ago(lastAt), ` ${KINDS[lastFetch]}`),
  );
}

/** A mean interval in words. */
function every(milliseconds) {
  if (milliseconds === null) return '–';
  const seconds = milliseconds / 1000;
  return seconds < 10 ? `${seconds.toFixed(1)} s` : `${number(Math.round(seconds))} s`;
}

filter.addEventListener('submit', (event) => {
  event.preventDefault();
  changed();
});
filter.addEventListener('input', () => {
  clearTimeout(typing);
  typing = setTimeout(changed, 120);
});

/** Reads anew, and puts what is asked for into the address, so that the view can be sent to somebody else. */
function changed() {
  const query = new URLSearchParams([...new FormData(filter)].filter(([, value]) => value.trim()));
  history.replaceState(null, '', query.size ? `?${query}` : location.pathname);
  read();
}

const query = new URLSearchParams(location.search);
for (const name of ['q', 'sort']) {
  if (query.get(name)) filter.elements[name].value = query.get(name);
}
read();
setInterval(() => document.hidden || read(), AGAIN);
setInterval(() => document.hidden || tick(), 1000);
