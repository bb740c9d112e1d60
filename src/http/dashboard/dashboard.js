// The page: shows what its address asks for, and follows the event stream to keep that up to date.

import { showActions } from './actions.js';
import { get, Stream } from './api.js';
import { askApplications, showApplications } from './applications.js';
import { readChanges, showChange } from './changes.js';
import { CONDITIONS } from './conditions.js';
import { askDifferences, showDifferences } from './differences.js';
import { byId, text } from './dom.js';
import { duration, setServerTime, tick, timeOfDay } from './format.js';
import { showGreeting } from './greeting.js';
import { askInstance, showInstance } from './instance.js';
import { askInstances, changed, showInstances } from './instances.js';
import { showOverview } from './overview.js';
import { pulse } from './pulse.js';
import { showSearch } from './search.js';
import { showSelfPreservation } from './self_preservation.js';

/** Minimum and maximum time between two automatic reads, in milliseconds. */
const SOON = 1000;
const ANYWAY = 10_000;
/** The pause before a read that failed is repeated, in milliseconds. */
const REPEAT = 2000;
/** The registry sends an event at least every five seconds. Without one for this long it is busy, in milliseconds. */
const QUIET = 7000;

let user;
let overview;
let live = false;
let heardAt;
let query = new URLSearchParams(location.search);

// ---- content

let reading;
let readAt = 0;
let pending;
/** Shows the last answer again, such as for another user. */
let showAgain = () => {};

/** Reads and shows what the address asks for. A newer call replaces one that is still waiting. */
async function read() {
  clearTimeout(pending);
  pending = undefined;
  reading?.abort();
  const mine = (reading = new AbortController());
  // Also while it is under way, so that nothing asks for the same again.
  readAt = Date.now();
  const asked = query;
  const kind = view(asked);
  try {
    const answer = await READ[kind](asked, mine.signal);
    if (mine.signal.aborted) return;
    if (answer) setServerTime(answer.now);
    document.body.dataset.view = kind;
    const alone = kind === 'instance' || kind === 'differences';
    byId('list').hidden = byId('side').hidden = byId('strip').hidden = alone;
    for (const name of ['instance', 'differences']) byId(name).hidden = kind !== name;
    if (!alone) showFilter();
    showAgain = () => SHOW[kind](answer, asked);
    showAgain();
    showSearch(asked);
    showActions(user, read);
    text(byId('trouble'), '');
  } catch (error) {
    if (mine.signal.aborted) return;
    text(byId('trouble'), `The list below could not be read: ${error.message}`);
    // Without a connection, its return is what to wait for.
    if (live) pending ??= setTimeout(read, REPEAT);
  } finally {
    if (reading === mine) reading = undefined;
    readAt = Date.now();
  }
}

const READ = {
  instances: askInstances,
  applications: askApplications,
  instance: askInstance,
  differences: askDifferences,
};
const SHOW = {
  instances: showInstances,
  applications: showApplications,
  instance: (details, asked) => showInstance(details, asked, user, read),
  differences: (answer) => showDifferences(answer, read),
};

function view(asked) {
  if (asked.has('instance')) return 'instance';
  if (asked.has('peer')) return 'differences';
  if (['applications', 'instances'].includes(asked.get('view'))) return asked.get('view');
  // Without a view, each condition that only instances have is about instances.
  return CONDITIONS.slice(1).some((name) => asked.get(name)) ? 'instances' : 'applications';
}

/**
 * Reads again soon. Many calls lead to one read. One that is under way is waited for: a slow registry would never finish any otherwise. The
 * differences with a peer are read only when the user asks, because the peer is asked for them.
 */
function readSoon() {
  if (document.hidden || view(query) === 'differences') return;
  if (reading) {
    pending ??= setTimeout(() => {
      pending = undefined;
      readSoon();
    }, SOON);
    return;
  }
  pending ??= setTimeout(read, Math.max(0, readAt + SOON - Date.now()));
}

// ---- the address

/** Shows another address of this page. With `replace`, the browser's history gets no new entry. */
async function go(address, { replace = false } = {}) {
  const before = view(query);
  history[replace ? 'replaceState' : 'pushState'](null, '', address);
  query = new URLSearchParams(location.search);
  await read();
  const [now, alone] = [view(query), ['instance', 'differences']];
  if (alone.includes(now)) byId(`${now}-title`)?.focus();
  else if (alone.includes(before)) byId('content').focus({ preventScroll: true });
}

addEventListener('popstate', () => {
  query = new URLSearchParams(location.search);
  read();
});

document.addEventListener('click', (event) => {
  const link = event.target.closest?.('a[href]');
  if (!link || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey || link.target) return;
  const there = new URL(link.href);
  if (there.origin !== location.origin || there.pathname !== location.pathname || there.hash) return;
  event.preventDefault();
  go(there.search || './');
});

// ---- search and filter

const filter = byId('filter');
let typing;

