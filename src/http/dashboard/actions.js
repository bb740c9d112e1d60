// What the user can do with instances: the toolbar above the list, for the rows that are selected or for all that are found, and the buttons
// on the page of an instance. Each act is planned by the registry first, so that the dialog has its numbers, and can be undone.

import { act, actsAddress } from './api.js';
import { CONDITIONS } from './conditions.js';
import { ask } from './confirm.js';
import { byId, fill, h, text } from './dom.js';
import { askToDrain } from './drain.js';
import { asCurl, byApplication, losing, quoted, reasonField, reasons } from './fields.js';
import { count, number } from './format.js';
import { clear, selected } from './selection.js';

/** Number of instances that are changed by one request, so that there is progress to see, and a place to stop. */
const CHUNK = 50;

const OUT = {
  id: 'act-out',
  label: 'Take out of service…',
  request: { act: 'override', status: 'OUT_OF_SERVICE' },
  title: (what) => `Take ${what} out of service?`,
  says: (what, one) => `${what} will be OUT_OF_SERVICE on all replicas until the override is removed. Clients stop calling ${one ? 'it' : 'them'} with their next fetch. ${one ? 'It stays' : 'They stay'} registered: an instance that is cancelled while it runs registers again with its next heartbeat.`,
  does: 'Take out of service',
  already: 'out of service already',
  done: (what) => `${what} ${what.startsWith('1 ') ? 'is' : 'are'} out of service`,
};
const BACK = {
  id: 'act-back',
  label: 'Put back in service…',
  request: { act: 'remove_override' },
  title: (what) => `Put ${what} back in service?`,
  says: (what, one) => `The override of ${what} will be removed on all replicas. ${one ? 'It then has the status that it reported itself' : 'They then have the status that they reported themselves'}: usually UP, and clients call ${one ? 'it' : 'them'} again.`,
  does: 'Put back in service',
  already: 'without an override',
  done: (what) => `The override of ${what} was removed`,
};
const REMOVE = {
  id: 'act-remove',
  label: 'Remove expired…',
  request: { act: 'remove' },
  title: (what) => `Remove ${what}?`,
  says: (what) => `${what} will be removed on all replicas. This cannot be undone. An instance that still runs registers again with its next heartbeat.`,
  does: 'Remove',
  already: 'gone already',
  done: (what) => `${what} ${what.startsWith('1 ') ? 'was' : 'were'} removed`,
};

let user;
let refresh = () => {};
/** What was done last and can be undone. */
let last;

/** Shows the toolbar for this user. `reread` is called after the user changed something. */
export function showActions(who, reread) {
  user = who;
  refresh = reread;
  showToolbar();
}

document.addEventListener('selection', showToolbar);

function showToolbar() {
  const toolbar = byId('actions');
  if (!toolbar) return;
  const targets = chosen() ?? found();
  const mayAct = user?.access === 'all';
  toolbar.hidden = !(targets && (mayAct || targets.instances)) && !(mayAct && last);
  if (toolbar.hidden) return;
  fill(
    toolbar,
    targets && h('span', { id: 'act-on' }, targets.words),
    targets && mayAct && [OUT, BACK, REMOVE].map((deed) => h('button', { id: deed.id, type: 'button', onclick: () => begin(deed, targets) }, deed.label)),
    targets && !mayAct && h('span', { class: 'quiet', id: 'act-not' }, readOnly()),
    targets?.instances && h('button', { id: 'act-clear', type: 'button', onclick: clear }, 'Clear the selection'),
    mayAct && last && h('button', { id: 'act-undo', type: 'button', title: last.said, onclick: () => askUndo(last) }, 'Undo the last act…'),
  );
}

/** Why a user who may only read cannot act. */
const readOnly = () => `${user?.name ? `The user ${user.name} is` : 'You are'} read-only, so nothing can be changed here. A user with write access can.`;

/** The selected rows as targets, with their words; `undefined` if there are none. */
function chosen() {
  const all = selected();
  if (!all.length) return undefined;
  const applications = all.filter(({ instance }) => instance === undefined).length;
  const instances = all.length - applications;
  const words = [applications > 0 && count(applications, 'application'), instances > 0 && count(instances, 'instance')].filter(Boolean).join(' and ');
  return { words: `${words} selected`, instances: all.map(({ application, instance }) => ({ application, instanceId: instance })) };
}

/** All that the search finds as targets; `undefined` if nothing is searched for. */
function found() {
  const query = new URLSearchParams(location.search);
  if (document.body.dataset.view !== 'instances') return undefined;
  const where = Object.fromEntries(CONDITIONS.filter((name) => query.get(name)).map((name) => [name, query.get(name)]));
  return Object.keys(where).length ? { words: 'All that are found:', where } : undefined;
}

/** Has the registry plan an act, and asks the user with its numbers, unless the user has gone to another page meanwhile. */
async function begin(deed, { instances, where }) {
  const request = { ...deed.request, ...(instances ? { instances } : { where }) };
  const { href } = location;
  const asks = await act({ ...request, dryRun: true }).then(
    (plan) => question(deed, request, plan),
    (error) => ({ title: 'This cannot be done', says: error.message }),
  );
  if (location.href === href) ask(asks, refresh);
}

