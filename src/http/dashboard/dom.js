// The one way this page makes elements: what comes from the registry becomes text or an attribute, never markup.

/** Makes an element. A property that starts with `on` is a listener, the others are attributes; children are elements or text. */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'function') element.addEventListener(name.slice(2), value);
    else if (value !== undefined && value !== null && value !== false) element.setAttribute(name, value === true ? '' : value);
  }
  return fill(element, ...children);
}

/** Puts `children` in the place of what an element holds; what is nothing is left out. The focus stays on what has the same id. */
export function fill(element, ...children) {
  const focused = element.contains(document.activeElement) && document.activeElement.id;
  element.replaceChildren(...children.flat().filter((child) => child !== undefined && child !== null && child !== false && child !== ''));
  if (focused) byId(focused)?.focus({ preventScroll: true });
  return element;
}

/** Sets an element's text if it differs, so that nothing is disturbed, or read aloud, for nothing. */
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

/**
 * Makes `parent` hold one element for each item, in their order. An element whose item says the same as before stays, so that
 * what is selected stays selected; the focus stays on what stands in the same place of the same item.
 */
export function keep(parent, items, { key, said, make, update }) {
  const before = new Map([...parent.children].map((element) => [element.dataset.key, element]));
  const focused = document.activeElement?.closest('[data-key]');
  const focus = focused?.parentElement === parent && {
    key: focused.dataset.key,
    at: [...focused.querySelectorAll('a, button')].indexOf(document.activeElement),
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
  again?.querySelectorAll('a, button')[focus.at]?.focus({ preventScroll: true });
}