function showFilter() {
  const applications = view(query) === 'applications';
  if (document.activeElement !== filter.elements.q) filter.elements.q.value = query.get('q') ?? '';
  byId('choices').hidden = applications;
  byId('troubles').hidden = !applications;
  filter.elements.q.placeholder = 'name, address, zone or team=payments';
  byId('overdue').checked = query.get('overdue') === 'true';
  const chip = byId('application');
  chip.hidden = !query.has('application');
  chip.href = changed(query, { application: undefined, offset: undefined });
  text(chip, `application ${query.get('application')} ✕`);
  const clear = byId('clear');
  clear.hidden = !['trouble', ...CONDITIONS].some((name) => query.has(name));
  clear.href = applications ? './' : '?view=instances';
  const q = new URLSearchParams(query.has('q') ? { q: query.get('q') } : {});
  for (const link of byId('views').children) {
    const { view: name } = link.dataset;
    link.href = changed(q, { view: name === 'instances' ? name : undefined });
    if (name === view(query)) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
}

function search() {
  clearTimeout(typing);
  const q = filter.elements.q.value.trim();
  if (q === (query.get('q') ?? '')) return;
  go(changed(query, { q: q || undefined, offset: undefined }), { replace: true });
}

filter.addEventListener('submit', (event) => {
  event.preventDefault();
  search();
});
filter.elements.q.addEventListener('input', () => {
  clearTimeout(typing);
  typing = setTimeout(search, 120);
});
for (const name of ['status', 'zone', 'version']) {
  byId(`choose-${name}`).addEventListener('change', ({ target }) =>
    go(changed(query, { [name]: target.value || undefined, offset: undefined })));
}
byId('overdue').addEventListener('change', ({ target }) =>
  go(changed(query, { overdue: target.checked ? 'true' : undefined, offset: undefined })));

document.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || byId('confirm').open) return;
  const inField = event.target.matches?.('input, select, textarea');
  if (event.key === '/' && !inField) {
    event.preventDefault();
    if (byId('list').hidden) go('./').then(() => filter.elements.q.focus());
    else filter.elements.q.select();
  } else if (event.key === 'Escape' && event.target === filter.elements.q) {
    filter.elements.q.value = '';
    search();
    filter.elements.q.blur();
  } else if (event.key === 'Escape' && view(query) === 'instance') {
    byId('back').click();
  } else if (event.key === 'Escape' && view(query) === 'differences') {
    byId('back-from-peer').click();
  }
});

document.addEventListener('settings', () => go(changed(query, { offset: undefined }), { replace: true }));

// ---- the event stream

/** When the last event came, by this machine's clock. */
let eventAt;

function heard(now) {
  setServerTime(now);
  heardAt = now;
  eventAt = Date.now();
  showConnection();
}

/** Whether the page is up to date, in words. */
function showConnection() {
  const { busyFor, failingSince } = pulse();
  const quiet = live && eventAt && Date.now() - eventAt > QUIET ? Date.now() - eventAt : undefined;
  const asOf = heardAt ? `, shown as of ${timeOfDay(heardAt)}` : '';
  if (!live && heardAt) connection('lost', `connection lost${asOf}`);
  else if (failingSince) connection('lost', `does not answer since ${timeOfDay(failingSince)}${asOf}`);
  else if (busyFor ?? quiet) connection('busy', `busy, no answer for ${duration(busyFor ?? quiet)}`);
  else if (live) connection('live', 'live');
}

function connection(state, words) {
  byId('connection').dataset.state = document.body.dataset.connection = state;
  text(byId('connection'), words);
}

document.addEventListener('pulse', showConnection);

/** Shows the top of the page. */
function showTop() {
  if (!overview) return;
  showOverview(overview);
  showGreeting(overview, user);
  showSelfPreservation(overview.selfPreservation, user, readOverview);
}

async function readOverview() {
  overview = await get('overview');
  showTop();
}

async function readUser() {
  user = await get('user');
  showTop();
  showAgain();
  showActions(user, read);
  byId('open').hidden = !user.open;
  text(byId('user'), user.name ? `${user.name}${user.access === 'all' ? '' : ', read-only'}` : '');
}

/** Reads everything: at the start, and whenever the stream may have missed events. */
async function readAll() {
  const results = await Promise.allSettled([readUser(), readChanges(), read()]);
  const failed = results.find(({ status }) => status === 'rejected');
  if (failed) text(byId('trouble'), `Not everything could be read: ${failed.reason.message}`);
}

new Stream({
  open() {
    live = true;
    eventAt = Date.now();
    showConnection();
    readAll();
  },
  lost() {
    live = false;
    if (heardAt) showConnection();
    else {
      connection('lost', 'not connected yet');
      readAll();
    }
  },
  overview(sent) {
    overview = sent;
    heard(overview.now);
    showTop();
    if (Date.now() - readAt > ANYWAY) readSoon();
  },
  change(change) {
    showChange(change);
    readSoon();
  },
  missed: readAll,
});

// Ages do not grow while the connection is lost, because the page shows an earlier moment.
setInterval(() => {
  if (document.hidden) return;
  if (live) tick();
  if (live || pulse().busyFor) showConnection();
}, 1000);