/** The buttons on the page of an instance. */
export function instanceActions({ application, instanceId, overriddenStatus, expired }, who, reread) {
  if (who?.access !== 'all') return who && h('p', { class: 'quiet' }, 'Your user is read-only.');
  [user, refresh] = [who, reread];
  const targets = { instances: [{ application, instanceId }] };
  const button = (id, label, deed) => h('button', { id, type: 'button', onclick: () => begin(deed, targets) }, label);
  return h(
    'p', { class: 'actions' },
    h('button', { id: 'drain', type: 'button', onclick: () => askToDrain({ application, instanceId }, who, reread) }, 'Drain…'),
    overriddenStatus === null ? button('take-out', OUT.label, OUT) : button('remove-override', 'Remove the override…', BACK),
    expired && button('remove', 'Remove…', REMOVE),
    overriddenStatus !== null && h('span', { class: 'quiet' }, `The status is overridden: ${overriddenStatus} until the override is removed.`),
  );
}

function question(deed, request, plan) {
  const { done, unchanged, refused, notFound, targets, instances } = plan;
  const one = targets === 1 ? instances[0].instanceId : undefined;
  const what = one ?? count(done, 'instance');
  const others = [unchanged && `${number(unchanged)} ${deed.already}`, refused && `${number(refused)} refused`, notFound && `${number(notFound)} not registered`].filter(Boolean);
  const left = others.length ? ` Left as they are: ${others.join(', ')}.` : '';
  if (!done) {
    const says = one && unchanged ? `${one} is ${deed.already}.` : left.trim() || 'No instance is found.';
    return { title: `Nothing to do for ${one ?? count(targets, 'instance')}`, says, fields: [reasons(instances)] };
  }
  return {
    title: deed.title(what),
    says: deed.says(one ? `${instances[0].application} ${one}` : `${number(done)} of ${count(targets, 'instance')}`, one) + left,
    does: one ? deed.does : `${deed.does}: ${number(done)}`,
    fields: [losing(plan), byApplication(plan), reasons(instances), reasonField(), asCurl(({ reason }) => curl({ ...request, reason }))],
    call: async ({ reason }, how) => {
      const report = await run([{ ...deed.request, instances: names(instances) }], reason, how);
      return told(deed, report, reason);
    },
  };
}

const names = (instances) => instances.filter(({ outcome }) => outcome === 'done').map(({ application, instanceId }) => ({ application, instanceId }));

/** Carries out requests in parts. Throws only if nothing was changed. */
async function run(requests, reason, { progress, signal }) {
  const report = { done: 0, seen: 0, total: requests.reduce((sum, { instances }) => sum + instances.length, 0), others: [], undo: [] };
  progress(0, report.total);
  for (const request of requests) {
    for (let at = 0; at < request.instances.length; at += CHUNK) {
      if (signal.aborted) return report;
      try {
        const answer = await act({ ...request, instances: request.instances.slice(at, at + CHUNK), reason });
        report.done += answer.done;
        report.seen += answer.targets;
        report.others.push(...answer.instances.filter(({ why }) => why));
        report.undo.push(...answer.undo);
        progress(report.seen, report.total);
      } catch (error) {
        if (!report.seen) throw error;
        report.trouble = error.message;
        return report;
      }
    }
  }
  return report;
}

/** What became of an act, for the dialog. */
function told(deed, report, reason) {
  if (!report.done) throw new Error(report.others[0]?.why ?? 'you stopped');
  const said = deed.done(count(report.done, 'instance'));
  const rest = report.total - report.seen;
  const stopped = rest ? ` ${count(rest, 'instance')} not touched${report.trouble ? `: ${report.trouble}` : ', since you stopped'}.` : '';
  last = report.undo.length ? { said, undo: report.undo, reason } : undefined;
  text(byId('announced'), `${said}.${stopped}`);
  clear();
  showToolbar();
  if (!rest && !report.others.length && report.total === 1) return undefined;
  const undo = last && h('p', {}, h('button', { id: 'confirm-undo', type: 'button', onclick: () => askUndo(last) }, 'Undo…'));
  return { title: said, says: `${number(report.done)} of ${number(report.total)} done.${stopped}`, fields: [reasons(report.others), undo] };
}

function askUndo({ said, undo, reason }) {
  const total = undo.reduce((sum, { instances }) => sum + instances.length, 0);
  ask({
    title: 'Undo the last act?',
    says: `${said}. If you undo this, ${count(total, 'instance')} will have the override again that they had before, or none. One whose override somebody has changed since is left alone.`,
    does: 'Undo',
    fields: [reasonField(`undo: ${reason}`)],
    call: async ({ reason: why }, how) => {
      const report = await run(undo, why, how);
      last = undefined;
      showToolbar();
      const rest = report.total - report.seen;
      const stopped = rest ? ` ${count(rest, 'instance')} not touched${report.trouble ? `: ${report.trouble}` : ', since you stopped'}.` : '';
      text(byId('announced'), `Undone for ${count(report.done, 'instance')}.${stopped}`);
      return { title: 'Undone', says: `${number(report.done)} of ${number(report.total)} as before.${stopped}`, fields: [reasons(report.others)] };
    },
  }, refresh);
}

/** A command for a POSIX shell. */
function curl(request) {
  return `curl${user?.name ? ` -u ${quoted(user.name)}` : ''} ${quoted(actsAddress())} -H 'Content-Type: application/json' -d ${quoted(JSON.stringify(request))}`;
}
