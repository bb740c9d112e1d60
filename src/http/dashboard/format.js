// Words, numbers and times as the page shows them.

import { h, text } from './dom.js';

const numbers = new Intl.NumberFormat('en');
/** A number with separators between thousands. */
export const number = (value) => numbers.format(value);

/** `1 instance`, `2 instances`. */
export const count = (value, one, many = `${one}s`) => `${number(value)} ${value === 1 ? one : many}`;

/** A duration in at most two units: `4 s`, `3 min`, `2 h 5 min`, `12 d`. */
export function duration(milliseconds) {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  if (seconds < 120) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return minutes % 60 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
  const days = Math.floor(hours / 24);
  return days < 7 && hours % 24 ? `${days} d ${hours % 24} h` : `${number(days)} d`;
}

let ahead = 0;
/** Sets the time of the registry's clock, from which ages are counted. */
export function setServerTime(milliseconds) {
  ahead = milliseconds - Date.now();
}
/** The registry's time. */
export const serverNow = () => Date.now() + ahead;

const clock = new Intl.DateTimeFormat('sv-SE', { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const day = new Intl.DateTimeFormat('sv-SE', { year: 'numeric', month: '2-digit', day: '2-digit' });
/** The local time of day, with the date if it is not today. */
export function timeOfDay(milliseconds) {
  const today = day.format(milliseconds) === day.format(serverNow());
  return today ? clock.format(milliseconds) : `${day.format(milliseconds)} ${clock.format(milliseconds)}`;
}

/** A moment as the time of day. */
export const at = (milliseconds) => h('time', moment(milliseconds), timeOfDay(milliseconds));

/** How long ago a moment was. [`tick`] keeps it up to date. */
export const ago = (milliseconds) =>
  h('time', { ...moment(milliseconds), 'data-at': milliseconds }, duration(serverNow() - milliseconds));

/** Changes the moment of an element made by [`ago`]. */
export function setAgo(element, milliseconds) {
  for (const [name, value] of Object.entries({ ...moment(milliseconds), 'data-at': milliseconds })) element.setAttribute(name, value);
  text(element, duration(serverNow() - milliseconds));
}

function moment(milliseconds) {
  const written = new Date(milliseconds).toISOString();
  return { datetime: written, title: written };
}

/** Brings every age on the page up to date. */
export function tick() {
  for (const element of document.querySelectorAll('time[data-at]')) {
    text(element, duration(serverNow() - Number(element.dataset.at)));
  }
}

/** A status as a badge with colour, shape and word. */
export const status = (name, word = name) => h('span', { class: 'status', 'data-status': name }, word);

/** Every status, the worst first. */
export const STATUSES = ['DOWN', 'OUT_OF_SERVICE', 'STARTING', 'UNKNOWN', 'UP'];

/** Badges with counts, such as `2 DOWN` and `3 UP`, without those that would be 0. */
export const statuses = (byStatus) =>
  STATUSES.flatMap((name) => (byStatus[name] ? [status(name, `${number(byStatus[name])} ${name}`), ' '] : []));

/** A link to another page, or `undefined` if the address is not a web address. */
export function outward(address, label) {
  if (!isWebAddress(address)) return undefined;
  return h('a', { href: address, target: '_blank', rel: 'noopener noreferrer', class: 'outward' }, label ?? address);
}

/** Whether an address may become a link. Clients may send anything, such as `javascript:`. */
function isWebAddress(address) {
  return typeof address === 'string' && URL.canParse(address) && ['http:', 'https:'].includes(new URL(address).protocol);
}

/** The link to an instance's page. */
export const instanceLink = (application, id) => `?${new URLSearchParams({ application, instance: id })}`;

const WORDS = {
  registered: 'registered',
  restored: 'was restored from the snapshot',
  status_changed: 'changed status',
  override_removed: 'override removed',
  cancelled: 'was cancelled',
  evicted: 'was evicted',
};

/** The kind of a change, in words. */
export function changeWords({ kind, previousStatus }) {
  return kind === 'registered' && previousStatus ? 'registered again' : (WORDS[kind] ?? kind);
}

/** Who made a change, and from where. Empty if a client registered or cancelled its own instance and nothing is known of it. */
export function changeSource({ kind, source, user, address }) {
  if (source === 'registry') return 'by the registry';
  if (source === 'kubernetes') return 'by the registry, as Kubernetes says';
  const from = address ? ` from ${address}` : '';
  if (source === 'peer') return `${user ? `by ${user}, ` : ''}replicated by a peer${address ? ` at ${address}` : ''}`;
  if (user) return `by ${user}${from}`;
  return kind === 'registered' || kind === 'cancelled' ? '' : `by a client${from}`;
}

/** The statuses before and after a change. */
export function changeStatus({ kind, status: after, previousStatus: before }) {
  if (kind === 'cancelled' || kind === 'evicted') return [];
  return before && before !== after ? [status(before), ' → ', status(after)] : [status(after)];
}

/** The reason of a change, in quotation marks; `undefined` without one. */
export const reason = ({ reason: why }) => (why ? h('q', { class: 'reason' }, why) : undefined);
