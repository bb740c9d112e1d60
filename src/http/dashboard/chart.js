// The renewals of the last minutes: small lines in the strip, and a chart that is drawn when it is opened. uPlot, which draws it, is
// loaded then.

import { byId } from './dom.js';
import { number } from './format.js';

/** The chart shows at most this many seconds, and at least the second number, also for a registry that has just started. */
const SHOWN = 15 * 60;
const LEAST = 2 * 60;
const HEIGHT = 150;

const SVG = 'http://www.w3.org/2000/svg';

let chart;
let data = [[], [], []];

/** A small line of some values. The number beside it says what it means, so screen readers skip it. */
export function spark(values) {
  const svg = document.createElementNS(SVG, 'svg');
  const attributes = { class: 'spark', viewBox: '0 0 100 24', preserveAspectRatio: 'none', 'aria-hidden': 'true' };
  for (const [name, value] of Object.entries(attributes)) svg.setAttribute(name, value);
  if (values.length > 1) {
    const [low, high] = [Math.min(...values), Math.max(...values)];
    // A line that does not move lies in the middle.
    const y = (value) => (high === low ? 12 : 22 - ((value - low) / (high - low)) * 20);
    const line = document.createElementNS(SVG, 'polyline');
    line.setAttribute('points', values.map((value, at) => `${((at / (values.length - 1)) * 100).toFixed(1)},${y(value).toFixed(1)}`).join(' '));
    svg.append(line);
  }
  return svg;
}

/** Keeps the history of an overview, with its current metrics as the last point, and draws it if the chart is open. */
export function showRenewals({ now, history, selfPreservation }) {
  const { renewalsLastMinute, renewalsThreshold } = selfPreservation;
  const points = [...history, { at: now, renewalsLastMinute, renewalsThreshold }].filter(({ at }) => at > now - SHOWN * 1000);
  data = [
    points.map(({ at }) => at / 1000),
    points.map((point) => point.renewalsLastMinute),
    points.map((point) => point.renewalsThreshold),
  ];
  const highest = Math.max(...data[1]);
  const lowest = Math.min(...data[1]);
  byId('chart').ariaLabel =
    `Renewals per minute over the last 15 minutes: ${number(renewalsLastMinute)} now, between ${number(lowest)} and ${number(highest)}; more than ${number(renewalsThreshold)} are needed.`;
  draw();
}

let loading;
/** Loads uPlot, once. */
function load() {
  loading ??= new Promise((resolve, reject) => {
    const style = Object.assign(document.createElement('link'), { rel: 'stylesheet', href: 'dashboard/vendor/uPlot.min.css' });
    const script = Object.assign(document.createElement('script'), { src: 'dashboard/vendor/uPlot.iife.min.js', onload: resolve });
    script.onerror = () => {
      loading = undefined;
      script.remove();
      reject(new Error('the chart could not be loaded'));
    };
    document.head.append(style, script);
  });
  return loading;
}

function draw() {
  const place = byId('chart');
  const width = place.clientWidth;
  if (!width || !byId('renewals').open || typeof uPlot === 'undefined' || !data[0].length) return;
  chart ??= new uPlot(options(width), data, place);
  if (chart.width !== width) chart.setSize({ width, height: HEIGHT });
  const now = data[0].at(-1);
  chart.batch(() => {
    chart.setData(data, false);
    if (chart.cursor.idx === null || chart.cursor.idx === undefined) chart.setLegend({ idx: data[0].length - 1 });
    chart.setScale('x', { min: Math.min(data[0][0], now - LEAST), max: now });
    chart.setScale('y', { min: 0, max: Math.max(4, ...data[1], ...data[2]) * 1.15 });
  });
}

/** A colour of the page, as the canvas understands it. */
const colour = (name) => () => getComputedStyle(byId(`ink-${name}`)).color;

function options(width) {
  const font = '11px system-ui, sans-serif';
  const axis = { stroke: colour('ink-2'), font, ticks: { show: false }, grid: { stroke: colour('line'), width: 1 } };
  return {
    width,
    height: HEIGHT,
    cursor: { drag: { x: false, y: false }, points: { size: 6 } },
    legend: { show: true },
    scales: { y: { auto: false }, x: { auto: false } },
    axes: [
      { ...axis, size: 22, space: 60, incrs: [60, 120, 300], grid: { show: false }, values: (_, times) => times.map(minutes) },
      { ...axis, size: 52, space: 28, values: (_, values) => values.map((value) => (Number.isInteger(value) ? number(value) : '')) },
    ],
    series: [
      { label: 'at', value: (_, at) => (at ? new Date(at * 1000).toLocaleTimeString('sv-SE') : 'now') },
      { label: 'renewals', stroke: colour('accent'), fill: colour('accent-soft'), width: 2, points: { show: false }, value: shown(1) },
      { label: 'needed', stroke: colour('out'), width: 1.5, dash: [5, 4], points: { show: false }, value: shown(2) },
    ],
  };
}

/** The value under the pointer; without a pointer, the last value. */
const shown = (series) => (_, value) => number(value ?? data[series].at(-1) ?? 0);

const minutes = (at) => new Date(at * 1000).toLocaleTimeString('sv-SE', { hour: '2-digit', minute: '2-digit' });

/** Draws the chart again in the colours of another theme. */
export const redraw = () => chart?.redraw(false);

byId('renewals').addEventListener('toggle', () => load().then(draw, () => {}));
new ResizeObserver(draw).observe(byId('chart'));
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', redraw);
