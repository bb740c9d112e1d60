// The lists of instances and applications: empty, busy, and with 10,000 instances.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';

import { check, close, follows, open, picture, row, rows, rowsAre, search, shows, visit, words } from '../harness.mjs';
import { instance, Registry, until } from '../registry.mjs';

const HOSTILE = {
  metadata: { '<script>window.hacked = 1</script>': '<img src=x onerror="window.hacked = 1">', page: 'javascript:window.hacked = 1', docs: 'https://docs.example.org/' },
  homePageUrl: 'javascript:window.hacked = 1',
  hostName: '"><svg onload="window.hacked = 1">',
};

/** An empty registry, and the first instance. */
export async function empty() {
  const registry = await Registry.start();
  const page = await open(registry);
  await check('an empty registry says that it has no instances and is standalone', async () => {
    await shows(page, '#found', 'No application is registered.');
    await shows(page, '#metrics', /Instances UP 0 .*Applications 0 .*Overdue leases 0/);
    await shows(page, '#peers', 'None: this replica is standalone.');
    await shows(page, '#verdict', /^(Healthy No instance is registered\.|Degraded) ?/);
  });
  await check('a registry without users says so', () => shows(page, '#open', 'no users are configured'));
  await check('an empty registry greets with lines that work: register, read, remove', async () => {
    assert.match(await page.locator('#spring').innerText(), new RegExp(`^eureka\\.client\\.service-url\\.defaultZone=${registry.url}eureka/$`));
    const lines = (await page.locator('#curl').innerText()).split('\n');
    const run = (line) => execFileSync('bash', ['-c', line.replace('curl', 'curl -sf')], { encoding: 'utf8' });
    run(lines[0]);
    assert.match(run(lines[1]), /hello-1/);
    await shows(page, '#rows', /HELLO 1 of 1/);
    await page.waitForSelector('#greeting', { state: 'hidden' });
    run(lines[2]);
    await shows(page, '#found', 'No application is registered.');
    await page.waitForSelector('#greeting:visible');
  });
  await picture(page, 'empty');
  await check('a first registration appears without a reload', async () => {
    await registry.register(instance('ORDERS', 'orders-1'));
    await shows(page, '#rows', /ORDERS 1 of 1/);
    await shows(page, '#found', '1 application');
    await shows(page, '#metrics', /Instances UP 1 .*Applications 1 /);
    await shows(page, '#feed', /ORDERS orders-1 registered UP/);
  });
  await check('a cancelled instance disappears, and the latest changes say so', async () => {
    await registry.call('DELETE', 'eureka/apps/ORDERS/orders-1');
    await shows(page, '#found', 'No application is registered.');
    await shows(page, '#feed', /ORDERS orders-1 was cancelled/);
  });
  await close(page, 'empty');
  await registry.stop();
}

/** Some applications in every status, below a context path. */
export async function busyRegistry() {
  const registry = await Registry.start({ 'server.servlet.context-path': '/registry' });
  const zones = ['eu-1a', 'eu-1b', 'eu-1c'];
  for (let number = 1; number <= 12; number += 1) {
    await registry.register(instance('ORDERS', `orders-${number}`, { metadata: { zone: zones[number % 3], version: number < 4 ? '2.0.0-rc.1' : '1.9.3' } }));
  }
  for (const [number, status] of ['UP', 'DOWN', 'STARTING', 'OUT_OF_SERVICE', 'UNKNOWN'].entries()) {
    await registry.register(instance('PAYMENTS', `payments-${number + 1}`, { status, metadata: { zone: zones[number % 3], version: '4.1.0' } }));
  }
  await registry.register(instance('INVOICES', 'invoices-1', { status: 'DOWN' }));
  await registry.register(instance('HOSTILE', 'hostile:1/2?3#4%5', HOSTILE));
  return registry;
}

