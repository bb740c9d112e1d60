// The list of applications. Those with a problem come first.

import { byId, h, keep, text } from './dom.js';
import { count, number, statuses } from './format.js';
import { PAGE, showHeads, showPager } from './instances.js';
import { pick, showPickAll } from './selection.js';

const COLUMNS = [
  { title: 'Application', sort: 'application' },
  { title: 'UP', sort: 'up', class: 'up', first: true },
  { title: 'Statuses', class: 'statuses' },
  { title: 'Zones' },
  { title: 'Versions' },
];

/** Shows the applications whose names contain all words of `q`. */
export function showApplications({ applications }, query) {
  const words = (query.get('q') ?? '').toLowerCase().split(/\s+/);
  const found = applications.filter(({ name }) => words.every((word) => name.toLowerCase().includes(word)));
  // The registry sends them in the order of their names. Sorting is stable, so equal ones keep that order.
  const sort = query.get('sort') ?? 'up';
  if (sort.endsWith('up')) found.sort((a, b) => rank(a) - rank(b));
  if (sort.startsWith('-')) found.reverse();
  const offset = Number(query.get('offset') ?? 0);
  const none = words.join('') ? 'No matching applications.' : 'No application is registered.';
  text(byId('found'), found.length ? count(found.length, 'application') : none);
  showHeads(COLUMNS, query);
  keep(byId('rows'), found.slice(offset, offset + PAGE), { key: ({ name }) => name, said: JSON.stringify, make: row });
  showPickAll();
  showPager(found.length, offset, query);
}

/** 0: no instance is UP. 1: an instance is not UP, or overdue. 2: no problem. */
function rank({ byStatus, instances, overdue }) {
  if (byStatus.UP === 0) return 0;
  return byStatus.UP < instances || overdue > 0 ? 1 : 2;
}

function row(application) {
  const { name, instances, byStatus, overdue, zones, versions } = application;
  return h(
    'tr', { class: rank(application) === 0 && 'overdue', 'data-application': name },
    pick(name),
    h('td', { title: name }, h('a', { href: `?${new URLSearchParams({ application: name })}` }, name)),
    h('td', { 'data-label': 'UP' }, `${number(byStatus.UP)} of ${number(instances)}`),
    h('td', { class: 'statuses' }, statuses(byStatus), overdue > 0 && h('span', { class: 'mark' }, `${number(overdue)} overdue`)),
    h('td', { 'data-label': 'Zones' }, zones.join(', ')),
    h('td', { 'data-label': 'Versions' }, versions.join(', ')),
  );
}
