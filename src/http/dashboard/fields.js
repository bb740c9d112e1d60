// Parts of the dialog that asks before instances are changed.

import { byId, h, text } from './dom.js';
import { count, number } from './format.js';

/** Maximum number of lines in the lists of a dialog. */
const LINES = 8;
/** Maximum number of characters of a reason. */
const REASON = 200;

/** A warning if applications lose their last instance that is UP. */
export function losing({ applicationsLosingAll, applications }) {
  if (!applicationsLosingAll) return undefined;
  const all = applications.filter(({ up, upAfterwards }) => up && !upAfterwards).map(({ name }) => name);
  const more = applicationsLosingAll - Math.min(all.length, LINES);
  return h('p', { class: 'warn', id: 'confirm-losing' }, `${count(applicationsLosingAll, 'application')} will have no instance that is UP: ${all.slice(0, LINES).join(', ')}${more > 0 ? ` and ${number(more)} more` : ''}.`);
}

export function byApplication({ applications, targets }) {
  if (targets < 2) return undefined;
  const row = ({ name, touched, instances, up, upAfterwards }) =>
    h('tr', {}, h('th', { scope: 'row' }, name), h('td', { class: 'n' }, `${number(touched)} of ${number(instances)}`), h('td', { class: 'n' }, `${number(up)} → ${number(upAfterwards)}`));
  return h(
    'table', { id: 'confirm-applications' },
    h('thead', {}, h('tr', {}, h('th', { scope: 'col' }, 'Application'), h('th', { scope: 'col', class: 'n' }, 'Changed'), h('th', { scope: 'col', class: 'n' }, 'UP'))),
    h('tbody', {}, applications.slice(0, LINES).map(row)),
    applications.length > LINES && h('caption', {}, `The ${LINES} with the fewest instances that are UP afterwards`),
  );
}

/** The instances that are left alone, each with the reason. */
export function reasons(instances) {
  const all = instances.filter(({ why }) => why);
  if (!all.length) return undefined;
  const line = ({ application, instanceId, why }) => h('li', {}, h('span', { class: 'id' }, `${application} ${instanceId}`), ` ${why}`);
  return h('ul', { id: 'confirm-refused' }, all.slice(0, LINES).map(line), all.length > LINES && h('li', {}, `and ${number(all.length - LINES)} more`));
}

export const reasonField = (value = '') =>
  h('label', {}, 'Reason, shown to everybody in the history', h('input', { name: 'reason', id: 'reason', type: 'text', required: true, maxlength: REASON, autocomplete: 'off', value: value.slice(0, REASON) }));

/** The act as a command for a terminal, which follows the fields as they are typed. `command` gets their values by their names. */
export function asCurl(command) {
  const shown = h('pre', { id: 'confirm-curl', tabindex: '0' });
  const write = () => text(shown, command(Object.fromEntries(new FormData(details.closest('form')))));
  const copy = h('button', { type: 'button', id: 'confirm-copy', onclick: () => copyText(shown, copy) }, 'Copy');
  const details = h('details', { id: 'confirm-as-curl', ontoggle: write }, h('summary', {}, 'As curl'), shown, copy);
  const follow = () => {
    for (const field of byId('confirm-fields').querySelectorAll('input')) field.addEventListener('input', write);
  };
  details.addEventListener('toggle', follow, { once: true });
  return details;
}

/** A word for a POSIX shell. */
export const quoted = (word) => `'${word.replaceAll("'", "'\\''")}'`;

async function copyText(element, button) {
  try {
    // Browsers have this only where the page came by TLS, or from this machine.
    await navigator.clipboard.writeText(element.textContent);
    text(button, 'Copied');
  } catch {
    getSelection().selectAllChildren(element);
    text(button, 'Selected: copy it with the keyboard');
  }
}