/** The list of instances. */
export async function busy(registry) {
  const page = await open(registry, '?view=instances', { viewport: { width: 1440, height: 900 } });
  await check('every status has a word; rows have zone, version, ages and links', async () => {
    await rowsAre(page, 19);
    for (const status of ['UP', 'DOWN', 'STARTING', 'OUT_OF_SERVICE', 'UNKNOWN']) assert.ok(await page.locator(`#rows .status[data-status=${status}]`, { hasText: status }).count(), status);
    assert.match(await words(row(page, 'payments-2')), /^DOWN PAYMENTS payments-2 payments-2\.example\.org:8080 eu-1b 4\.1\.0 \d+ s \d+ s home status/);
    assert.equal(await row(page, 'orders-3').locator('a', { hasText: 'home' }).getAttribute('href'), 'http://orders-3.example.org:8080/');
  });
  await check('counts, and applications without an instance that is UP', async () => {
    await shows(page, '#metrics', /Instances UP 14 of 19 .*Applications 4 1 with none UP/);
    await shows(page, '#verdict', /^Critical 1 application has no instance that is UP: INVOICES\. Clients of it find no instance to call\. Show An instance reports its own status/);
  });
  await check('the verdict leads to exactly what it means', async () => {
    await page.click('#verdict >> text=Show');
    await shows(page, '#found', '1 application found');
    await shows(page, '#rows', /INVOICES 0 of 1/);
    await page.goBack();
    await rowsAre(page, 19);
  });
  await check('zones by status, each number a link to these instances', async () => {
    await shows(page, '#zones', /Zones Zone UP UNKNOWN STARTING OUT_OF_SERVICE DOWN eu-1a/);
    await page.locator('#zones tr', { hasText: 'eu-1b' }).locator('a').last().click();
    await shows(page, '#rows', /^DOWN PAYMENTS payments-2/);
    await rowsAre(page, 1);
    await page.goBack();
    await rowsAre(page, 19);
  });
  await check('the chart of renewals is drawn when it is opened, and has a text for screen readers', async () => {
    assert.equal(await page.locator('#chart canvas').count(), 0);
    await page.click('#renewals summary');
    await page.waitForSelector('#chart canvas');
    assert.match(await page.locator('#chart').getAttribute('aria-label'), /\d+ now.* more than \d+ are needed/);
  });
  await picture(page, 'busy');
  await check('a search narrows the list, and is part of the address', async () => {
    await page.fill('#filter input[type=search]', 'orders 11');
    await rowsAre(page, 1);
    await shows(page, '#rows', 'orders-11');
    assert.equal(search(page), '?view=instances&q=orders+11');
  });
  await check('filters narrow the list, and survive a reload', async () => {
    await page.fill('#filter input[type=search]', 'orders');
    await rowsAre(page, 12);
    await page.selectOption('#choose-zone', 'eu-1b');
    await rowsAre(page, 4);
    await page.selectOption('#choose-version', '2.0.0-rc.1');
    await rowsAre(page, 1);
    await page.reload();
    await follows(page);
    await rowsAre(page, 1);
    assert.equal(await page.inputValue('#filter input[type=search]'), 'orders');
    assert.equal(await page.inputValue('#choose-zone'), 'eu-1b');
    await shows(page, '#found', '1 instance found');
  });
  await check('the back button undoes a filter, and "clear" removes all', async () => {
    await page.goBack();
    await rowsAre(page, 4);
    await page.click('#clear');
    await rowsAre(page, 19);
    assert.equal(search(page), '?view=instances');
  });
  await check('a column header sorts, and reverses the order', async () => {
    await page.click('#heads >> text=Instance');
    await shows(page, '#rows tr:first-child', 'hostile');
    await page.click('#heads >> text=Instance');
    await shows(page, '#rows tr:first-child', 'payments-5');
    assert.equal(await page.getAttribute('#heads .instance', 'aria-sort'), 'descending');
    await visit(page, registry, '?view=instances');
  });
  await check('a status that changes is shown without a reload', async () => {
    await rowsAre(page, 19);
    await registry.register(instance('ORDERS', 'orders-7', { status: 'DOWN', metadata: { zone: 'eu-1b', version: '1.9.3' } }));
    await until('DOWN', async () => (await words(row(page, 'orders-7'))).startsWith('DOWN'));
    await shows(page, '#feed li:first-child', /ORDERS orders-7 .*UP → DOWN/);
  });
  await check('a hidden page has no event stream, and is up to date when it is shown again', async () => {
    const hide = (hidden) => page.evaluate((wanted) => {
      Object.defineProperty(document, 'hidden', { configurable: true, get: () => wanted });
      document.dispatchEvent(new Event('visibilitychange'));
    }, hidden);
    const ended = page.waitForEvent('requestfailed', (request) => request.url().endsWith('/events'));
    await hide(true);
    await ended;
    await registry.call('PUT', 'eureka/apps/ORDERS/orders-8/status?value=OUT_OF_SERVICE');
    await hide(false);
    await until('OUT_OF_SERVICE', async () => (await words(row(page, 'orders-8'))).startsWith('OUT_OF_SERVICE overridden'));
    await registry.call('DELETE', 'eureka/apps/ORDERS/orders-8/status?value=UP');
    await until('UP', async () => (await words(row(page, 'orders-8'))).startsWith('UP'));
  });
  await check('a selection stays when the list is refreshed, and has no more than the rows that are checked', async () => {
    const chosen = () => page.evaluate(async () => (await import(new URL('dashboard/selection.js', location.href).href)).selected());
    await row(page, 'orders-8').getByLabel('Select orders-8').check();
    await row(page, 'orders-9').getByLabel('Select orders-9').check();
    await row(page, 'orders-9').getByLabel('Select orders-9').uncheck();
    await registry.register(instance('ORDERS', 'orders-8', { status: 'STARTING', metadata: { zone: 'eu-1c', version: '1.9.3' } }));
    await until('STARTING', async () => (await words(row(page, 'orders-8'))).startsWith('STARTING'));
    assert.equal(await row(page, 'orders-8').getByLabel('Select orders-8').isChecked(), true);
    assert.deepEqual(await chosen(), [{ application: 'ORDERS', instance: 'orders-8' }]);
    await registry.register(instance('ORDERS', 'orders-8', { metadata: { zone: 'eu-1c', version: '1.9.3' } }));
    await until('UP', async () => (await words(row(page, 'orders-8'))).startsWith('UP'));
    await page.check('#pick-all');
    assert.equal((await chosen()).length, await rows(page));
    await page.uncheck('#pick-all');
    assert.deepEqual(await chosen(), []);
  });
  await check('applications: those with a problem come first, and each links to its instances', async () => {
    await page.click('#views >> text=Applications');
    await shows(page, '#found', '4 applications');
    await shows(page, '#rows tr:first-child', /INVOICES 0 of 1 no instance is UP: 1 DOWN/);
    await shows(page, '#rows', /ORDERS 11 of 12 1 DOWN; .* eu-1a, eu-1b, eu-1c 1\.9\.3, 2\.0\.0-rc\.1/);
    await picture(page, 'applications');
  });
  await close(page, 'busy');
}

