// The list of instances: one page of those that the address asks for. The registry filters and sorts them.

import { get } from './api.js';
import { CONDITIONS } from './conditions.js';
import { byId, fill, h, keep, text, whenChanged } from './dom.js';
import { ago, count, instanceLink, number, outward, setAgo, status, STATUSES } from './format.js';
import { pick, pickAll, showPickAll } from './selection.js';
import { pageSize } from './settings.js';

const COLUMNS = [
  { title: 'Status', sort: 'status', class: 'state' },
  { title: 'Application', sort: 'application', class: 'application' },
  { title: 'Instance', sort: 'instanceId', class: 'instance' },
  { title: 'Address', class: 'address' },
  { title: 'Zone', sort: 'zone', class: 'zone' },
  { title: 'Version', sort: 'version', class: 'version' },
  { title: 'Registered', sort: 'registered', class: 'registered n' },
  { title: 'Last renewal', sort: 'lastRenewal', class: 'renewal n' },
  { title: 'Links', class: 'links' },
];
/** What the list is asked for: the conditions, the order and the part. They have the same names in the page's address and in the API. */
const ASKED = [...CONDITIONS, 'sort', 'offset'];

/** The value for instances without a zone or without a version. */
const NONE = '-';

/** Reads the instances that `query` asks for. */
export function askInstances(query, signal) {
  const asked = ASKED.filter((name) => query.has(name)).map((name) => [name, query.get(name)]);
  return get('instances', { limit: pageSize(), ...Object.fromEntries(asked) }, signal);
}

/** Shows the answer. */
export function showInstances(answer, query) {
  showChoices(answer.facets, query);
  text(byId('found'), found(answer, query));
  showHeads(COLUMNS, query);
  keep(byId('rows'), answer.instances, {
    key: ({ application, instanceId }) => JSON.stringify([application, instanceId]),
    said: (instance) => JSON.stringify({ ...instance, lastRenewalAt: 0 }),
    make: row,
    update: (element, { lastRenewalAt }) => setAgo(element.querySelector('.renewal time'), lastRenewalAt),
  });
  showPickAll();
  showPager(answer.total, answer.offset, query);
}

function found({ total, offset, instances }, query) {
  const narrowed = CONDITIONS.some((name) => query.has(name));
  if (total === 0) return narrowed ? 'No matching instances.' : 'No instance is registered.';
  const all = `${count(total, 'instance')}${narrowed ? ' found' : ''}`;
  if (total <= pageSize()) return all;
  return instances.length ? `${number(offset + 1)} to ${number(offset + instances.length)} of ${all}` : all;
}

/** The column headers. Each is a link that sorts by its column; a second click reverses the order. */
export function showHeads(columns, query) {
  const by = query.get('sort') ?? columns.find(({ first }) => first)?.sort ?? 'application';
  whenChanged('heads', [columns.map(({ title }) => title), query.toString()], () => {
    const head = ({ title, sort, class: name }) => {
      const order = by === sort ? 'ascending' : by === `-${sort}` ? 'descending' : undefined;
      const link = () => h('a', { id: `sort-${sort}`, href: changed(query, { sort: order === 'ascending' ? `-${sort}` : sort, offset: undefined }) }, title);
      return h('th', { scope: 'col', 'aria-sort': order, class: name }, sort ? link() : title);
    };
    fill(byId('heads'), pickAll(), columns.map(head));
  });
}

/** The address with other values in its query; `undefined` removes a parameter. */
export function changed(query, values) {
  const next = new URLSearchParams(query);
  for (const [name, value] of Object.entries(values)) {
    if (value === undefined) next.delete(name);
    else next.set(name, value);
  }
  return next.size ? `?${next}` : './';
}

function row(instance) {
  const { application, instanceId, hostName, ipAddr, port, securePort, registeredAt, lastRenewalAt } = instance;
  const overridden = instance.overriddenStatus && h('small', { title: 'An operator set this status. It holds until the override is removed.' }, ' overridden');
  return h(
    'tr', { class: instance.overdue && 'overdue', 'data-application': application, 'data-instance': instanceId },
    pick(application, instanceId),
    h('td', {}, status(instance.status), overridden),
    h('td', { class: 'application' }, h('a', { href: `?${new URLSearchParams({ application })}` }, application)),
    h('td', { class: 'id instance' }, h('a', { href: instanceLink(application, instanceId) }, instanceId)),
    h('td', { class: 'id address', title: ipAddr }, `${hostName || ipAddr}${securePort || port ? `:${securePort ?? port}` : ''}`),
    h('td', { class: 'zone', 'data-label': 'Zone' }, instance.zone),
    h('td', { class: 'version', 'data-label': 'Version' }, instance.version),
    h('td', { class: 'n registered', 'data-label': 'Registered' }, ago(registeredAt)),
    h('td', { class: 'n renewal', 'data-label': 'Last renewal' }, mark(instance), ago(lastRenewalAt)),
    h('td', { class: 'links' }, pageLinks(instance)),
  );
}

/** Links to the pages of the instance itself, as far as it has them. */
export function pageLinks({ homePageUrl, statusPageUrl, healthCheckUrl }) {
  const pages = [['home', homePageUrl], ['status', statusPageUrl], ['health', healthCheckUrl]];
  return pages.flatMap(([label, address]) => [outward(address, label), ' ']);
}

/** A mark if the instance was restored from the snapshot, or its lease is overdue or expired. */
export function mark({ overdue, expired, restored }) {
  const word = expired ? 'expired' : restored ? 'restored' : overdue && 'overdue';
  return word && h('span', { class: 'mark' }, word);
}

/** Links to the pages before and after this one. */
export function showPager(total, offset, query) {
  const page = pageSize();
  const last = Math.max(0, Math.floor((total - 1) / page) * page);
  whenChanged('pager', [page, total > page && [last, offset], query.toString()], () => {
    const to = (label, target, there) =>
      there ? h('a', { id: `page-${label}`, href: changed(query, { offset: target || undefined }) }, label) : h('span', { class: 'quiet' }, label);
    const pages = [
      to('First', 0, offset > 0),
      to('Previous', Math.max(0, Math.min(offset - page, last)), offset > 0),
      h('span', {}, `page ${number(Math.floor(offset / page) + 1)} of ${number(last / page + 1)}`),
      to('Next', offset + page, offset < last),
      to('Last', last, offset < last),
    ];
    fill(byId('pager'), total > page || offset > 0 ? pages : []);
  });
}

/** The selects for status, zone and version, with the number of instances for each value. */
function showChoices(facets, query) {
  for (const name of ['status', 'zone', 'version']) {
    const select = byId(`choose-${name}`);
    const chosen = query.get(name) ?? '';
    // A select that the user has open is not changed.
    if (document.activeElement === select && select.value === chosen) continue;
    const values = [...facets[name]];
    if (chosen && !values.some(({ value }) => value === chosen)) values.push({ value: chosen, count: 0 });
    values.sort(name === 'status' ? (a, b) => STATUSES.indexOf(a.value) - STATUSES.indexOf(b.value) : (a, b) => compare(a.value, b.value));
    whenChanged(`choose ${name}`, [values, chosen], () => {
      const option = (value, label) => h('option', { value, selected: value === chosen }, label);
      const label = ({ value, count: many }) => `${value === NONE ? `no ${name}` : value} (${number(many)})`;
      fill(select, option('', `any ${name}`), values.map((facet) => option(facet.value, label(facet))));
    });
    select.hidden = !chosen && values.length < 2 && name !== 'status';
  }
}

const { compare } = new Intl.Collator('en', { numeric: true });
