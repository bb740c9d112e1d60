// The top of the page: health with its reasons, metrics, peers, and the renewals of the last minutes.

import { showRenewals, spark } from './chart.js';
import { byId, fill, h, text, whenChanged } from './dom.js';
import { count, duration, number, serverNow, status } from './format.js';

/** Shows an overview in the form that the registry sends. */
export function showOverview(overview) {
  const { server, health, selfPreservation, peers } = overview;
  document.title = `${health.state === 'healthy' ? '' : '! '}${server.hostName} · eureka-registry`;
  text(byId('server'), `${server.hostName} · ${server.version} · up ${duration(serverNow() - server.startedAt)}`);
  byId('server').title = `node ${server.node}${server.commit ? `, commit ${server.commit}` : ''}`;
  whenChanged('verdict', [health, selfPreservation.reason], () => showVerdict(health, selfPreservation));
  const { instances, applications, leases, zones, history } = overview;
  const many = peers.map(({ available, differingApplications }) => [available, differingApplications]);
  whenChanged('metrics', [instances, applications, leases, selfPreservation, zones.length, history.at(-1), many], () => showMetrics(overview));
  whenChanged('peers', peers.map((peer) => ({ ...peer, lastAnswerAt: 0, lag: lag(peer) })), () => showPeers(peers));
  showRenewals(overview);
}

function showVerdict({ state, reasons }, selfPreservation) {
  const healthy = state === 'healthy';
  // The sentences contain ages that change every second. A screen reader should read only new sentences.
  whenChanged('announced', [state, reasons.length], () => text(byId('announced'), healthy ? 'Healthy' : `Needs attention: ${reasons.join(' ')}`));
  byId('verdict').dataset.state = state;
  fill(
    byId('verdict'),
    h('p', {}, h('strong', {}, healthy ? 'Healthy' : 'Needs attention'), ' ', healthy && h('span', {}, selfPreservation.reason)),
    reasons.length > 0 && h('ul', {}, reasons.map((reason) => h('li', {}, reason))),
  );
}

function showMetrics({ instances, applications, leases, selfPreservation, zones, peers, history }) {
  const { renewalsLastMinute, state } = selfPreservation;
  const kept = leases.keptBySelfPreservation + leases.keptByEvictionLimit;
  const others = instances.total - instances.byStatus.UP;
  const metric = (title, value, href, small, mood, line) =>
    h('div', {}, h('dt', {}, title), h('dd', {}, href ? h('a', { href }, value) : value, ' ', small && h('small', { class: mood }, small), line && spark(line)));
  const past = (name, now) => [...history.map((sample) => sample[name]), now];
  fill(
    byId('metrics'),
    metric(
      'Instances UP', number(instances.byStatus.UP), '?view=instances', others ? `of ${number(instances.total)}` : zones.length > 1 && `in ${count(zones.length, 'zone')}`, undefined,
      past('up', instances.byStatus.UP),
    ),
    metric(
      'Applications', number(applications.total), './',
      applications.withoutUp > 0 && `${number(applications.withoutUp)} with none UP`, applications.withoutUp > 0 && 'bad',
    ),
    metric(
      'Renewals in the last minute', number(renewalsLastMinute), undefined,
      decidedBy(selfPreservation), state === 'active' && 'warn', past('renewalsLastMinute', renewalsLastMinute),
    ),
    metric(
      'Overdue leases', number(leases.overdue), '?overdue=true',
      kept ? `${number(kept)} expired and kept` : leases.overdue > 0 && (leases.expired ? `${number(leases.expired)} expired` : 'none expired yet'), leases.overdue > 0 && 'warn',
    ),
    peers.length > 0 && metric('Peers up', `${number(peers.filter(({ available }) => available).length)} of ${number(peers.length)}`, '#peers-title', ...differences(peers)),
  );
}

/** Whether the peers that were compared know the same. */
function differences(peers) {
  const differ = peers.filter(({ differingApplications }) => differingApplications > 0).length;
  return differ ? [`${number(differ)} with a difference`, 'warn'] : [];
}

/** The figure that self-preservation decides by. */
function decidedBy({ state, mode, renewalsThreshold, silent }) {
  if (state === 'disabled') return 'self-preservation is off';
  if (mode === 'java') return `more than ${number(renewalsThreshold)} needed`;
  return silent > 0 && `${count(silent, 'instance')} silent`;
}

const lag = ({ oldestWaitingSince }) => (oldestWaitingSince === null ? '–' : duration(serverNow() - oldestWaitingSince));

function showPeers(peers) {
  const rows = (peer) => {
    const { dropped, expired, lastError } = peer;
    const trouble = [lastError, dropped && `${number(dropped)} dropped because the queue was full`, expired && `${number(expired)} dropped because they were too old`].filter(Boolean);
    return [
      h(
        'tr', { class: trouble.length > 0 && 'failing' },
        h('th', { scope: 'row', class: 'id', title: peer.url }, shortUrl(peer.url), peer.kind === 'eureka' && h('small', {}, ' another Eureka server')),
        h('td', {}, availability(peer)),
        h('td', { 'data-label': 'Content' }, sameness(peer)),
        h('td', { class: 'n', 'data-label': 'Queue' }, number(peer.queue)),
        h('td', { class: 'n', 'data-label': 'Lag' }, lag(peer)),
      ),
      trouble.length > 0 && h('tr', { class: 'error' }, h('td', { colspan: 5 }, trouble.join(' · '))),
    ];
  };
  const heads = ['Peer', 'State', 'Content', 'Queue', 'Lag'].map((head, at) => h('th', { scope: 'col', class: at > 2 && 'n' }, head));
  fill(
    byId('peers'),
    h('h2', { id: 'peers-title' }, 'Peers'),
    peers.length
      ? h('table', {}, h('thead', {}, h('tr', {}, heads)), h('tbody', {}, peers.flatMap(rows)))
      : h('p', { class: 'quiet' }, 'None: this replica is standalone.'),
  );
}

/** A service URL without the parts that all have in common. */
const shortUrl = (url) => url.replace(/^http:\/\//, '').replace(/\/eureka\/?$/, '');

function availability({ available, lastAnswerAt }) {
  if (available) return status('UP', 'up');
  return lastAnswerAt === null ? status('UNKNOWN', 'not reached yet') : status('DOWN', 'unreachable');
}

function sameness({ differingApplications: differing }) {
  if (differing === null) return h('span', { class: 'quiet' }, 'not compared');
  return differing === 0 ? 'the same' : h('strong', { class: 'warn', title: `in ${count(differing, 'application')}` }, `differs in ${number(differing)}`);
}
