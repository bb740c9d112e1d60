// Nothing moves while the page loads: what the script shows has the place that it had in the page as the registry sent it.

import assert from 'node:assert/strict';
import { setTimeout } from 'node:timers/promises';

import { check, close, open, painted, picture, visit } from '../harness.mjs';
import { Proxy } from '../proxy.mjs';

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

/** How long a slice waits at most, in milliseconds: while there is nothing to paint, the browser paints nothing. */
const NOTHING_PAINTED = 100;

/** The page as the registry sends it is painted slice by slice, as on a slow network, and then the script runs. */
export async function shift(registry) {
  const slow = await Proxy.before(registry);
  for (const [screen, options] of Object.entries(SCREENS)) {
    const page = await open(slow, 'lastn', { live: false, ...options });
    await page.addInitScript(watchShifts);
    for (const [name, address] of Object.entries(PAGES)) {
      await check(`nothing moves while the page loads slowly: ${name} on a ${screen}`, async () => {
        // It cannot be asked while the browser leaves the page before.
        slow.afterSlice = () => Promise.race([painted(page).catch(() => {}), setTimeout(NOTHING_PAINTED)]);
        await visit(page, slow, address);
        await page.waitForSelector('#metrics polyline', { state: 'attached' });
        await page.waitForSelector('#feed li[data-kind]', { state: 'attached' });
        await painted(page);
        await picture(page, `loaded-${name}-${screen}`);
        const shifts = await page.evaluate(() => window.shifts);
        const sum = shifts.reduce((all, { value }) => all + value, 0);
        assert.ok(sum <= SHIFT, `${sum.toFixed(4)} moved: ${shifts.flatMap(({ moved }) => moved).join('; ')}`);
        return sum.toFixed(4);
      });
    }
    delete slow.afterSlice;
    await close(page, `on a ${screen}`);
  }
  slow.stop();
}
