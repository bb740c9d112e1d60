// What this replica and a peer know differently: both sides of each instance. The peer is asked for it when the page is opened, and whenever
// the user asks again.

import { get } from './api.js';
import { byId, fill, h } from './dom.js';
import { ago, at, count, instanceLink, number as many, status } from './format.js';

/** Asks for the differences with the peer that `query` names. */
export const askDifferences = (query, signal) => get('differences', { peer: query.get('peer') }, signal);

/** Shows the answer. `again` asks the peer again. */
export function showDifferences(answer, again) {
  const { peer, problem, instances } = answer;
  fill(
    byId('differences'),
    h('nav', { 'aria-label': 'Back' }, h('a', { href: './', id: 'back-from-peer' }, '← applications')),
    h('div', { class: 'title' }, h('h2', { id: 'differences-title', tabindex: '-1' }, 'Differences with ', h('span', { class: 'id' }, peer)), h('button', { type: 'button', id: 'compare-again', onclick: again }, 'Compare again')),
    h('p', { id: 'differences-summary', role: 'status', class: problem && 'bad' }, problem ?? summary(answer)),
    instances.map(one),
  );
}

function summary({ now, applications, names, complete, instances }) {
  const when = ['As of ', at(now), ': '];
  if (!applications) return [...when, 'this replica and the peer know the same. What differed was repaired.'];
  const more = applications > names.length ? ` and ${many(applications - names.length)} more` : '';
  const shown = complete ? '' : ` Only the first ${many(instances.length)} instances are shown.`;
  return [...when, `${count(instances.length, 'instance')} of ${count(applications, 'application')} (${names.join(', ')}${more}).${shown}`];
}

/** A moment with its age, or a dash. */
const moment = (value) => (value === null || value === undefined ? '–' : h('span', {}, at(value), h('small', {}, ' ', ago(value), ' ago')));

const ROWS = [
  ['registered', ({ registered }) => (registered ? 'registered' : 'cancelled or evicted')],
  ['status', (side) => side.status && status(side.status)],
  ['override', ({ overriddenStatus }) => overriddenStatus ?? 'none'],
  ['override set or removed', ({ overrideChangedAt }) => moment(overrideChangedAt)],
  ['address', ({ address }) => address],
  ['version of the data', ({ version }) => moment(version || undefined)],
  ['last registration', ({ registeredAt }) => moment(registeredAt)],
  ['last change', ({ changedAt }) => moment(changedAt)],
  ['last cancellation', ({ cancelledAt }) => moment(cancelledAt)],
  ['last renewal', ({ lastRenewalAt }) => moment(lastRenewalAt)],
];

/** One instance, this replica's side beside the peer's. What differs is marked with a word, too. */
function one({ application, instanceId, what, here, there, metadata }) {
  const cell = (side, read) => (side ? read(side) : h('span', { class: 'quiet' }, 'unknown'));
  const text = (side, read) => {
    const value = cell(side, read);
    return value?.textContent ?? String(value ?? '');
  };
  const line = (name, ours, theirs, differs) =>
    h('tr', { class: differs && 'differs' }, h('th', { scope: 'row' }, name, differs && [' ', h('small', { class: 'mark' }, 'differs')]), h('td', { 'data-label': 'Here' }, ours), h('td', { 'data-label': 'Peer' }, theirs));
  const said = (read) => [text(here, read), text(there, read)];
  const both = here && there;
  // A line that says nothing on both sides is left out. Of an instance that one side does not know, that is the difference.
  const known = ROWS.filter(([, read]) => said(read).some((word) => !['–', 'none', 'unknown', ''].includes(word)))
    .map(([name, read], number) => line(name, cell(here, read), cell(there, read), both ? name !== 'last renewal' && said(read)[0] !== said(read)[1] : number === 0));
  const entries = metadata.map(({ name, here: ours, there: theirs }) => line(h('span', { class: 'id' }, `metadata ${name}`), ours ?? h('span', { class: 'quiet' }, 'none'), theirs ?? h('span', { class: 'quiet' }, 'none'), true));
  return h(
    'section', { class: 'sheet difference', 'aria-label': `${application} ${instanceId}` },
    h('h3', {}, `${application} `, h('a', { class: 'id', href: instanceLink(application, instanceId) }, instanceId)),
    h('p', {}, what),
    h('table', {}, h('thead', {}, h('tr', {}, h('td', {}), h('th', { scope: 'col' }, 'This replica'), h('th', { scope: 'col' }, 'The peer'))), h('tbody', {}, known, entries)),
  );
}
