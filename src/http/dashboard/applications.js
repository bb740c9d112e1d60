// The list of applications, the worst first, and below each one that is open its instances. The registry filters and sorts.

import { get } from './api.js';
import { byId, fill, h, keep, text, whenChanged } from './dom.js';
import { ago, count, instanceLink, number, setAgo, status } from './format.js';
import { changed, mark, pageLinks, showHeads, showPager } from './instances.js';
import { pick, showPickAll } from './selection.js';
import { pageSize } from './settings.js';

const COLUMNS = [
  { title: 'Application', sort: 'application', class: 'name' },
  { title: 'UP', sort: 'instances', class: 'up' },
  { title: 'What is wrong', sort: 'trouble', class: 'problem', first: true },
  { title: 'Zones', class: 'zones' },
  { title: 'Versions', class: 'versions' },
];
/** The conditions of a search. They have the same names in the page's address and in the API. */
const CONDITIONS = ['q', 'trouble', 'status', 'zone', 'version', 'overdue', 'sort', 'offset'];
/** How many applications can be open, and how many instances are shown below one of them. */
const OPEN = 10;
const BELOW = 50;

const TROUBLES = { none_up: 'none UP', partly_up: 'partly UP', overdue: 'overdue', flapping: 'flapping' };

const opened = (query) => query.getAll('open').slice(0, OPEN).map((name) => name.toUpperCase());

/** Reads the applications that `query` asks for, and the instances of those that are open. */
export async function askApplications(query, signal) {
  const conditions = CONDITIONS.filter((name) => query.has(name)).map((name) => [name, query.get(name)]);
  const open = opened(query);
  const [answer, ...below] = await Promise.all([
    get('applications', { sort: 'trouble', limit: pageSize(), ...Object.fromEntries(conditions) }, signal),
    ...open.map((application) => get('instances', { application, sort: 'status', limit: BELOW }, signal)),
  ]);
  return { ...answer, below: new Map(open.map((name, at) => [name, below[at]])) };
}

/** Shows the answer. */
export function showApplications(answer, query) {
  const { total, offset, applications, byTrouble, below } = answer;
  text(byId('found'), found(answer, query));
  showTroubles(byTrouble, query);
  showHeads(COLUMNS, query);
  const rows = applications.flatMap((application) => {
    const inside = below.get(application.name);
    const row = { application, open: Boolean(inside), href: toggled(query, application.name) };
    return inside ? [row, belowRows(application.name, inside)].flat() : row;
  });
  keep(byId('rows'), rows, {
    key: ({ application, instance }) => JSON.stringify(instance ? [application.name, instance.instanceId] : [application.name]),
    said,
    make: (item) => (item.instance ? instanceRow(item.instance) : item.more ? moreRow(item) : applicationRow(item)),
    update: (element, { instance }) => instance && setAgo(element.querySelector('.renewal time'), instance.lastRenewalAt),
  });
  showPickAll();
  showPager(total, offset, query);
}

function found({ total, offset, applications }, query) {
  const narrowed = CONDITIONS.slice(0, 6).some((name) => query.has(name));
  if (total === 0) return narrowed ? 'No matching applications.' : 'No application is registered.';
  const all = `${count(total, 'application')}${narrowed ? ' found' : ''}`;
  if (total <= pageSize()) return all;
  return applications.length ? `${number(offset + 1)} to ${number(offset + applications.length)} of ${all}` : all;
}

/** All of a row but the time of the last renewal, which changes without a new row. */
const said = (row) => JSON.stringify(row, (name, value) => (name === 'lastRenewalAt' ? 0 : value));

const belowRows = (name, { total, instances }) => [
  ...instances.map((instance) => ({ application: { name }, instance })),
  ...(total > instances.length ? [{ application: { name: `${name} more` }, more: total, of: name }] : []),
];

