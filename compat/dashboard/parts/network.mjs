// What the page asks at first, and how it behaves behind a network that is slow, or fails.

import assert from 'node:assert/strict';

import { check, close, follows, open, picture, rowsAre, shows } from '../harness.mjs';
import { Proxy } from '../proxy.mjs';
import { instance, LIMIT, Registry, until } from '../registry.mjs';

/** No request is made twice. */
export async function firstLoad() {
  const registry = await Registry.start();
  await registry.register(instance('ORDERS', 'orders-1'));
  const page = await open(registry, 'lastn', { live: false });
  // The page's time stands still while its answers come, however long they take.
  await page.clock.install();
  await page.clock.pauseAt(Date.now() + 1000);
  // The first overview comes while the list is still read: it must not be a reason to read it again.
  let overview;
  await page.route(/api\/v1\/(applications|instances)/, async (route) => {
    await overview;
    await route.continue();
  });
  await check('the first load makes each request once', async () => {
    for (const address of ['', '?view=instances', '?application=ORDERS&instance=orders-1']) {
      const asked = new Map();
      const note = (request) => asked.set(request.url(), (asked.get(request.url()) ?? 0) + 1);
      page.on('request', note);
      let shown;
      overview = new Promise((resolve) => (shown = resolve));
      await page.goto(new URL(address, registry.url).href);
      await page.waitForSelector('#metrics polyline', { state: 'attached' });
      shown();
      await follows(page);
      await until('the changes, which are shown with a frame', async () => {
        await page.clock.runFor(16);
        return page.locator('#feed li[data-kind]').count();
      });
      // Longer than the page waits before it reads again, and shorter than it waits before it reads anyway.
      await page.clock.runFor(3000);
      page.off('request', note);
      // The icon is also that of the window, which the browser asks for by itself.
      const twice = [...asked].filter(([url, times]) => times > 1 && !url.endsWith('/icon.svg')).map(([url, times]) => `${url} ${times} times`);
      assert.deepEqual(twice, [], address);
      const calls = [...asked.keys()].filter((url) => url.includes('/api/v1/'));
      assert.equal(calls.length, 4, `${address}: ${calls.join(' ')}`);
    }
  });
  await close(page, 'at the first load');
  await registry.stop();
}

/** A network that is slow, fails, and recovers. */
export async function badNetwork() {
  const registry = await Registry.start();
  for (const number of [1, 2]) await registry.register(instance('ORDERS', `orders-${number}`));
  const proxy = await Proxy.before(registry);
  const page = await open(proxy, '?view=instances');
  await rowsAre(page, 2);
  /** How long the page waits for an answer: ten seconds, or so long that a busy machine does not matter. */
  const patience = (milliseconds) => page.evaluate((wanted) => {
    window.timeout ??= AbortSignal.timeout;
    AbortSignal.timeout = (planned) => window.timeout.call(AbortSignal, wanted ?? planned);
  }, milliseconds);
  await check('a slow registry: the page says that it is busy, and waits for the list that it has asked for', async () => {
    await patience(LIMIT);
    proxy.lists = 0;
    proxy.holds = true;
    await page.fill('#filter input[type=search]', 'orders');
    await until('the request of the list', () => proxy.lists === 1);
    for (let number = 3; number < 8; number += 1) {
      await registry.register(instance('ORDERS', `orders-${number}`));
      await shows(page, '#feed li:first-child', `orders-${number}`);
    }
    await shows(page, '#connection', /^busy, no answer for ([2-9]|\d\d) s$/);
    assert.equal(proxy.lists, 1, 'changes came, and the list was asked for again though it was waited for');
  });
  await picture(page, 'server-busy');
  await check('a slow registry: the page recovers with the first answer', async () => {
    proxy.release();
    await shows(page, '#connection', /^live$/);
    await rowsAre(page, 7);
    await patience();
  });
  await check('a registry that does not answer: the request ends, and the page says since when', async () => {
    proxy.holds = true;
    await page.fill('#filter input[type=search]', 'orders-1');
    await shows(page, '#trouble', 'no answer within 10 s');
    await shows(page, '#connection', /^does not answer since \d\d:\d\d:\d\d, shown as of \d\d:\d\d:\d\d$/);
    await until('the request to end', () => proxy.under <= 1);
    proxy.held.length = 0;
    proxy.release();
    await shows(page, '#connection', /^live$/);
    await rowsAre(page, 1);
    await shows(page, '#trouble', /^$/);
  });
  await check('a network that fails: the page says so, asks again by itself, and recovers', async () => {
    proxy.fails = true;
    await page.fill('#filter input[type=search]', 'orders-2');
    await shows(page, '#trouble', 'The list below could not be read');
    await shows(page, '#connection', /^does not answer since/);
    await rowsAre(page, 1);
    await shows(page, '#rows', 'orders-1');
    proxy.fails = false;
    await shows(page, '#rows', 'orders-2');
    await shows(page, '#connection', /^live$/);
    await shows(page, '#trouble', /^$/);
  });
  await close(page, 'behind a bad network', /status of 503/);
  proxy.stop();
  await registry.stop();
}
