// Below the verdict: whether self-preservation is active, and the buttons by which an operator decides for a while.

import { switchSelfPreservation, switchSelfPreservationBack } from './api.js';
import { ask } from './confirm.js';
import { byId, fill, h, whenChanged } from './dom.js';
import { at } from './format.js';

/** Shows self-preservation in the form that the registry sends. `refresh` is called after the user decided. */
export function showSelfPreservation(selfPreservation, user, refresh) {
  // Until then, the section is as the registry sent it with the page.
  if (!user) return;
  const { state, since, until, switch: decision } = selfPreservation;
  whenChanged('self-preservation', [state, since, until, decision, user], () => {
    const section = byId('self-preservation');
    const focused = section.contains(document.activeElement);
    fill(section, h('p', {}, 'Self-preservation ', said(selfPreservation)), buttons(decision, user, refresh));
    // The button that was pressed may be gone.
    if (focused && !section.contains(document.activeElement)) section.querySelector('button')?.focus({ preventScroll: true });
  });
}

/** What follows after "Self-preservation". Why, and who decided it, is in the verdict. */
function said({ state, since, until, switch: decision }) {
  switch (state) {
    case 'active':
      return [h('strong', { class: 'warn' }, 'is active'), ...(since ? [' since ', at(since)] : []), ...(until ? [', until ', at(until), ' at the latest'] : []), '.'];
    case 'exceeded':
      return [h('strong', { class: 'warn' }, 'has ended'), ' because it lasted too long.'];
    case 'switched':
      return [h('strong', { class: 'warn' }, `is switched ${decision.evict ? 'off' : 'on'}`), ' since ', at(decision.since), ', until ', at(decision.until), '.'];
    case 'disabled':
      return ['is ', h('strong', {}, 'disabled'), ' in the configuration.'];
    case 'starting':
      return ['is not decided yet: the registry has just started.'];
    default:
      return ['is ', h('strong', {}, 'not active'), '.'];
  }
}

function buttons(decision, user, refresh) {
  if (user.access !== 'all') return h('p', { class: 'quiet' }, 'Your user is read-only.');
  const button = (id, label, question) => h('button', { id, onclick: () => ask(question(), refresh) }, label);
  return h(
    'p', { class: 'actions' },
    decision && button('switch-back', 'Take the decision back…', () => takingBack(decision)),
    button('switch-on', 'Switch on…', () => switching(false, decision)),
    button('switch-off', 'Switch off…', () => switching(true, decision)),
  );
}

const DOES = {
  on: 'This replica keeps all expired leases until the time is over. An instance that another replica evicts is removed here, too.',
  off: 'This replica evicts expired leases until the time is over, however many instances are silent. They are removed at all replicas.',
};

function switching(evict, decision) {
  const word = evict ? 'off' : 'on';
  return {
    title: `Switch self-preservation ${word} for a while?`,
    says: decision ? `${DOES[word]} This replaces the decision of ${who(decision)}.` : DOES[word],
    does: `Switch ${word}`,
    fields: [
      h('label', {}, 'Reason, shown to everybody', h('input', { name: 'reason', id: 'reason', type: 'text', required: true, maxlength: 500, autocomplete: 'off' })),
      h('label', {}, 'Minutes', h('input', { name: 'minutes', id: 'minutes', type: 'number', required: true, min: 1, max: 1440, value: 30 })),
    ],
    call: ({ reason, minutes }) => switchSelfPreservation(evict, minutes, reason),
  };
}

const takingBack = (decision) => ({
  title: 'Take the decision back?',
  says: `${who(decision)} switched self-preservation ${decision.evict ? 'off' : 'on'}. The reason: ${decision.reason}. If you take this back, the replica decides by itself again.`,
  does: 'Take it back',
  call: switchSelfPreservationBack,
});

const who = ({ user, address }) => `${user ?? 'a client'}${address ? ` from ${address}` : ''}`;