/** 10,000 instances of 1,000 applications. */
export async function full() {
  const registry = await Registry.start();
  const begun = performance.now();
  const all = Array.from({ length: 10_000 }, (_, number) =>
    instance(`SERVICE-${String(number % 1000).padStart(4, '0')}`, `host-${number}.example.org:service:8080`, { metadata: { zone: `zone-${number % 7}`, version: `1.${number % 40}.0` } }));
  for (let at = 0; at < all.length; at += 500) await Promise.all(all.slice(at, at + 500).map((one) => registry.register(one)));
  const took = performance.now() - begun;
  const page = await open(registry, '?view=instances');
  await check('10,000 instances: one page is listed, and all are counted', async () => {
    await shows(page, '#found', '1 to 100 of 10,000 instances');
    assert.equal(await rows(page), 100);
    await shows(page, '#metrics', /Instances UP 10,000 in 7 zones .*Applications 1,000/);
    return `registered in ${(took / 1000).toFixed(1)} s`;
  });
  await picture(page, 'full');
  await check('10,000 instances: time from the last key to the new rows', async () => {
    const times = [];
    for (const q of ['service-0042', 'host-99', 'zzz', 'service-01 host-12', '10.0.0.1', 'HOST-4711.']) {
      times.push(await page.evaluate(async (wanted) => {
        const input = document.querySelector('#filter input[type=search]');
        const changed = new Promise((resolve) => new MutationObserver(resolve).observe(document.querySelector('#rows'), { childList: true }));
        const typed = performance.now();
        input.value = wanted;
        input.dispatchEvent(new Event('input', { bubbles: true }));
        await changed;
        await new Promise(requestAnimationFrame);
        return performance.now() - typed;
      }, q));
    }
    times.sort((a, b) => a - b);
    return `${times[0].toFixed(0)} to ${times.at(-1).toFixed(0)} ms, with 120 ms of waiting for another key`;
  });
  await check('10,000 instances: a search finds one, and the pager works', async () => {
    await shows(page, '#found', '1 instance found');
    await shows(page, '#rows', 'SERVICE-0711');
    await page.click('#clear');
    await shows(page, '#found', '1 to 100 of 10,000 instances');
    await page.click('#pager >> text=Next');
    await shows(page, '#found', '101 to 200 of 10,000 instances');
    assert.equal(search(page), '?view=instances&offset=100');
    await page.click('#pager >> text=Last');
    await shows(page, '#found', '9,901 to 10,000 of 10,000 instances');
    await shows(page, '#pager', 'page 100 of 100');
  });
  await check('10,000 instances: the page survives a burst of changes', async () => {
    await Promise.all(all.slice(0, 1000).map((one) => registry.register({ ...one, status: 'DOWN' })));
    await shows(page, '#metrics', /Instances UP 9,000 of 10,000/);
    await page.fill('#filter input[type=search]', 'host-999.');
    await shows(page, '#rows', /^DOWN SERVICE-0999/);
    assert.ok((await page.locator('#feed li').count()) <= 60);
  });
  await check('10,000 instances: the applications that have a problem are the first of 1,000 rows', async () => {
    await page.click('#views >> text=Applications');
    await page.fill('#filter input[type=search]', '');
    await shows(page, '#found', '1 to 100 of 1,000 applications');
    await shows(page, '#rows tr:first-child', /SERVICE-0000 9 of 10 1 DOWN/);
    assert.equal(await rows(page), 100);
    await shows(page, '#pager', 'page 1 of 10');
  });
  await close(page, 'full');
  await registry.stop();
}
