// All elements of the page are made here. Data from the registry becomes text or an attribute, never markup.

/** Makes an element. An attribute whose value is a function is a listener (`onclick`). Children are elements or text. */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'function') element.addEventListener(name.slice(2), value);
    else if (value !== undefined && value !== null && value !== false) element.setAttribute(name, value === true ? '' : value);
  }
  return fill(element, ...children);
}

/** Replaces the children of an element; empty ones are left out. If the focused child had an id, the new child with that id gets the focus. */
export function fill(element, ...children) {
  const focused = element.contains(document.activeElement) && document.activeElement.id;
  element.replaceChildren(...children.flat().filter((child) => child !== undefined && child !== null && child !== false && child !== ''));
  if (focused) byId(focused)?.focus({ preventScroll: true });
  return element;
}

/** Sets an element's text if it differs, so that a screen reader does not read the same text again. */
export function text(element, value) {
  if (element.textContent !== value) element.textContent = value;
}

/** The element with this id. */
export const byId = (id) => document.getElementById(id);

const shown = new Map();
/** Runs `show` with `value` unless the last value under this name was the same. */
export function whenChanged(name, value, show) {
  const said = JSON.stringify(value);
  if (shown.get(name) === said) return;
  shown.set(name, said);
  show(value);
}

const FOCUSABLE = 'a, button, input';

/**
 * Makes `parent` hold one element for each item, in order. An element whose item has not changed stays, so a selection in it
 * stays, too. The focus stays on the same link, button or checkbox of the same item.
 */
export function keep(parent, items, { key, said, make, update }) {
  const before = new Map([...parent.children].map((element) => [element.dataset.key, element]));
  const focused = document.activeElement?.closest('[data-key]');
  const focus = focused?.parentElement === parent && {
    key: focused.dataset.key,
    at: [...focused.querySelectorAll(FOCUSABLE)].indexOf(document.activeElement),
  };
  const elements = items.map((item) => {
    const name = key(item);
    const words = said(item);
    let element = before.get(name);
    if (element?.dataset.said !== words) {
      element = make(item);
      element.dataset.key = name;
      element.dataset.said = words;
    }
    update?.(element, item);
    return element;
  });
  if (elements.length === parent.children.length && elements.every((element, at) => element === parent.children[at])) return;
  parent.replaceChildren(...elements);
  if (!focus || document.activeElement !== document.body) return;
  const again = elements.find((element) => element.dataset.key === focus.key);
  again?.querySelectorAll(FOCUSABLE)[focus.at]?.focus({ preventScroll: true });
}
