// The dialog that asks before something is changed.

import { byId, fill, text } from './dom.js';

/**
 * Asks for confirmation before `call`, which gets the values of the `fields` by their names. If the call fails, the dialog stays open
 * and shows why. `refresh` is called after the change.
 */
export function ask({ title, says, does, fields = [], call }, refresh) {
  const dialog = byId('confirm');
  const form = dialog.querySelector('form');
  const button = byId('confirm-do');
  text(byId('confirm-title'), title);
  text(byId('confirm-text'), says);
  fill(byId('confirm-fields'), fields);
  text(byId('confirm-error'), '');
  text(button, does);
  button.disabled = false;
  form.querySelector('[value=cancel]').onclick = () => dialog.close();
  form.onsubmit = async (event) => {
    event.preventDefault();
    text(byId('confirm-error'), '');
    button.disabled = true;
    try {
      await call(Object.fromEntries(new FormData(form)));
      dialog.close();
      await refresh();
    } catch (error) {
      text(byId('confirm-error'), `Nothing was changed: ${error.message}`);
      button.disabled = false;
    }
  };
  dialog.showModal();
  // Where something has to be typed first, that is the place to begin. Otherwise "Cancel" has the focus.
  form.querySelector('#confirm-fields [required]')?.focus();
}
