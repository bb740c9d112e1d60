// The search field: what its last word may become, quick filters, and the results as files.

import { get, root } from './api.js';
import { CONDITIONS } from './conditions.js';
import { byId, fill, h, whenChanged } from './dom.js';

/** Time without another key before completions are read, in milliseconds. */
const PAUSE = 150;
/** Filters that are one click away: the words, the parameter and its value. */
const QUICK = [
  ['not UP', 'up', 'false'],
  ['overridden', 'overridden', 'true'],
  ['expired', 'expired', 'true'],
];

const input = byId('filter').elements.q;
const words = h('datalist', { id: 'completions' });
const more = byId('quick');
byId('filter').append(words);

let typing;
let reading;

input.addEventListener('input', () => {
  clearTimeout(typing);
  // A choice from the list arrives as input, too, and is complete.
  if ([...words.children].some(({ value }) => value === input.value)) return;
  typing = setTimeout(complete, PAUSE);
});
input.addEventListener('focus', complete, { once: true });

/** Reads what the last word may become. A newer call replaces one that is still waiting. */
async function complete() {
  if (document.body.dataset.view !== 'instances') return;
  reading?.abort();
  const mine = (reading = new AbortController());
  const typed = input.value;
  try {
    const { completions } = await get('completions', { q: typed }, mine.signal);
    if (mine.signal.aborted) return;
    const before = typed.replace(/\S*$/, '');
    fill(words, completions.map(({ text, count }) => h('option', { value: before + text, label: `${text} (${count})` })));
  } catch {
    // Without completions, a search is written out.
    if (!mine.signal.aborted) fill(words);
  }
}

/** Shows the quick filters, and the results as files, for this address. */
export function showSearch(query) {
  const instances = document.body.dataset.view === 'instances';
  input.toggleAttribute('list', instances);
  if (instances) input.setAttribute('list', 'completions');
  more.hidden = !instances;
  if (!instances) return;
  whenChanged('quick', query.toString(), () => fill(more, 'Only ', QUICK.flatMap(([label, name, value]) => [quick(query, label, name, value), ' ']), '· All that are found as ', file(query, 'csv', 'CSV'), ' or ', file(query, 'json', 'JSON')));
}

function quick(query, label, name, value) {
  const on = query.get(name) === value;
  const next = new URLSearchParams(query);
  next.delete('offset');
  next.set('view', 'instances');
  if (on) next.delete(name);
  else next.set(name, value);
  return h('a', { id: `quick-${name}`, class: 'chip', href: next.size ? `?${next}` : './', 'aria-current': on && 'true' }, on ? `${label} ✕` : label);
}

function file(query, format, label) {
  const conditions = new URLSearchParams([...CONDITIONS, 'sort'].filter((name) => query.get(name)).map((name) => [name, query.get(name)]));
  conditions.set('format', format);
  if (format === 'json') conditions.set('limit', 1000);
  return h('a', { id: `as-${format}`, href: `${root}api/v1/instances?${conditions}`, download: `instances.${format}` }, label);
}
