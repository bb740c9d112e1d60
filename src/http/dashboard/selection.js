// The rows that the user has selected: applications and instances. A selection stays when the list is refreshed, sorted or paged.
// Whenever it changes, `document` gets the event `selection`.

import { byId, h } from './dom.js';

const chosen = new Map();

const keyOf = (application, instance) => JSON.stringify(instance === undefined ? [application] : [application, instance]);

/** What is selected: `{ application }`, or `{ application, instance }`, in the order in which it was selected. */
export const selected = () => [...chosen.values()];

/** Selects nothing. */
export function clear() {
  if (!chosen.size) return;
  chosen.clear();
  refreshBoxes();
  changed();
}

/** The first cell of a row, with its checkbox. `instance` is missing if the row is an application. */
export function pick(application, instance) {
  const box = h('input', { type: 'checkbox', checked: chosen.has(keyOf(application, instance)), 'aria-label': `Select ${instance ?? application}` });
  return h('td', { class: 'pick' }, box);
}

/** The header of these cells: its checkbox selects all rows of the page. */
export const pickAll = () => h('th', { scope: 'col', class: 'pick' }, h('input', { type: 'checkbox', id: 'pick-all', 'aria-label': 'Select all rows on this page' }));

/** Brings the checkbox in the header up to date with the rows. To be called when the rows have changed. */
export function showPickAll() {
  const all = byId('pick-all');
  if (!all) return;
  const rows = boxes();
  const count = rows.filter(({ checked }) => checked).length;
  all.checked = count > 0 && count === rows.length;
  all.indeterminate = count > 0 && count < rows.length;
}

const boxes = () => [...byId('rows').querySelectorAll('.pick input')];

function put(box) {
  const { application, instance } = box.closest('tr').dataset;
  const key = keyOf(application, instance);
  if (box.checked) chosen.set(key, instance === undefined ? { application } : { application, instance });
  else chosen.delete(key);
}

function refreshBoxes() {
  for (const box of boxes()) {
    const { application, instance } = box.closest('tr').dataset;
    box.checked = chosen.has(keyOf(application, instance));
  }
  showPickAll();
}

const changed = () => document.dispatchEvent(new Event('selection'));

document.addEventListener('change', ({ target }) => {
  if (!target.closest?.('.pick')) return;
  if (target.id === 'pick-all') {
    for (const box of boxes()) {
      box.checked = target.checked;
      put(box);
    }
  } else {
    put(target);
  }
  showPickAll();
  changed();
});
