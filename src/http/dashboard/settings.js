// What the user chose about how the page looks: theme, density, rows per page, columns. The browser keeps it. When a choice changes
// what has to be read, `document` gets the event `settings`.

import { redraw } from './chart.js';
import { byId, h } from './dom.js';

const CHOICES = {
  theme: { title: 'Theme', values: { '': 'as the system', light: 'light', dark: 'dark' } },
  density: { title: 'Rows', values: { '': 'compact', comfortable: 'comfortable' } },
  rows: { title: 'Rows per page', values: { 25: '25', 50: '50', '': '100', 250: '250', 1000: '1,000' } },
};
/** The columns that can be hidden. The same choice holds for the zones of applications and of instances. */
const COLUMNS = { zone: 'Zones', version: 'Versions', address: 'Address', registered: 'Registered', renewal: 'Last renewal', links: 'Links' };

/** The most rows on a page if nothing was chosen. */
const ROWS = 100;

const kept = (name) => {
  try {
    return localStorage.getItem(`eureka-registry.${name}`) ?? '';
  } catch {
    return '';
  }
};

/** Keeps a choice, as long as the browser lets it. */
function keep(name, value) {
  try {
    if (value) localStorage.setItem(`eureka-registry.${name}`, value);
    else localStorage.removeItem(`eureka-registry.${name}`);
  } catch {
    // It holds until the page is closed.
  }
}

let rows = kept('rows');
let hidden = kept('hidden').split(' ').filter((name) => Object.hasOwn(COLUMNS, name));

/** The most rows on a page. */
export const pageSize = () => (Object.hasOwn(CHOICES.rows.values, rows) && Number(rows)) || ROWS;

function choose(name, value) {
  keep(name, value);
  if (name === 'rows') {
    rows = value;
    document.dispatchEvent(new Event('settings'));
    return;
  }
  if (value) document.documentElement.dataset[name] = value;
  else delete document.documentElement.dataset[name];
  redraw();
}

function showColumn(name, shown) {
  hidden = Object.keys(COLUMNS).filter((column) => (column === name ? !shown : hidden.includes(column)));
  keep('hidden', hidden.join(' '));
  document.body.dataset.hidden = hidden.join(' ');
}

function select(name) {
  const { title, values } = CHOICES[name];
  // A number as a key would come first, whatever the order above.
  const order = Object.entries(values).sort(([a], [b]) => (name === 'rows' ? (Number(a) || ROWS) - (Number(b) || ROWS) : 0));
  const options = order.map(([value, words]) => h('option', { value, selected: value === kept(name) }, words));
  return h('label', {}, title, h('select', { id: `set-${name}`, onchange: ({ target }) => choose(name, target.value) }, options));
}

function checkbox([name, title]) {
  const box = h('input', { type: 'checkbox', id: `show-${name}`, checked: !hidden.includes(name), onchange: ({ target }) => showColumn(name, target.checked) });
  return h('label', {}, box, title);
}

document.body.dataset.hidden = hidden.join(' ');
byId('settings').append(
  h('h2', {}, 'View'),
  ...Object.keys(CHOICES).map(select),
  h('fieldset', {}, h('legend', {}, 'Columns'), Object.entries(COLUMNS).map(checkbox)),
  h('p', { class: 'quiet' }, 'This browser keeps these choices.'),
);
