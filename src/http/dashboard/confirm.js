// The dialog that asks before something is changed.

import { byId, fill, h, text } from './dom.js';

/** What had the focus before the dialog: its id, and that of the nearest element around it. */
let opener = {};

/**
 * Asks for confirmation before `call`, which gets the values of the `fields` by their names, and `{ progress, signal }`: a function for the
 * number of what is done and of all, and a signal that the user wants to stop. If the call fails, the dialog stays open and shows why. If it
 * returns `{ title, says, fields }`, the dialog shows that; otherwise it closes. Without `does`, there is nothing to confirm.
 * `refresh` is called after the change.
 */
export function ask({ title, says, does, fields = [], call }, refresh) {
  const dialog = byId('confirm');
  const form = dialog.querySelector('form');
  const button = byId('confirm-do');
  const cancel = form.querySelector('[value=cancel]');
  const stopping = new AbortController();
  const bar = h('progress', { id: 'confirm-progress', 'aria-label': 'Progress', hidden: true });
  show(title, says, [...fields, bar]);
  text(byId('confirm-error'), '');
  text(button, does ?? '');
  text(cancel, does ? 'Cancel' : 'Close');
  button.disabled = false;
  button.hidden = !does;
  cancel.onclick = () => dialog.close();
  dialog.onclose = () => {
    stopping.abort();
    giveFocusBack();
  };
  const progress = (done, all) => {
    Object.assign(bar, { hidden: false, max: all, value: done });
    text(cancel, 'Stop');
  };
  form.onsubmit = async (event) => {
    event.preventDefault();
    if (button.disabled || button.hidden) return;
    text(byId('confirm-error'), '');
    button.disabled = true;
    try {
      const result = await call(Object.fromEntries(new FormData(form)), { progress, signal: stopping.signal });
      // Other calls return their answer, which is nothing to show.
      if (result?.title && dialog.open) showResult(result);
      else dialog.close();
      await refresh();
    } catch (error) {
      text(byId('confirm-error'), `Nothing was changed: ${error.message}`);
      text(cancel, 'Cancel');
      bar.hidden = true;
      button.disabled = false;
    }
  };
  if (!dialog.open) {
    const { activeElement } = document;
    opener = { id: activeElement?.id, around: activeElement?.parentElement?.closest('[id]')?.id };
    dialog.showModal();
  }
  // Where something has to be typed first, that is the place to begin. Otherwise "Cancel" has the focus.
  (form.querySelector('#confirm-fields [required]') ?? cancel).focus();

  function showResult(result) {
    show(result.title, result.says, result.fields ?? []);
    button.hidden = true;
    text(cancel, 'Close');
    cancel.focus();
  }
}

/** The browser does it, unless the page has replaced meanwhile what had the focus. */
function giveFocusBack() {
  if (document.activeElement !== document.body) return;
  const place = byId(opener.id) ?? byId(opener.around)?.querySelector('button');
  place?.focus({ preventScroll: true });
}

function show(title, says, fields) {
  text(byId('confirm-title'), title);
  text(byId('confirm-text'), says);
  fill(byId('confirm-fields'), fields);
}
