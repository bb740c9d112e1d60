// The top of the page: whether the registry is healthy and why, its figures, its peers, the renewals of the last minutes.

import { showRenewals } from './chart.js';
import { byId, fill, h, text, whenChanged } from './dom.js';
import { count, duration, number, serverNow, status } from './format.js';

/** Shows an overview as the registry sends it. */
export function showOverview(overview) {
  const { server, health, selfPreservation, peers } = overview;
  document.title = `${health.state === 'healthy' ? '' : '! '}${server.hostName} · eureka-registry`;
  text(byId('server'), `${server.hostName} · ${server.version} · up ${duration(serverNow() - server.startedAt)}`);
  byId('server').title = `node ${server.node}${server.commit ? `, commit ${server.commit}` : ''}`;
  whenChanged('verdict', [health, selfPreservation.reason], () => showVerdict(health, selfPreservation));
  const { instances, applications, leases, zones } = overview;
  whenChanged('figures', [instances, applications, leases, selfPreservation, zones.length], () => showFigures(overview));
  whenChanged('peers', peers.map((peer) => ({ ...peer, lastAnswerAt: 0, lag: lag(peer) })), () => showPeers(peers));
  showRenewals(overview);
}

function showVerdict({ state, reasons }, selfPreservation) {
  const healthy = state === 'healthy';
  byId('verdict').dataset.state = state;
  fill(
    byId('verdict'),
    h('p', {}, h('strong', {}, healthy ? 'Healthy' : 'Needs attention'), ' ', healthy && h('span', {}, selfPreservation.reason)),
    reasons.length > 0 && h('ul', {}, reasons.map((reason) => h('li', {}, reason))),
  );
}

function showFigures({ instances, applications, leases, selfPreservation, zones }) {
  const { renewalsLastMinute, renewalsThreshold, state } = selfPreservation;
  const kept = leases.keptBySelfPreservation + leases.keptByEvictionLimit;
  const others = instances.total - instances.byStatus.UP;
  const figure = (title, value, href, small, mood) =>
    h('div', {}, h('dt', {}, title), h('dd', { class: mood }, href ? h('a', { href }, number(value)) : number(value), h('small', {}, small)));
  fill(
    byId('figures'),
    figure('Instances UP', instances.byStatus.UP, '?status=UP', others ? `of ${number(instances.total)}` : zones.length > 1 && `in ${count(zones.length, 'zone')}`),
    figure(
      'Applications', applications.total, '?view=applications',
      applications.withoutUp > 0 && `${number(applications.withoutUp)} without an instance that is UP`, applications.withoutUp && 'bad',
    ),
    figure(
      'Renewals in the last minute', renewalsLastMinute, undefined,
      state === 'disabled' ? 'self-preservation is off' : `more than ${number(renewalsThreshold)} needed`, state === 'active' && 'warn',
    ),
    figure(
      'Overdue leases', leases.overdue, '?overdue=true',
      kept ? `${number(kept)} expired and kept` : leases.expired > 0 && `${number(leases.expired)} expired`, leases.overdue && 'warn',
    ),
  );
}

const lag = ({ oldestWaitingSince }) => (oldestWaitingSince === null ? '–' : duration(serverNow() - oldestWaitingSince));

function showPeers(peers) {
  const row = (peer) => {
    const lost = [peer.dropped && `${number(peer.dropped)} dropped`, peer.expired && `${number(peer.expired)} given up`].filter(Boolean);
    return h(
      'tr', {},
      h('th', { scope: 'row' }, h('span', { class: 'id' }, peer.url), peer.kind === 'eureka' && h('small', {}, ' another Eureka server')),
      h('td', {}, availability(peer), peer.lastError && h('p', { class: 'error' }, peer.lastError)),
      h('td', { 'data-label': 'Content' }, sameness(peer)),
      h('td', { class: 'n', 'data-label': 'Queue' }, number(peer.queue), lost.length > 0 && h('small', { class: 'warn' }, ` ${lost.join(', ')}`)),
      h('td', { class: 'n', 'data-label': 'Lag' }, lag(peer)),
    );
  };
  const heads = ['Peer', 'State', 'Content', 'Queue', 'Lag'].map((head, at) => h('th', { scope: 'col', class: at > 2 && 'n' }, head));
  fill(
    byId('peers'),
    h('h2', { id: 'peers-title' }, 'Peers'),
    peers.length
      ? h('table', {}, h('thead', {}, h('tr', {}, heads)), h('tbody', {}, peers.map(row)))
      : h('p', { class: 'quiet' }, 'None: this replica stands alone.'),
  );
}

function availability({ available, lastAnswerAt }) {
  if (available) return status('UP', 'answers');
  return lastAnswerAt === null ? status('UNKNOWN', 'has not answered yet') : status('DOWN', 'does not answer');
}

function sameness({ differingApplications }) {
  if (differingApplications === null) return h('span', { class: 'quiet' }, 'not compared');
  return differingApplications === 0 ? 'the same' : h('strong', { class: 'warn' }, `${count(differingApplications, 'application')} differ${differingApplications === 1 ? 's' : ''}`);
}