/** The address with this application opened, or closed. */
function toggled(query, name) {
  const next = new URLSearchParams(query);
  const open = opened(query);
  next.delete('open');
  for (const other of open) if (other !== name) next.append('open', other);
  // The oldest one gives way.
  if (!open.includes(name)) next.append('open', name);
  const all = next.getAll('open');
  if (all.length > OPEN) next.delete('open', all[0]);
  return next.size ? `?${next}` : './';
}

function applicationRow({ application, open, href }) {
  const { name, instances, byStatus, trouble, problem, zones, versions } = application;
  return h(
    'tr', { 'data-application': name, 'data-trouble': trouble },
    pick(name),
    h('td', { class: 'name' }, h('a', { class: 'open', href, 'aria-expanded': String(open) }, name)),
    h('td', { class: 'up', 'data-label': 'UP' }, `${number(byStatus.UP)} of ${number(instances)}`),
    h('td', { class: 'problem' }, problem),
    h('td', { class: 'zones', 'data-label': 'Zones' }, zones.join(', ')),
    h('td', { class: 'versions', 'data-label': 'Versions' }, versions.join(', ')),
  );
}

function instanceRow(instance) {
  const { application, instanceId, hostName, ipAddr, port, securePort, lastRenewalAt } = instance;
  return h(
    'tr', { class: 'below', 'data-application': application, 'data-instance': instanceId },
    pick(application, instanceId),
    h('td', { class: 'id name' }, h('a', { href: instanceLink(application, instanceId) }, instanceId)),
    h('td', { class: 'up' }, status(instance.status)),
    h(
      'td', { class: 'problem' },
      h('span', { class: 'id' }, `${hostName || ipAddr}${securePort || port ? `:${securePort ?? port}` : ''}`), ' ',
      h('span', { class: 'quiet renewal' }, 'renewed ', ago(lastRenewalAt), ' ago'), ' ',
      instance.overriddenStatus && h('small', {}, 'overridden '), mark(instance), ' ',
      h('span', { class: 'links' }, pageLinks(instance)),
    ),
    h('td', { class: 'zones', 'data-label': 'Zone' }, instance.zone),
    h('td', { class: 'versions', 'data-label': 'Version' }, instance.version),
  );
}

const moreRow = ({ more, of }) =>
  h('tr', { class: 'below more' }, h('td', { class: 'pick' }), h('td', { colspan: COLUMNS.length }, h('a', { href: `?${new URLSearchParams({ application: of })}` }, `all ${count(more, 'instance')}`)));

/** How many applications have which trouble. Each is a filter; a second click removes it. */
function showTroubles(byTrouble, query) {
  const chosen = query.get('trouble');
  whenChanged('troubles', [byTrouble, query.toString()], () => {
    const chips = Object.entries(TROUBLES).filter(([name]) => byTrouble[name] || name === chosen).map(([name, words]) =>
      h('a', {
        id: `trouble-${name}`, class: 'chip', 'data-trouble': name, 'aria-current': name === chosen && 'true',
        href: changed(query, { trouble: name === chosen ? undefined : name, offset: undefined }),
      }, `${number(byTrouble[name])} ${words}${name === chosen ? ' ✕' : ''}`));
    fill(byId('troubles'), chips);
  });
}

// The arrow keys move between the rows, open and close an application; "x" selects.
byId('rows').addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
  const row = event.target.closest('tr');
  const link = row.querySelector('td a');
  const closes = link?.getAttribute('aria-expanded') === 'true';
  const steps = {
    ArrowDown: () => focusRow(row.nextElementSibling),
    ArrowUp: () => focusRow(row.previousElementSibling),
    ArrowRight: () => link?.getAttribute('aria-expanded') === 'false' && link.click(),
    ArrowLeft: () => (closes ? link.click() : row.classList.contains('below') && focusRow(parentOf(row))),
    x: () => row.querySelector('.pick input')?.click(),
  };
  if (!Object.hasOwn(steps, event.key)) return;
  event.preventDefault();
  steps[event.key]();
});

const focusRow = (row) => row?.querySelector('td:not(.pick) a')?.focus();

function parentOf(row) {
  let before = row;
  while (before?.classList.contains('below')) before = before.previousElementSibling;
  return before;
}
