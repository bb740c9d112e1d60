// An instance's page: all that it sent, what happened to it, and the switch that takes it out of service and back.

import { get, instancePath, Refused, takeBack, takeOutOfService } from './api.js';
import { byId, fill, h, text, whenChanged } from './dom.js';
import { ago, at, changeSource, changeStatus, changeWords, outward, status, timeOfDay } from './format.js';
import { changed, mark, pageLinks } from './instances.js';

/** Asks for the instance that `query` names; `undefined` if nothing is known of it. */
export async function askInstance(query, signal) {
  try {
    return await get(instancePath(query.get('application'), query.get('instance')), {}, signal);
  } catch (error) {
    if (error instanceof Refused && error.status === 404) return undefined;
    throw error;
  }
}

/** Shows it. `refresh` is called when something was done to it. */
export function showInstance(details, query, user, refresh) {
  const application = query.get('application');
  const id = query.get('instance');
  const instance = details?.instance;
  whenChanged('instance', [application, id, details && { ...details, now: 0 }, user], () => {
    const open = byId('raw')?.open;
    fill(
      byId('instance'),
      h('nav', { 'aria-label': 'Way back' }, h('a', { href: changed(query, { instance: undefined }), id: 'back' }, `← ${application}`), h('a', { href: './' }, 'all instances')),
      h('div', { class: 'title' }, h('h2', { id: 'instance-title', tabindex: '-1', class: 'id' }, id), instance && status(instance.status), instance && mark(instance), instance && h('span', { class: 'links' }, pageLinks(instance))),
      instance ? h('p', { class: 'quiet' }, summary(instance)) : h('p', { class: 'gone' }, gone(details)),
      instance && actions(instance, user, refresh),
      h('div', { class: 'columns' }, instance && sent(details), history(details)),
    );
    if (byId('raw')) byId('raw').open = open ?? false;
  });
}

function gone(details) {
  return details ? 'It is not registered any more. What happened to it is below.' : 'No such instance is registered, and nothing that happened to one is kept.';
}

function summary(instance) {
  const { application, zone, version, registeredAt, lastRenewalAt, leaseDurationSeconds } = instance;
  const parts = [application, zone && `zone ${zone}`, version && `version ${version}`].filter(Boolean).join(' · ');
  return [`${parts} · registered `, ago(registeredAt), ' ago · last renewal ', ago(lastRenewalAt), ` ago, the lease lasts ${leaseDurationSeconds} s`];
}

/** What may be done, for who may do it. */
function actions(instance, user, refresh) {
  if (user?.access !== 'all') return user && h('p', { class: 'quiet' }, 'Your user may only read.');
  const out = instance.overriddenStatus !== null;
  const button = out
    ? h('button', { id: 'take-back', onclick: () => ask(back(instance), refresh) }, 'Take back into service…')
    : h('button', { id: 'take-out', onclick: () => ask(away(instance), refresh) }, 'Take out of service…');
  return h('p', { class: 'actions' }, button, out && h('span', { class: 'quiet' }, `Somebody set ${instance.overriddenStatus}; it holds until it is taken back.`));
}

const away = ({ application, instanceId }) => ({
  title: `Take ${instanceId} out of service?`,
  says:
    `${application} ${instanceId} will be OUT_OF_SERVICE on all replicas until it is taken back: clients stop calling it as soon as they fetch the registry again. ` +
    'It stays registered. A removed live instance would come back with its next heartbeat, so it is drained, not removed.',
  does: 'Take out of service',
  call: () => takeOutOfService(application, instanceId),
});

const back = ({ application, instanceId, overriddenStatus }) => ({
  title: `Take ${instanceId} back into service?`,
  says: `${overriddenStatus}, which somebody set for ${application} ${instanceId}, is taken back on all replicas. It is UP then, and clients call it again, until it says otherwise itself.`,
  does: 'Take back into service',
  call: () => takeBack(application, instanceId),
});

/** Asks before it calls, and stays open to say what went wrong. */
function ask({ title, says, does, call }, refresh) {
  const dialog = byId('confirm');
  const button = byId('confirm-do');
  text(byId('confirm-title'), title);
  text(byId('confirm-text'), says);
  text(byId('confirm-error'), '');
  text(button, does);
  button.disabled = false;
  button.onclick = async () => {
    button.disabled = true;
    try {
      await call();
      dialog.close();
      await refresh();
    } catch (error) {
      text(byId('confirm-error'), `Not done: ${error.message}`);
      button.disabled = false;
    }
  };
  dialog.showModal();
}

function history({ history: changes = [], changesKeptSince } = {}) {
  const line = (change) =>
    h('li', {}, at(change.at), h('p', {}, `${changeWords(change)} `, changeStatus(change), changeSource(change) && h('small', {}, ` ${changeSource(change)}`)));
  return h(
    'section', { class: 'sheet', 'aria-labelledby': 'history-title' },
    h('h3', { id: 'history-title' }, 'History'),
    changes.length ? h('ol', { class: 'feed', id: 'history' }, changes.map(line)) : h('p', { class: 'quiet' }, 'No change of it is kept.'),
    changesKeptSince && h('p', { class: 'quiet' }, `Changes are kept since ${timeOfDay(changesKeptSince)}.`),
  );
}

/** All that it sent, as groups of names and values, and once more as it is. */
function sent({ eureka }) {
  const all = eureka.instance ?? eureka;
  const plain = Object.entries(all).filter(([, value]) => value === null || typeof value !== 'object');
  const groups = Object.entries(all).filter(([, value]) => value !== null && typeof value === 'object' && !isPort(value));
  const ports = Object.entries(all).filter(([, value]) => isPort(value)).map(([name, port]) => [name, `${port.$}${isTrue(port['@enabled']) ? '' : ' (not in use)'}`]);
  const { metadata = {}, ...others } = Object.fromEntries(groups);
  // What the Java server writes into an empty map.
  const named = Object.entries(metadata).filter(([, value]) => value !== 'java.util.Collections$EmptyMap');
  return h(
    'div', { class: 'groups' },
    group('metadata', named),
    group('instance', [...plain, ...ports]),
    Object.entries(others).map(([name, value]) => group(name, Object.entries(value))),
    h('details', { class: 'sheet', id: 'raw' }, h('summary', {}, 'As JSON'), h('pre', { tabindex: '0' }, JSON.stringify(eureka, null, 2))),
  );
}

const isPort = (value) => value !== null && typeof value === 'object' && '$' in value;
const isTrue = (value) => String(value) === 'true';

function group(name, entries) {
  const pairs = entries.map(([key, value]) => h('div', {}, h('dt', {}, key), h('dd', { class: 'id' }, shown(key, value))));
  return h('section', { class: 'sheet', 'aria-label': name }, h('h3', {}, name), pairs.length ? h('dl', { class: 'pairs' }, pairs) : h('p', { class: 'quiet' }, 'none'));
}

/** A value as text; a time as one, too; a link where it is one. */
function shown(key, value) {
  if (value !== null && typeof value === 'object') return JSON.stringify(value);
  if (key.endsWith('Timestamp') && Number(value) > 0) return [String(value), ' ', h('small', {}, timeOfDay(Number(value)))];
  return outward(value) ?? String(value);
}
