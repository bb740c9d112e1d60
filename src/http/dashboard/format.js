// Words, numbers and times as the page shows them.

import { h, text } from './dom.js';

const numbers = new Intl.NumberFormat('en');
/** A number with its thousands set off. */
export const number = (value) => numbers.format(value);

/** `1 instance`, `2 instances`. */
export const count = (value, one, many = `${one}s`) => `${number(value)} ${value === 1 ? one : many}`;

/** A length of time in its two largest units at most: `4 s`, `3 min`, `2 h 5 min`, `12 d`. */
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
/** Notes what the registry's clock shows, which ages are counted by. */
export function setServerTime(milliseconds) {
  ahead = milliseconds - Date.now();
}
/** The registry's time. */
export const serverNow = () => Date.now() + ahead;

const clock = new Intl.DateTimeFormat('sv-SE', { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const day = new Intl.DateTimeFormat('sv-SE', { year: 'numeric', month: '2-digit', day: '2-digit' });
/** The time of day here, with the date if it is another day's. */
export function timeOfDay(milliseconds) {
  const today = day.format(milliseconds) === day.format(serverNow());
  return today ? clock.format(milliseconds) : `${day.format(milliseconds)} ${clock.format(milliseconds)}`;
}

/** A moment as the time of day. */
export const at = (milliseconds) => h('time', moment(milliseconds), timeOfDay(milliseconds));

/** How long ago a moment was, which [`tick`] keeps true. */
export const ago = (milliseconds) =>
  h('time', { ...moment(milliseconds), 'data-at': milliseconds }, duration(serverNow() - milliseconds));

/** Makes an element of [`ago`] show another moment. */
export function setAgo(element, milliseconds) {
  for (const [name, value] of Object.entries({ ...moment(milliseconds), 'data-at': milliseconds })) element.setAttribute(name, value);
  text(element, duration(serverNow() - milliseconds));
}

function moment(milliseconds) {
  const written = new Date(milliseconds).toISOString();
  return { datetime: written, title: written };
}

/** Brings every length of time on the page up to date. */
export function tick() {
  for (const element of document.querySelectorAll('time[data-at]')) {
    text(element, duration(serverNow() - Number(element.dataset.at)));
  }
}

/** A status by colour, shape and word. */
export const status = (name, word = name) => h('span', { class: 'status', 'data-status': name }, word);

/** Every status, what is wrong first. */
export const STATUSES = ['DOWN', 'OUT_OF_SERVICE', 'STARTING', 'UNKNOWN', 'UP'];

/** `2 DOWN, 3 UP` as badges, those that there are. */
export const statuses = (byStatus) =>
  STATUSES.flatMap((name) => (byStatus[name] ? [status(name, `${number(byStatus[name])} ${name}`), ' '] : []));

/** A link out of this page where the address is one of the web, and nothing else otherwise. */
export function outward(address, label) {
  if (!isWebAddress(address)) return undefined;
  return h('a', { href: address, target: '_blank', rel: 'noopener noreferrer', class: 'outward' }, label ?? address);
}

/** Whether a click may follow an address: a client may have sent anything. */
function isWebAddress(address) {
  return typeof address === 'string' && URL.canParse(address) && ['http:', 'https:'].includes(new URL(address).protocol);
}

/** The link to an instance's page. */
export const instanceLink = (application, id) => `?${new URLSearchParams({ application, instance: id })}`;

const WORDS = {
  registered: 'registered',
  status_changed: 'changed status',
  override_removed: 'was taken back',
  cancelled: 'left',
  evicted: 'was evicted',
};

/** What a change was, in words. */
export function changeWords({ kind, previousStatus }) {
  return kind === 'registered' && previousStatus ? 'registered again' : (WORDS[kind] ?? kind);
}

/** Who brought a change and where from, where it is not the registration or the end of the instance by its own client. */
export function changeSource({ kind, source, user, address }) {
  if (source === 'registry') return 'by the registry';
  const from = address ? ` from ${address}` : '';
  if (source === 'peer') return `told by a peer${from}`;
  if (user) return `by ${user}${from}`;
  return kind === 'registered' || kind === 'cancelled' ? '' : `by a client${from}`;
}

/** The statuses around a change. */
export function changeStatus({ kind, status: after, previousStatus: before }) {
  if (kind === 'cancelled' || kind === 'evicted') return [];
  return before && before !== after ? [status(before), ' → ', status(after)] : [status(after)];
}
