// Nothing moves while the page loads: what the script shows has the place that it had in the page as the registry sent it.

import assert from 'node:assert/strict';

import { check, close, follows, open, picture } from '../harness.mjs';

/** How much may move, as "cumulative layout shift" counts it. Chromium calls 0.1 good. */
const SHIFT = 0.005;
const PAGES = { applications: '', instances: '?view=instances' };
const SCREENS = {
  desktop: { viewport: { width: 1350, height: 940 } },
  'large screen': { viewport: { width: 1920, height: 1080 } },
  phone: { viewport: { width: 412, height: 823 }, deviceScaleFactor: 1.75, isMobile: true, hasTouch: true },
};

/** Collects what moves, from the first paint on. */
const watchShifts = () => {
  window.shifts = [];
  const box = ({ x, y, width, height }) => [x, y, width, height].map(Math.round).join(' ');
  new PerformanceObserver((list) => {
    for (const { value, sources } of list.getEntries()) {
      const moved = sources.map(({ node, previousRect, currentRect }) => `${node?.nodeName} ${node?.id || node?.className || node?.textContent}: ${box(previousRect)} -> ${box(currentRect)}`);
      window.shifts.push({ value, moved });
    }
  }).observe({ type: 'layout-shift', buffered: true });
};

/** The page as the registry sends it is painted, and only then does the script run. */
export async function shift(registry) {
  for (const [screen, options] of Object.entries(SCREENS)) {
    const page = await open(registry, 'lastn', { live: false, ...options });
    await page.addInitScript(watchShifts);
    let painted;
    await page.route('**/dashboard/dashboard.js', async (route) => {
      await painted;
      await route.continue();
    });
    for (const [name, address] of Object.entries(PAGES)) {
      await check(`nothing moves while the page loads: ${name} on a ${screen}`, async () => {
        let done;
        painted = new Promise((resolve) => (done = resolve));
        await page.goto(new URL(address, registry.url).href, { waitUntil: 'commit' });
        await page.waitForFunction(() => performance.getEntriesByName('first-contentful-paint').length > 0);
        done();
        await follows(page);
        await page.waitForSelector('#metrics polyline', { state: 'attached' });
        await page.waitForSelector('#feed li[data-kind]', { state: 'attached' });
        await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
        await picture(page, `loaded-${name}-${screen}`);
        const shifts = await page.evaluate(() => window.shifts);
        const sum = shifts.reduce((all, { value }) => all + value, 0);
        assert.ok(sum <= SHIFT, `${sum.toFixed(4)} moved: ${shifts.flatMap(({ moved }) => moved).join('; ')}`);
        return sum.toFixed(4);
      });
    }
    await close(page, `on a ${screen}`);
  }
}
