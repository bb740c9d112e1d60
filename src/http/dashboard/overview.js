// The top of the page: health with its reasons, metrics, peers, and the renewals of the last minutes.

import { root } from './api.js';
import { showRenewals, spark } from './chart.js';
import { byId, fill, h, keep, text, whenChanged } from './dom.js';
import { ago, count, duration, number, serverNow, status, STATUSES } from './format.js';

/** Shows an overview in the form that the registry sends. */
export function showOverview(overview) {
  const { server, health, selfPreservation, peers } = overview;
  document.title = `${health.state === 'healthy' ? '' : '! '}${server.hostName} · eureka-registry`;
  text(byId('server'), `${server.hostName} · ${server.version} · up ${duration(serverNow() - server.startedAt)}`);
  byId('server').title = `node ${server.node}${server.commit ? `, commit ${server.commit}` : ''}`;
  showVerdict(health);
  const { instances, applications, leases, zones, history } = overview;
  const many = peers.map(({ available, differingApplications }) => [available, differingApplications]);
  whenChanged('metrics', [instances, applications, leases, selfPreservation, zones.length, history.at(-1), many], () => showMetrics(overview));
  whenChanged('peers', peers.map((peer) => ({ ...peer, lastAnswerAt: 0, lag: lag(peer) })), () => showPeers(peers));
  whenChanged('zones', zones, () => showZones(zones));
  showRenewals(overview);
}

const WORDS = { healthy: 'Healthy', degraded: 'Degraded', critical: 'Critical' };

function showVerdict({ state, summary, reasons, findings }) {
  const word = WORDS[state];
  // The sentences contain ages that change every second. A screen reader should read only new sentences.
  whenChanged('announced', [state, reasons.length], () => text(byId('announced'), [word, ...reasons].join('. ')));
  byId('verdict').dataset.state = state;
  // Only what has changed is made anew, so that a link keeps the focus and can be clicked.
  const [head, list] = byId('verdict').children;
  whenChanged('verdict head', [state, summary], () => fill(head, h('strong', {}, word), ' ', summary));
  keep(list, findings.map((finding, at) => ({ ...finding, at })), {
    key: ({ at }) => String(at),
    said: ({ grade, consequence, link, advice }) => JSON.stringify([grade, consequence, link, advice]),
    make: ({ grade, reason, consequence, link, advice }) =>
      h('li', { 'data-grade': grade }, h('span', { class: 'reason' }, reason), ' ', h('span', { class: 'consequence' }, consequence), ' ', link && h('a', { href: link }, 'Show'), ' ', h('span', { class: 'advice' }, advice)),
    update: (element, { reason }) => text(element.querySelector('.reason'), reason),
  });
}

/** The titles where there is little room. */
const SHORT = { 'Instances UP': 'UP', Applications: 'apps', 'Renewals in the last minute': 'renewals/min', 'Overdue leases': 'overdue', 'Peers up': 'peers' };

function showMetrics({ instances, applications, leases, selfPreservation, zones, peers, history }) {
  const { renewalsLastMinute, state } = selfPreservation;
  const kept = leases.keptBySelfPreservation + leases.keptByEvictionLimit;
  const others = instances.total - instances.byStatus.UP;
  const metric = (title, value, href, small, mood, line) =>
    h('div', {}, h('dt', {}, h('span', { class: 'long' }, title), h('span', { class: 'short', 'aria-hidden': 'true' }, SHORT[title])), h('dd', {}, href ? h('a', { href }, value) : value, ' ', small && h('small', { class: mood }, small), line && spark(line)));
  const past = (name, now) => [...history.map((sample) => sample[name]), now];
  byId('metrics').toggleAttribute('data-peers', peers.length > 0);
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
    const { dropped, expired, lastError, starting } = peer;
    // Of one that is starting, it is no news that its port is closed.
    const why = starting ? ['has been starting for ', ago(starting.since), starting.waitsFor && `; it waits for ${starting.waitsFor}`] : lastError;
    const trouble = [why, dropped && `${number(dropped)} dropped because the queue was full`, expired && `${number(expired)} dropped because they were too old`].filter(Boolean);
    return [
      h(
        'tr', { class: trouble.length > 0 && 'failing' },
        h('th', { scope: 'row', class: 'id', title: peer.url }, peerName(peer), peer.kind === 'eureka' && h('small', {}, ' another Eureka server')),
        h('td', {}, availability(peer)),
        h('td', { 'data-label': 'Content' }, sameness(peer)),
        h('td', { class: 'n', 'data-label': 'Queue' }, number(peer.queue)),
        h('td', { class: 'n', 'data-label': 'Lag' }, lag(peer)),
        h('td', { class: 'n', 'data-label': 'Clock' }, clock(peer)),
      ),
      trouble.length > 0 && h('tr', { class: 'error' }, h('td', { colspan: 6 }, trouble.map((one, at) => [at > 0 && ' · ', one]).flat(2))),
    ];
  };
  const heads = ['Peer', 'State', 'Content', 'Queue', 'Lag', 'Clock'].map((head, at) => h('th', { scope: 'col', class: at > 2 && 'n' }, head));
  fill(
    byId('peers'),
    h('h2', { id: 'peers-title' }, 'Peers'),
    peers.length
      ? h('table', {}, h('thead', {}, h('tr', {}, heads)), h('tbody', {}, peers.flatMap(rows)))
      : h('p', { class: 'quiet' }, 'None: this replica is standalone.'),
  );
}

