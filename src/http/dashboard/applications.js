// The list of applications, those first in which something is wrong.

import { byId, h, keep, text } from './dom.js';
import { count, number, statuses } from './format.js';
import { PAGE, showHeads, showPager } from './instances.js';

const COLUMNS = [
  { title: 'Application', sort: 'application' },
  { title: 'UP', sort: 'up', class: 'up', first: true },
  { title: 'Statuses', class: 'statuses' },
  { title: 'Zones' },
  { title: 'Versions' },
];

/** Shows the applications whose names have all the words of `q` in them. */
export function showApplications({ applications }, query) {
  const words = (query.get('q') ?? '').toLowerCase().split(/\s+/);
  const found = applications.filter(({ name }) => words.every((word) => name.toLowerCase().includes(word)));
  // They come in the order of their names, and sorting keeps it where nothing else differs.
  const sort = query.get('sort') ?? 'up';
  if (sort.endsWith('up')) found.sort((a, b) => rank(a) - rank(b));
  if (sort.startsWith('-')) found.reverse();
  const offset = Number(query.get('offset') ?? 0);
  const none = words.join('') ? 'No application is called that.' : 'No application is registered.';
  text(byId('found'), found.length ? count(found.length, 'application') : none);
  showHeads(COLUMNS, query);
  keep(byId('rows'), found.slice(offset, offset + PAGE), { key: ({ name }) => name, said: JSON.stringify, make: row });
  showPager(found.length, offset, query);
}

/** Nothing is UP; something is not, or silent; all is well. */
function rank({ byStatus, instances, overdue }) {
  if (byStatus.UP === 0) return 0;
  return byStatus.UP < instances || overdue > 0 ? 1 : 2;
}

function row(application) {
  const { name, instances, byStatus, overdue, zones, versions } = application;
  return h(
    'tr', { class: rank(application) === 0 && 'overdue' },
    h('td', { title: name }, h('a', { href: `?${new URLSearchParams({ application: name })}` }, name)),
    h('td', { 'data-label': 'UP' }, `${number(byStatus.UP)} of ${number(instances)}`),
    h('td', { class: 'statuses' }, statuses(byStatus), overdue > 0 && h('span', { class: 'mark' }, `${number(overdue)} overdue`)),
    h('td', { 'data-label': 'Zones' }, zones.join(', ')),
    h('td', { 'data-label': 'Versions' }, versions.join(', ')),
  );
}
