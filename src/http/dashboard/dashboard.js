// The page: shows what its address asks for, and follows the event stream to keep that up to date.

import { showActions } from './actions.js';
import { get, Stream } from './api.js';
import { askApplications, showApplications } from './applications.js';
import { readChanges, showChange } from './changes.js';
import { CONDITIONS } from './conditions.js';
import { byId, text } from './dom.js';
import { setServerTime, tick, timeOfDay } from './format.js';
import { showGreeting } from './greeting.js';
import { askInstance, showInstance } from './instance.js';
import { askInstances, changed, showInstances } from './instances.js';
import { showOverview } from './overview.js';
import { showSearch } from './search.js';
import { showSelfPreservation } from './self_preservation.js';

/** Minimum and maximum time between two automatic reads, in milliseconds. */
const SOON = 1000;
const ANYWAY = 10_000;

let user;
let overview;
let live = false;
let heardAt;
let query = new URLSearchParams(location.search);

// ---- content

let reading;
let readAt = 0;
let pending;

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
    byId('list').hidden = byId('side').hidden = byId('strip').hidden = kind === 'instance';
    byId('instance').hidden = kind !== 'instance';
    if (kind !== 'instance') showFilter();
    SHOW[kind](answer, asked);
    showSearch(asked);
    showActions(user, read);
    text(byId('trouble'), '');
  } catch (error) {
    if (mine.signal.aborted) return;
    text(byId('trouble'), `The list below could not be read: ${error.message}`);
  } finally {
    readAt = Date.now();
  }
}

const READ = {
  instances: askInstances,
  applications: askApplications,
  instance: askInstance,
};
const SHOW = {
  instances: showInstances,
  applications: showApplications,
  instance: (details, asked) => showInstance(details, asked, user, read),
};

function view(asked) {
  if (asked.has('instance')) return 'instance';
  if (['applications', 'instances'].includes(asked.get('view'))) return asked.get('view');
  // Without a view, each condition that only instances have is about instances.
  return CONDITIONS.slice(1).some((name) => asked.get(name)) ? 'instances' : 'applications';
}

/** Reads again soon. Many calls lead to one read. */
function readSoon() {
  if (document.hidden) return;
  pending ??= setTimeout(read, Math.max(0, readAt + SOON - Date.now()));
}

// ---- the address

/** Shows another address of this page. With `replace`, the browser's history gets no new entry. */
async function go(address, { replace = false } = {}) {
  const before = view(query);
  history[replace ? 'replaceState' : 'pushState'](null, '', address);
  query = new URLSearchParams(location.search);
  await read();
  if (view(query) === 'instance') byId('instance-title')?.focus();
  else if (before === 'instance') byId('content').focus({ preventScroll: true });
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
    if (view(query) === 'instance') go('./').then(() => filter.elements.q.focus());
    else filter.elements.q.select();
  } else if (event.key === 'Escape' && event.target === filter.elements.q) {
    filter.elements.q.value = '';
    search();
    filter.elements.q.blur();
  } else if (event.key === 'Escape' && view(query) === 'instance') {
    byId('back').click();
  }
});

document.addEventListener('settings', () => go(changed(query, { offset: undefined }), { replace: true }));

// ---- the event stream

function heard(now) {
  setServerTime(now);
  heardAt = now;
  if (!live) return;
  connection('live', 'live');
}

function connection(state, words) {
  byId('connection').dataset.state = document.body.dataset.connection = state;
  text(byId('connection'), words);
}

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
  showActions(user, read);
  byId('open').hidden = !user.open;
  text(byId('user'), user.name ? `${user.name}${user.access === 'all' ? '' : ', read-only'}` : '');
}

/** Reads everything: at the start, and whenever the stream may have missed events. */
async function readAll() {
  const results = await Promise.allSettled([readUser(), readChanges()]);
  await read();
  const failed = results.find(({ status }) => status === 'rejected');
  if (failed) text(byId('trouble'), `Not everything could be read: ${failed.reason.message}`);
}

new Stream({
  open() {
    live = true;
    connection('live', 'live');
    readAll();
  },
  lost() {
    live = false;
    if (!heardAt) readAll();
    connection('lost', heardAt ? `connection lost, shown as of ${timeOfDay(heardAt)}` : 'not connected yet');
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
  if (live && !document.hidden) tick();
}, 1000);
