// Draining an instance: the question before it, and on the page of the instance what is waited for, and how it ended. The registry does the
// work: a page that is closed ends the waiting, and the instance stays out of service.

import { act, drain, drainAddress } from './api.js';
import { ask } from './confirm.js';
import { byId, fill, h, text } from './dom.js';
import { asCurl, losing, quoted, reasonField, reasons } from './fields.js';
import { count, duration, number } from './format.js';

/** Maximum number of drains that one page waits for: each has a connection, and a browser opens six to a server. */
const MOST = 3;
/** Maximum time to wait for clients, and for what they cache, in seconds. */
const LONGEST = 600;
/** The longest interval at which clients fetch that the registry takes, in seconds. */
const LONGEST_INTERVAL = 300;

/** The drains that this page has begun, by instance: those that it waits for, and how others ended. */
const drains = new Map();
/** How many it has begun. */
let begun = 0;

const keyOf = ({ application, instanceId }) => JSON.stringify([application, instanceId]);
const isWaiting = ({ end }) => end === undefined;

/**
 * What there is to say about the drain of an instance on its page, as an element that keeps itself up to date; `undefined` if there is nothing.
 * `details` is the instance as it was read: what a drain proved is no longer true when the instance is UP again.
 */
export function drainOf(application, instanceId, details) {
  const key = keyOf({ application, instanceId });
  const one = drains.get(key);
  const isBack = one?.end?.drained && details?.instance?.status === 'UP' && details.now > one.end.now;
  if (isBack) drains.delete(key);
  return isBack ? undefined : one?.section;
}

/** Has the registry plan it, and asks the user, unless the user has gone to another page meanwhile. */
export async function askToDrain(target, user, refresh) {
  const { href } = location;
  const asks = hindrance(target) ?? (await act({ act: 'override', status: 'OUT_OF_SERVICE', instances: [target], dryRun: true }).then(
    (plan) => question(target, plan, user, refresh),
    (error) => ({ title: 'This cannot be done', says: error.message }),
  ));
  if (location.href === href) ask(asks, refresh);
}

/** Why this page cannot begin it. */
function hindrance(target) {
  const waiting = [...drains.values()].filter(isWaiting);
  if (waiting.some((one) => keyOf(one) === keyOf(target))) return { title: `${target.instanceId} is being drained`, says: 'This page waits for its clients already.' };
  if (waiting.length < MOST) return undefined;
  return { title: 'Too many drains', says: `This page waits for ${count(waiting.length, 'drain')}: ${waiting.map(({ instanceId }) => instanceId).join(', ')}. Wait until one has ended, or open another page.` };
}

function question(target, plan, user, refresh) {
  const { application, instanceId } = target;
  const { done, unchanged, instances } = plan;
  if (!done && !unchanged) return { title: `Nothing to do for ${instanceId}`, says: 'It is left as it is.', fields: [reasons(instances)] };
  const first = done ? `${application} ${instanceId} will be OUT_OF_SERVICE on all replicas until the override is removed.` : `${application} ${instanceId} is out of service already.`;
  return {
    title: `Drain ${instanceId}?`,
    says: `${first} The page then waits until every client that may call it has fetched that. Meanwhile the instance runs on and answers calls. If you close the page, only the waiting ends.`,
    does: 'Drain',
    fields: [
      losing(plan), reasonField(),
      seconds('timeout', 'Wait for clients for at most (seconds)', 1, LONGEST, 75),
      seconds('settle', 'Then wait for what clients cache themselves (seconds): 35 for Spring Cloud LoadBalancer, 0 if nothing is cached', 0, LONGEST, 35),
      seconds('interval', 'Each client fetches at least every (seconds)', 1, LONGEST_INTERVAL, 30),
      asCurl((values) => `curl${user?.name ? ` -u ${quoted(user.name)}` : ''} -X POST ${quoted(drainAddress(application, instanceId, times(values)))}`),
    ],
    call: (values) => begin(target, values, refresh),
  };
}

const seconds = (name, label, min, max, value) =>
  h('label', {}, label, h('input', { name, id: `drain-${name}`, type: 'number', required: true, min, max, value }));

/** The parameters of the call. */
const times = ({ timeout, settle, interval, reason }) => ({ timeout: `${timeout}s`, settle: `${settle}s`, interval: `${interval}s`, reason });

/** Returns when the registry has taken the instance out of service. The waiting goes on. */
async function begin(target, values, refresh) {
  const { application, instanceId } = target;
  const stopping = new AbortController();
  const reports = await drain(application, instanceId, times(values), stopping.signal);
  for (const [key, other] of drains) if (!isWaiting(other)) drains.delete(key);
  const line = h('p', { id: 'drain-line' }, `Draining ${instanceId}: the registry counts the clients that fetch it.`);
  const stop = h('button', { id: 'drain-stop', type: 'button', onclick: () => stopping.abort() }, 'Stop waiting');
  const section = h('section', { class: 'sheet drain', 'aria-label': 'Drain', 'data-number': (begun += 1) }, line, h('p', { class: 'actions' }, stop));
  const one = { ...target, timeout: values.timeout * 1000, settle: values.settle * 1000, section, line };
  drains.set(keyOf(target), one);
  follow(one, reports, stopping.signal, refresh);
}

