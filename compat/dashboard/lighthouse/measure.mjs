// What Lighthouse says of the page: `node measure.mjs BINARY DIRECTORY`. On a desktop and on a phone, for applications and for instances.
// A category below 95 is a failure, except for performance: that is a matter of time, and time depends on the machine. What moves after
// it was drawn does not, so that has a bound of its own.

import desktop from 'lighthouse/core/config/desktop-config.js';
import lighthouse from 'lighthouse';
import { launch } from 'chrome-launcher';

import { instance, Registry, stopAll } from '../registry.mjs';

const WANTED = 95;
/** How much may move, as "cumulative layout shift" counts it: 0.1 is what Chromium calls good. */
const SHIFT = 0.01;
const PAGES = ['', '?view=instances'];
const FORMS = { desktop, phone: undefined };
const CATEGORIES = ['performance', 'accessibility', 'best-practices', 'seo'];
const ZONES = ['eu-1a', 'eu-1b', 'eu-1c'];

/** 20 applications with 100 instances, of which some are not UP. */
async function fill(registry) {
  for (let number = 0; number < 100; number += 1) {
    const app = `SERVICE-${number % 20}`;
    const metadata = { zone: ZONES[number % 3], version: `1.${number % 4}.0` };
    await registry.register(instance(app, `${app.toLowerCase()}-${number}`, { metadata, status: number % 17 ? 'UP' : 'DOWN' }));
  }
}

/** The elements that moved, and by how much. */
const moved = ({ audits }) => (audits['layout-shifts']?.details?.items ?? []).map(({ node, score }) => `${node?.selector ?? '?'} ${score.toFixed(4)}`);

/** What Lighthouse found wrong in a category. */
const wrong = ({ audits, categories }, name) => categories[name].auditRefs.filter(({ id, weight }) => weight && audits[id].score !== null && audits[id].score < 0.9).map(({ id }) => `${id}: ${audits[id].title}`);

let failed = 0;
const chrome = await launch({ chromePath: process.env.CHROMIUM ?? '/usr/bin/chromium', chromeFlags: ['--headless=new', '--no-sandbox', '--disable-gpu', '--disable-quic'] });
try {
  const registry = await Registry.start();
  await fill(registry);
  for (const page of PAGES) {
    for (const [form, config] of Object.entries(FORMS)) {
      const { lhr } = await lighthouse(registry.url + page, { port: chrome.port, onlyCategories: CATEGORIES, logLevel: 'error' }, config);
      const shift = lhr.audits['cumulative-layout-shift'].numericValue;
      const scores = CATEGORIES.map((name) => [name, Math.round(lhr.categories[name].score * 100)]);
      console.log(`  /${page} on a ${form}: ${scores.map(([name, score]) => `${name} ${score}`).join(', ')}, layout shift ${shift.toFixed(4)}`);
      const low = scores.filter(([name, score]) => score < WANTED && name !== 'performance').map(([name]) => name);
      const complaints = [...low.flatMap((name) => wrong(lhr, name)), ...(shift > SHIFT ? moved(lhr) : [])];
      if (low.length || shift > SHIFT) failed += 1;
      for (const complaint of complaints) console.log(`    ${complaint}`);
    }
  }
  await registry.stop();
} finally {
  chrome.kill();
  stopAll();
}
console.log(failed ? `FAIL: ${failed} of ${PAGES.length * 2} below ${WANTED}, or move by more than ${SHIFT}` : `${PAGES.length * 2} passed, 0 failed`);
process.exitCode = failed ? 1 : 0;