/** A replica of ours has a page like this one, below the same path. */
function peerName({ url, kind }) {
  if (kind !== 'eureka-registry') return shortUrl(url);
  const here = new URL(`${root}./`, location.href).pathname;
  const page = new URL(url.replace(/eureka\/?$/, '') + location.pathname.slice(here.length));
  return h('a', { href: page.href, title: 'The page of this replica' }, shortUrl(url));
}

/** By how much a peer's clock is ahead. Less than a tenth of a second may be the network. */
function clock({ clockAheadMs: ahead }) {
  if (ahead === null) return '–';
  if (Math.abs(ahead) < 100) return 'the same';
  return h('span', { class: Math.abs(ahead) >= 1000 && 'warn' }, `${exactly(Math.abs(ahead))} ${ahead > 0 ? 'ahead' : 'behind'}`);
}

/** A short duration with a tenth of a second. */
const exactly = (milliseconds) => (milliseconds < 10_000 ? `${(milliseconds / 1000).toFixed(1)} s` : duration(milliseconds));

/** A name that may be broken behind its underscores. */
const breakable = (name) => name.split('_').flatMap((part, at) => (at ? ['_', h('wbr'), part] : [part]));

/** Zones by status. Each number leads to these instances. */
function showZones(zones) {
  const section = byId('zones');
  section.hidden = zones.length < 2;
  const used = STATUSES.toReversed().filter((name) => zones.some(({ byStatus }) => byStatus[name] > 0));
  const cell = (zone, name, many) => h('td', { class: 'n' }, many ? h('a', { href: `?${new URLSearchParams({ view: 'instances', zone, status: name })}` }, number(many)) : h('span', { class: 'quiet' }, '0'));
  const row = ({ name, byStatus }) => h('tr', {}, h('th', { scope: 'row' }, name === '-' ? 'no zone' : name), used.map((one) => cell(name, one, byStatus[one])));
  fill(
    section, h('h2', { id: 'zones-title' }, 'Zones'),
    h('table', {}, h('thead', {}, h('tr', {}, h('th', { scope: 'col' }, 'Zone'), used.map((name) => h('th', { scope: 'col', class: 'n' }, breakable(name))))), h('tbody', {}, zones.map(row))),
  );
}

/** A service URL without the parts that all have in common. */
const shortUrl = (url) => url.replace(/^http:\/\//, '').replace(/\/eureka\/?$/, '');

function availability({ available, starting, lastAnswerAt }) {
  if (available) return status('UP', 'up');
  if (starting) return status('STARTING', 'starting');
  return lastAnswerAt === null ? status('UNKNOWN', 'not reached yet') : status('DOWN', 'unreachable');
}

function sameness({ differingApplications: differing, url }) {
  if (differing === null) return h('span', { class: 'quiet' }, 'not compared');
  return differing === 0 ? 'the same' : h('a', { class: 'warn', id: `differs-${url}`, href: `?${new URLSearchParams({ peer: url })}`, title: `in ${count(differing, 'application')}: show what differs` }, `differs in ${number(differing)}`);
}