/** Shows each report, and the end. */
async function follow(one, reports, stopped, refresh) {
  let last;
  let trouble;
  try {
    for await (const report of reports) {
      if (!isEnd(report)) text(one.line, progress(one, report));
      // Not each time: the line changes every second.
      if (!last) announce(one.line.textContent);
      last = report;
    }
  } catch {
    trouble = stopped.aborted ? 'You stopped waiting' : 'The connection to the registry was lost';
  }
  one.end = last && isEnd(last) ? last : { drained: false };
  trouble ??= one.end.outcome === undefined && 'The registry ended the connection';
  const said = one.end.outcome === undefined ? `${trouble}: not all clients may have fetched that ${one.instanceId} is out of service. It stays so until the override is removed.` : OUTCOMES[one.end.outcome](one, one.end);
  const hadFocus = one.section.contains(document.activeElement);
  fill(one.section, h('p', { id: 'drain-line', class: one.end.drained ? 'done' : 'warn' }, said), one.end.drained ? notes(one.end) : left(one.end));
  announce(said);
  // The button that was pressed is gone.
  if (hadFocus) byId('drain')?.focus({ preventScroll: true });
  await refresh();
}

/** Has a screen reader read it. The verdict, which may change at the same moment, has an element of its own. */
const announce = (words) => text(byId('drain-announced'), words);

const isEnd = ({ outcome }) => outcome in OUTCOMES;

/** What is waited for, in one line. */
function progress(one, { outcome, afterMillis, readers, waiting, replicas }) {
  if (outcome === 'settling') {
    one.settlesSince ??= afterMillis;
    return `${fetched(readers)} Waiting for what they cache themselves: ${duration(afterMillis - one.settlesSince)} of ${duration(one.settle)}.`;
  }
  const time = `${duration(afterMillis)} of ${duration(one.timeout)}`;
  const open = replicas.filter(({ done }) => !done);
  if (waiting) {
    const who = waiting === readers ? count(readers, 'client') : `${number(waiting)} of ${count(readers, 'client')}`;
    return `Waiting: ${who} still ${waiting === 1 ? 'has' : 'have'} to fetch that ${one.instanceId} is out of service (${time}).`;
  }
  return `${fetched(readers)} Waiting for ${open.map((replica) => `${nameOf(replica)}${replica.note ? `: ${replica.note.replace(/\.$/, '')}` : ''}`).join(', ')} (${time}).`;
}

const fetched = (readers) => (readers ? `All known clients have fetched (${number(readers)}).` : 'No client is known that fetches it.');

const nameOf = ({ peer }) => peer ?? 'this replica';

/** How a drain ended, in words, by its outcome. */
const OUTCOMES = {
  drained: ({ instanceId }, { readers, afterMillis }) =>
    `${readers ? `All clients have fetched that ${instanceId} is out of service (${count(readers, 'client')}, after ${duration(afterMillis)})` : `No client fetches ${instanceId}, and it is out of service`}. It may be stopped.`,
  timed_out: ({ instanceId, timeout }) => `Not all clients have fetched within ${duration(timeout)} that ${instanceId} is out of service. It may still be called.`,
  undone: ({ instanceId }) => `${instanceId} is UP again: somebody has put it back in service.`,
};

/** Who has not fetched. */
function left({ outcome, waiting = 0, waitingFor = [], replicas = [] }) {
  if (outcome !== 'timed_out') return undefined;
  const reader = ({ peer, address, application, userAgent, user, lastFetchMillisAgo, mayBeSeveral }) =>
    h(
      'li', {}, h('span', { class: 'id' }, [address, application, userAgent].filter(Boolean).join(' ')),
      ` ${user ? `as ${user} ` : ''}fetched ${duration(lastFetchMillisAgo)} ago${peer ? ` from ${peer}` : ''}${mayBeSeveral ? '; several clients may be behind this address' : ''}`,
    );
  const more = waiting - waitingFor.length;
  return h('ul', { id: 'drain-left' }, waitingFor.map(reader), more > 0 && h('li', {}, `and ${number(more)} more`), replicas.filter(({ done }) => !done).map(noteOf));
}

/** What there is to know about replicas that count. */
function notes({ replicas }) {
  const all = replicas.map(noteOf).filter(Boolean);
  return all.length > 0 && h('ul', { id: 'drain-notes' }, all);
}

const noteOf = (replica) => replica.note && h('li', {}, `${nameOf(replica)}: ${replica.note}`);
