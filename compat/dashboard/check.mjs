// The dashboard in a real Chromium, as a person sees it: `node check.mjs BINARY DIRECTORY PORT PORT`.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';

import { chromium } from 'playwright-core';

import { instance, Registry, stopAll, until } from './registry.mjs';

// Ports of registries that restart at the same address, or know each other before they start.
const ports = process.argv.slice(4).map(Number);
const SCREENSHOTS = process.env.DASHBOARD_SCREENSHOTS;
const FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];

let passed = 0;
let failed = 0;
/** One check: its sentence, and the code that throws if it does not hold. */
async function check(what, test) {
  try {
    const words = await test();
    passed += 1;
    console.log(`  ${what}${words ? `: ${words}` : ''}`);
  } catch (error) {
    failed += 1;
    console.log(`  FAIL ${what}: ${error.message}`);
  }
}

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: FLAGS });

/** A new page. It collects complaints: messages in the console, and requests to anything but its registry. */
async function open(registry, address = '', { live = true, ...options } = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(10_000);
  page.complaints = [];
  page.on('console', (message) => ['error', 'warning'].includes(message.type()) && page.complaints.push(message.text()));
  page.on('pageerror', (error) => page.complaints.push(error.stack));
  page.on('request', (request) => new URL(request.url()).origin === new URL(registry.url).origin || page.complaints.push(`asked ${request.url()}`));
  page.on('dialog', (dialog) => page.complaints.push(`said ${dialog.message()}`) && dialog.dismiss());
  if (live) await visit(page, registry, address);
  else await page.goto(new URL(address, registry.url).href);
  return page;
}

/** Goes to an address of the dashboard. */
async function visit(page, registry, address = '') {
  await page.goto(new URL(address, registry.url).href);
  await follows(page);
}

/** Waits until the script has replaced the content that came with the page. */
async function follows(page) {
  await shows(page, '#connection', /^live$/);
  await page.waitForSelector('body[data-view]');
}

/** Closes a page. It must have no complaints other than `known`. */
async function close(page, what, known = /^$/) {
  await check(`no error in the console and no request elsewhere, ${what}`, () => assert.deepEqual(page.complaints.filter((complaint) => !known.test(complaint)), []));
  await page.context().close();
}

/** Waits until an element shows a text. */
async function shows(page, selector, wanted) {
  let last;
  const fits = (text) => (wanted instanceof RegExp ? wanted.test(text) : text.includes(wanted));
  try {
    await until('', async () => {
      const all = page.locator(selector);
      last = (await all.count()) ? (await all.first().innerText()).replace(/\s+/g, ' ').trim() : undefined;
      return last !== undefined && fits(last);
    });
  } catch {
    throw new Error(`${selector} shows ${JSON.stringify(last)}, not ${wanted}`);
  }
}

const rows = (page) => page.locator('#rows tr').count();
const rowsAre = (page, count) => until(`${count} rows`, async () => (await rows(page)) === count);
const row = (page, id) => page.locator('#rows tr', { hasText: id });
/** The words of a row, behind its checkbox. */
const words = async (locator) => (await locator.innerText()).replace(/\s+/g, ' ').trim();
const search = (page) => new URL(page.url()).search;
const focused = (page) => page.evaluate(() => document.activeElement.id || document.activeElement.textContent.trim());

async function picture(page, name, options = {}) {
  if (!SCREENSHOTS) return;
  fs.mkdirSync(SCREENSHOTS, { recursive: true });
  await page.screenshot({ path: path.join(SCREENSHOTS, `${name}.png`), ...options });
}

/** The contrast of a text, as WCAG defines it. */
function contrast(page, selector) {
  return page.evaluate((wanted) => {
    const luminance = (colour) => {
      const [r, g, b] = colour.match(/[\d.]+/g).map((value) => value / 255).map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    let behind = document.querySelector(wanted);
    const ink = luminance(getComputedStyle(behind).color);
    while (/^rgba\(.*, 0\)$/.test(getComputedStyle(behind).backgroundColor)) behind = behind.parentElement;
    const paper = luminance(getComputedStyle(behind).backgroundColor);
    return { ratio: (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05), dark: paper < 0.1 };
  }, selector);
}

async function empty() {
  const registry = await Registry.start();
  const page = await open(registry);
  await check('an empty registry says that it has no instances and is standalone', async () => {
    await shows(page, '#found', `No instance is registered. Clients register at ${registry.url}eureka/.`);
    await shows(page, '#metrics', /Instances UP 0 .*Applications 0 .*Overdue leases 0/);
    await shows(page, '#peers', 'None: this replica is standalone.');
    await shows(page, '#verdict', /^(Healthy|Needs attention) \S/);
  });
  await check('a registry without users says so', () => shows(page, '#open', 'no users are configured'));
  await picture(page, 'empty');
  await check('a first registration appears without a reload', async () => {
    await registry.register(instance('ORDERS', 'orders-1'));
    await shows(page, '#rows', /UP ORDERS orders-1/);
    await shows(page, '#found', '1 instance');
    await shows(page, '#metrics', /Instances UP 1 .*Applications 1 /);
    await shows(page, '#feed', /ORDERS orders-1 registered UP/);
  });
  await check('a cancelled instance disappears, and the latest changes say so', async () => {
    await registry.call('DELETE', 'eureka/apps/ORDERS/orders-1');
    await shows(page, '#found', 'No instance is registered.');
    await shows(page, '#feed', /ORDERS orders-1 was cancelled/);
  });
  await close(page, 'empty');
  await registry.stop();
}

const HOSTILE = {
  metadata: { '<script>window.hacked = 1</script>': '<img src=x onerror="window.hacked = 1">', page: 'javascript:window.hacked = 1', docs: 'https://docs.example.org/' },
  homePageUrl: 'javascript:window.hacked = 1',
  hostName: '"><svg onload="window.hacked = 1">',
};

/** Some applications in every status, below a context path. */
async function busyRegistry() {
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

async function busy(registry) {
  const page = await open(registry, '', { viewport: { width: 1440, height: 900 } });
  await check('every status has a word; rows have zone, version, ages and links', async () => {
    await rowsAre(page, 19);
    for (const status of ['UP', 'DOWN', 'STARTING', 'OUT_OF_SERVICE', 'UNKNOWN']) assert.ok(await page.locator(`#rows .status[data-status=${status}]`, { hasText: status }).count(), status);
    assert.match(await words(row(page, 'payments-2')), /^DOWN PAYMENTS payments-2 payments-2\.example\.org:8080 eu-1b 4\.1\.0 \d+ s \d+ s home status/);
    assert.equal(await row(page, 'orders-3').locator('a', { hasText: 'home' }).getAttribute('href'), 'http://orders-3.example.org:8080/');
  });
  await check('counts, and applications without an instance that is UP', async () => {
    await shows(page, '#metrics', /Instances UP 14 of 19 .*Applications 4 1 with none UP/);
    await shows(page, '#verdict', 'INVOICES');
  });
  await check('the chart of renewals is drawn, and has a text for screen readers', async () => {
    assert.equal(await page.locator('#chart canvas').count(), 1);
    assert.match(await page.locator('#chart').getAttribute('aria-label'), /\d+ now.* more than \d+ are needed/);
  });
  await picture(page, 'busy');
  await check('a search narrows the list, and is part of the address', async () => {
    await page.fill('#filter input[type=search]', 'orders 11');
    await rowsAre(page, 1);
    await shows(page, '#rows', 'orders-11');
    assert.equal(search(page), '?q=orders+11');
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
    assert.equal(search(page), '');
  });
  await check('a column header sorts, and reverses the order', async () => {
    await page.click('#heads >> text=Instance');
    await shows(page, '#rows tr:first-child', 'hostile');
    await page.click('#heads >> text=Instance');
    await shows(page, '#rows tr:first-child', 'payments-5');
    assert.equal(await page.getAttribute('#heads .instance', 'aria-sort'), 'descending');
    await visit(page, registry);
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
    await until('OUT_OF_SERVICE', async () => /^OUT_OF_SERVICE overridden/.test(await words(row(page, 'orders-8'))));
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
    await shows(page, '#rows tr:first-child', /INVOICES 0 of 1 1 DOWN/);
    await shows(page, '#rows', /ORDERS 11 of 12 1 DOWN 11 UP eu-1a, eu-1b, eu-1c 1\.9\.3, 2\.0\.0-rc\.1/);
    await picture(page, 'applications');
    await page.click('#rows >> text=PAYMENTS');
    await rowsAre(page, 5);
    await shows(page, '#application', 'application PAYMENTS');
  });
  await close(page, 'busy');
}

async function oneInstance(registry) {
  const page = await open(registry, '?application=ORDERS&instance=orders-2');
  await check("an instance's page has the data that it sent, and its history", async () => {
    await shows(page, '#instance', /orders-2 UP .*zone eu-1c · version 2\.0\.0-rc\.1 · registered .* ago · last renewal .* ago/);
    await shows(page, '#instance', /metadata version 2\.0\.0-rc\.1 zone eu-1c/);
    await shows(page, '#instance', /dataCenterInfo .*name MyOwn/);
    await shows(page, '#instance', /vipAddress orders/);
    await shows(page, '#history', /registered UP/);
  });
  await picture(page, 'instance');
  await check('taking an instance out of service asks first, and can be stopped', async () => {
    await page.click('#take-out');
    await shows(page, '#confirm', /OUT_OF_SERVICE on all replicas until the override is removed\..*It stays registered/);
    assert.equal(await focused(page), 'Cancel');
    await picture(page, 'asking');
    await page.click('#confirm button[value=cancel]');
    await page.click('#take-out');
    await page.keyboard.press('Escape');
    assert.equal(await page.locator('#confirm').isVisible(), false);
    assert.equal((await registry.instance('ORDERS', 'orders-2')).status, 'UP');
  });
  await check('an instance is taken out of service', async () => {
    await page.click('#take-out');
    await page.click('#confirm-do');
    await shows(page, '#instance .title', /orders-2 OUT_OF_SERVICE/);
    await shows(page, '#history', /UP → OUT_OF_SERVICE/);
    assert.equal((await registry.instance('ORDERS', 'orders-2')).status, 'OUT_OF_SERVICE');
  });
  await check('a heartbeat does not remove the override, an operator does', async () => {
    assert.equal((await registry.call('PUT', 'eureka/apps/ORDERS/orders-2?status=UP')).status, 200);
    await shows(page, '#instance .title', /OUT_OF_SERVICE/);
    await page.click('#remove-override');
    await shows(page, '#confirm', 'will be removed on all replicas');
    await page.click('#confirm-do');
    await shows(page, '#instance .title', /orders-2 UP/);
    await shows(page, '#history', /override removed/);
    assert.equal((await registry.instance('ORDERS', 'orders-2')).status, 'UP');
    assert.equal(await page.locator('#take-out').count(), 1);
  });
  await check('the dialog says why a call was refused', async () => {
    await page.click('#take-out');
    await registry.call('DELETE', 'eureka/apps/ORDERS/orders-2');
    await page.click('#confirm-do');
    await shows(page, '#confirm-error', 'Nothing was changed:');
    await page.keyboard.press('Escape');
  });
  await check('the page of a cancelled instance says that it is gone, and keeps its history', async () => {
    await shows(page, '#instance', 'This instance is no longer registered.');
    await shows(page, '#history', /^\S+ was cancelled/);
    assert.equal(await page.locator('#take-out').count(), 0);
  });
  await check('Escape leads back to its application', async () => {
    await page.keyboard.press('Escape');
    await rowsAre(page, 11);
    assert.equal(search(page), '?application=ORDERS');
  });
  await close(page, 'with an instance', /status of 404/);
}

async function hostile(registry) {
  const page = await open(registry);
  await check('everything that an instance sends is shown as text', async () => {
    await row(page, 'hostile:1').locator('.instance a').click();
    await shows(page, '#instance', /<script>window\.hacked = 1<\/script>/);
    await shows(page, '#instance', /<img src=x onerror="window\.hacked = 1">/);
    assert.equal(await page.evaluate(() => window.hacked), undefined);
    assert.equal(await page.locator('#content :is(img, svg, script)').count(), 0);
  });
  await check('only web addresses are links', async () => {
    const links = await page.locator('#instance a[target]').evaluateAll((all) => all.map((link) => link.getAttribute('href')));
    assert.ok(links.includes('https://docs.example.org/'), String(links));
    assert.equal(await page.locator('[href^="javascript" i]').count(), 0);
    await visit(page, registry);
    await rowsAre(page, 18);
    assert.equal(await page.locator('[href^="javascript" i]').count(), 0);
  });
  await close(page, 'with a hostile instance');
}

async function keyboard(registry) {
  const page = await open(registry);
  await rowsAre(page, 18);
  await check('the first tab skips to the list', async () => {
    await page.keyboard.press('Tab');
    assert.equal(await focused(page), 'Skip to the instances');
    await page.keyboard.press('Enter');
    await page.keyboard.press('Tab');
    assert.equal(await focused(page), 'Instances');
  });
  await check('"/" goes to the search, Escape clears and leaves it', async () => {
    await page.keyboard.press('/');
    await page.keyboard.type('invoices');
    await rowsAre(page, 1);
    await page.keyboard.press('Escape');
    await rowsAre(page, 18);
    assert.equal(await page.evaluate(() => document.activeElement.tagName), 'BODY');
  });
  await check('the Tab key reaches an instance, and the focus is visible at each step', async () => {
    await page.keyboard.press('/');
    const seen = [];
    while (!(await page.evaluate(() => document.activeElement.closest('#rows .instance')))) {
      await page.keyboard.press('Tab');
      seen.push(await focused(page));
      assert.ok(seen.length < 40, `no instance among ${seen}`);
      assert.notEqual(await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle), 'none', `no outline at ${seen.at(-1)}`);
    }
    for (const stop of ['Search', 'choose-status', 'choose-zone', 'overdue', 'sort-status']) assert.ok(seen.includes(stop), `${stop} is not among ${seen}`);
    return `${seen.length} stops`;
  });
  await check('Enter opens the instance, its name has the focus, and the button can be reached and pressed', async () => {
    await page.keyboard.press('Enter');
    await until('the title', async () => (await focused(page)) === 'instance-title');
    for (let tabs = 0; (await focused(page)) !== 'take-out'; tabs += 1) {
      assert.ok(tabs < 10, 'the button cannot be reached');
      await page.keyboard.press('Tab');
    }
    await page.keyboard.press('Enter');
    assert.equal(await focused(page), 'Cancel');
    await page.keyboard.press('Enter');
    assert.equal(await page.locator('#confirm').isVisible(), false);
    assert.equal(await focused(page), 'take-out');
  });
  await check('the focus stays where it is while changes come in', async () => {
    await visit(page, registry);
    await rowsAre(page, 18);
    await row(page, 'orders-5').locator('.instance a').focus();
    await registry.register(instance('ORDERS', 'orders-0'));
    await rowsAre(page, 19);
    assert.equal(await focused(page), 'orders-5');
    await registry.call('DELETE', 'eureka/apps/ORDERS/orders-0');
  });
  await check('screen readers read what changes by itself', async () => {
    for (const selector of ['#announced[role=status]', '#connection[role=status]', '#found[role=status]', '#trouble[role=alert]']) assert.equal(await page.locator(selector).count(), 1, selector);
  });
  await close(page, 'by keyboard');
}

async function withoutScript(registry) {
  const page = await open(registry, '', { javaScriptEnabled: false, live: false });
  await check('without JavaScript: health, metrics, instances, changes, and the time of the page', async () => {
    await shows(page, '#verdict', /^Needs attention .*INVOICES/);
    await shows(page, '#metrics', /Instances UP \d+ of 18 .*Applications 4/);
    assert.equal(await rows(page), 18);
    await shows(page, '#rows', /DOWN PAYMENTS payments-2/);
    await shows(page, '#feed', /ORDERS orders-7/);
    await shows(page, '#connection', /as of \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC/);
  });
  await picture(page, 'without-javascript');
  await check('without JavaScript: the search is a form', async () => {
    await page.fill('#filter input[type=search]', 'payments');
    await page.click('#filter button');
    assert.equal(await rows(page), 5);
    assert.equal(await page.inputValue('#filter input[type=search]'), 'payments');
  });
  await close(page, 'without JavaScript');
}

async function looks(registry) {
  for (const colorScheme of ['light', 'dark']) {
    const page = await open(registry, '', { colorScheme });
    await rowsAre(page, 18);
    await check(`${colorScheme}: every text has enough contrast`, async () => {
      const lowest = [];
      for (const selector of ['#server', '#verdict strong', '#metrics dt', '#metrics .bad', '#rows .id a', '.status[data-status=UP]', '.status[data-status=DOWN]', '.status[data-status=OUT_OF_SERVICE]', '.status[data-status=STARTING]', '.status[data-status=UNKNOWN]', '#heads th', '#feed time']) {
        const { ratio, dark } = await contrast(page, selector);
        assert.ok(ratio >= 4.5, `${selector} at ${ratio.toFixed(1)}`);
        assert.equal(dark, colorScheme === 'dark', selector);
        lowest.push(ratio);
      }
      return `lowest contrast ${Math.min(...lowest).toFixed(1)}`;
    });
    if (colorScheme === 'dark') await picture(page, 'dark');
    await close(page, colorScheme);
  }
  const phone = { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true, deviceScaleFactor: 2 };
  const page = await open(registry, '', phone);
  await check('360 px wide: no page needs to be scrolled sideways', async () => {
    for (const address of ['', '?view=applications', '?application=PAYMENTS&instance=payments-2', '?application=HOSTILE&instance=hostile:1%2F2%3F3%234%255']) {
      await visit(page, registry, address);
      assert.ok(await page.evaluate(() => document.documentElement.scrollWidth) <= 360, address);
    }
    await visit(page, registry, '?application=PAYMENTS&instance=payments-1');
    await page.tap('#take-out');
    const box = await page.locator('#confirm').boundingBox();
    assert.ok(box.x >= 0 && box.x + box.width <= 360, JSON.stringify(box));
    await picture(page, 'phone-asking');
    await page.tap('#confirm button[value=cancel]');
    await visit(page, registry);
    await rowsAre(page, 18);
  });
  await picture(page, 'phone');
  await picture(page, 'phone-whole', { fullPage: true });
  await close(page, 'on a phone');
}

async function full() {
  const registry = await Registry.start();
  const begun = performance.now();
  const all = Array.from({ length: 10_000 }, (_, number) =>
    instance(`SERVICE-${String(number % 1000).padStart(4, '0')}`, `host-${number}.example.org:service:8080`, { metadata: { zone: `zone-${number % 7}`, version: `1.${number % 40}.0` } }));
  for (let at = 0; at < all.length; at += 500) await Promise.all(all.slice(at, at + 500).map((one) => registry.register(one)));
  const took = performance.now() - begun;
  const page = await open(registry);
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
      times.push(await page.evaluate(async (words) => {
        const input = document.querySelector('#filter input[type=search]');
        const changed = new Promise((resolve) => new MutationObserver(resolve).observe(document.querySelector('#rows'), { childList: true }));
        const typed = performance.now();
        input.value = words;
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
    assert.equal(search(page), '?offset=100');
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
  await check('10,000 instances: the list of applications works, too', async () => {
    await page.click('#views >> text=Applications');
    await page.fill('#filter input[type=search]', '');
    await shows(page, '#found', '1,000 applications');
    assert.equal(await rows(page), 100);
    await shows(page, '#pager', 'page 1 of 10');
  });
  await close(page, 'full');
  await registry.stop();
}

async function peers() {
  const urls = ports.map((port) => `http://127.0.0.1:${port}/eureka/`).join(',');
  const settings = { 'eureka.client.service-url.defaultZone': urls, 'eureka.client.register-with-eureka': false, 'registry.sync.timeout': 0, 'eureka.server.wait-time-in-ms-when-sync-empty': 0 };
  const [one, two] = await Promise.all(ports.map((port) => Registry.start(settings, port)));
  await one.register(instance('ORDERS', 'orders-1'));
  const page = await open(one);
  const peer = `127.0.0.1:${ports[1]}`;
  await check('a peer that is up and has the same content', () => shows(page, '#peers', new RegExp(`${peer} up the same 0 –`)));
  await two.stop('SIGKILL');
  await check('an unreachable peer: its queue, its lag, and why', async () => {
    for (let number = 2; number < 5; number += 1) await one.register(instance('ORDERS', `orders-${number}`));
    await shows(page, '#peers', new RegExp(`${peer} unreachable .*[1-9]\\d* \\d+ s .*(refused|connect)`, 'i'));
    await shows(page, '#verdict', new RegExp(`Needs attention .*${peer}`));
    assert.match(await page.title(), /^! /);
    await shows(page, '#announced', 'Needs attention: ');
    await rowsAre(page, 4);
  });
  await picture(page, 'peer-down');
  const again = await Registry.start(settings, ports[1]);
  await check('the peer is up again', () => shows(page, '#peers', new RegExp(`${peer} up the same 0 –`)));
  await close(page, 'with peers');
  await Promise.all([one.stop(), again.stop()]);
}

async function selfPreservation() {
  const registry = await Registry.start({
    'eureka.server.wait-time-in-ms-when-sync-empty': 0, 'eureka.server.eviction-interval-timer-in-ms': 300, 'registry.self-preservation.mode': 'java',
  });
  for (let number = 1; number <= 5; number += 1) await registry.register(instance('ORDERS', `orders-${number}`, { duration: 1 }));
  const page = await open(registry);
  await check('self-preservation: the reason with its numbers, and the leases that it keeps', async () => {
    await shows(page, '#verdict', /Needs attention .*[Ss]elf-preservation.*\d+ .*\d+/);
    await shows(page, '#metrics', /Renewals in the last minute 0 more than [1-9]\d* needed .*Overdue leases 5 5 expired and kept/);
  });
  await check('self-preservation: every expired instance is marked', async () => {
    await until('5 marks', async () => (await page.locator('#rows .mark', { hasText: 'expired' }).count()) === 5);
    await page.check('#overdue');
    await shows(page, '#found', '5 instances found');
    assert.equal(search(page), '?overdue=true');
  });
  await picture(page, 'self-preservation');
  await close(page, 'with self-preservation');
  await registry.stop();
}

/** A registry that keeps the leases of twelve applications, which all fell silent. */
async function keepingRegistry() {
  const registry = await Registry.start({
    'eureka.server.eviction-interval-timer-in-ms': 300,
    'spring.security.user.name': 'operator', 'spring.security.user.password': 'secret',
    'registry.security.users[0].name': 'reader', 'registry.security.users[0].password': 'secret', 'registry.security.users[0].roles': 'READ_ONLY',
  });
  const leaseInfo = { renewalIntervalInSecs: 1, durationInSecs: 4 };
  for (let number = 1; number <= 12; number += 1) await registry.register(instance(`SERVICE-${number}`, `service-${number}`, { leaseInfo }), OPERATOR);
  return registry;
}

const OPERATOR = { authorization: `Basic ${Buffer.from('operator:secret').toString('base64')}` };
const credentials = (username) => ({ httpCredentials: { username, password: 'secret' } });

async function switching() {
  const registry = await keepingRegistry();
  const decision = async () => JSON.parse((await registry.call('GET', 'api/v1/self-preservation', undefined, OPERATOR)).text).switch;
  const page = await open(registry, '', credentials('operator'));
  const reader = await open(registry, '', credentials('reader'));
  const line = '#self-preservation';
  await check('the switch: the page says that self-preservation is active, since when and until when', async () => {
    await shows(page, line, /Self-preservation is active since \d\d:\d\d:\d\d, until .*\d\d:\d\d:\d\d at the latest\. Switch on… Switch off…$/);
    await shows(page, '#verdict', '12 of 12 instances are silent');
  });
  await check('the switch: a decision without a reason is refused, by the page and by the registry', async () => {
    await page.click('#switch-off');
    await shows(page, '#confirm', /Switch self-preservation off for a while\? .*however many instances are silent/);
    assert.equal(await focused(page), 'reason');
    await page.click('#confirm-do');
    assert.equal(await page.locator('#reason:invalid').count(), 1);
    assert.equal(await page.locator('#confirm').isVisible(), true);
    await page.fill('#reason', '   ');
    await page.click('#confirm-do');
    await shows(page, '#confirm-error', 'Nothing was changed: reason is missing');
    await page.fill('#minutes', '1441');
    await page.click('#confirm-do');
    assert.equal(await page.locator('#minutes:invalid').count(), 1);
    await picture(page, 'switch-asking');
    await page.keyboard.press('Escape');
    assert.equal(await page.locator('#confirm').isVisible(), false);
    assert.equal(await focused(page), 'switch-off');
    assert.equal(await decision(), null);
  });
  await check('the switch, by keyboard: off, for some minutes, with a reason; who, why and until when is shown to everybody', async () => {
    await page.keyboard.press('Enter');
    await page.keyboard.type('zone b is <b>gone</b>');
    await page.keyboard.press('Tab');
    await page.keyboard.type('10');
    await page.keyboard.press('Enter');
    for (const one of [page, reader]) {
      await shows(one, line, /is switched off since \d\d:\d\d:\d\d, until .*\d\d:\d\d:\d\d\./);
      await shows(one, '#verdict', /operator from 127\.0\.0\.1 switched self-preservation \d+ s ago: expired leases are evicted for (10 min|9 min \d+ s) more\. The reason: zone b is <b>gone<\/b>/);
    }
    const { evict, user, since, until: end } = await decision();
    assert.deepEqual([evict, user, end - since], [true, 'operator', 600_000]);
    assert.equal(await focused(page), 'switch-off');
  });
  await check('the switch: expired leases are evicted while it is off', () => shows(page, '#metrics', /Instances UP 0 /));
  await check('the switch: a decision replaces the one before it', async () => {
    await page.click('#switch-on');
    await shows(page, '#confirm', 'This replaces the decision of operator from 127.0.0.1.');
    await page.fill('#reason', 'maintenance');
    await page.click('#confirm-do');
    await shows(page, line, 'is switched on since');
    await shows(page, '#verdict', /expired leases are kept for .* The reason: maintenance/);
    await picture(page, 'switched');
  });
  await check('the switch: a read-only user has no button, and sees why', async () => {
    await shows(reader, line, /is switched on since .* Your user is read-only\.$/);
    assert.equal(await reader.locator(`${line} button`).count(), 0);
  });
  await check('the switch: taking the decision back asks first, and the registry decides again', async () => {
    await page.click('#switch-back');
    await shows(page, '#confirm', /operator from 127\.0\.0\.1 switched self-preservation on\. The reason: maintenance\./);
    assert.equal(await focused(page), 'Cancel');
    await page.keyboard.press('Enter');
    assert.notEqual(await decision(), null);
    await page.click('#switch-back');
    await page.click('#confirm-do');
    for (const one of [page, reader]) await shows(one, line, 'Self-preservation is not active.');
    assert.equal(await decision(), null);
    assert.equal(await page.locator('#switch-back').count(), 0);
    assert.equal(await focused(page), 'switch-on');
  });
  await check('the switch: a decision ends by itself', async () => {
    assert.equal((await registry.call('PUT', 'api/v1/self-preservation?evict=false&seconds=8&reason=drill', undefined, OPERATOR)).status, 200);
    await shows(page, line, 'is switched on since');
    await shows(page, line, 'Self-preservation is not active.');
    assert.equal(await decision(), null);
  });
  await check('the switch: the dialog says why a call was refused', async () => {
    await page.click('#switch-on');
    await page.fill('#reason', 'a try');
    // As if the user had lost the right to change things since the page was opened.
    await page.route('**/api/v1/self-preservation?*', (route) => route.continue({ headers: { ...route.request().headers(), authorization: `Basic ${Buffer.from('reader:secret').toString('base64')}` } }));
    await page.click('#confirm-do');
    await shows(page, '#confirm-error', /^Nothing was changed: \S/);
    assert.equal(await decision(), null);
    await page.keyboard.press('Escape');
  });
  await close(reader, 'as a reader of the switch');
  await close(page, 'with the switch', /status of 40[03]/);
  await registry.stop();
}

async function users() {
  const registry = await Registry.start({
    'spring.security.user.name': 'operator', 'spring.security.user.password': 'secret',
    'registry.security.users[0].name': 'reader', 'registry.security.users[0].password': 'secret', 'registry.security.users[0].roles': 'READ_ONLY',
  });
  await registry.register(instance('ORDERS', 'orders-1'), OPERATOR);
  const address = '?application=ORDERS&instance=orders-1';
  await check('users: without a password, nothing is shown', async () => assert.equal((await registry.call('GET', '')).status, 401));
  const reader = await open(registry, address, credentials('reader'));
  await check('users: a read-only user has no button, and sees why', async () => {
    await shows(reader, '#instance', 'Your user is read-only.');
    assert.equal(await reader.locator('#take-out').count(), 0);
    await shows(reader, '#user', 'reader, read-only');
    assert.equal(await reader.locator('#open').isVisible(), false);
  });
  await picture(reader, 'read-only');
  const operator = await open(registry, address, credentials('operator'));
  await check('users: an operator has the button, and the other page follows', async () => {
    await operator.click('#take-out');
    await operator.click('#confirm-do');
    await shows(operator, '#instance .title', /OUT_OF_SERVICE/);
    await shows(reader, '#instance .title', /OUT_OF_SERVICE/);
    assert.equal((await registry.instance('ORDERS', 'orders-1', OPERATOR)).status, 'OUT_OF_SERVICE');
  });
  await close(reader, 'as a reader');
  await close(operator, 'as an operator');
  await registry.stop();
}

async function restart() {
  const [port] = ports;
  let registry = await Registry.start({}, port);
  await registry.register(instance('ORDERS', 'orders-1'));
  const page = await open(registry);
  await rowsAre(page, 1);
  await registry.stop('SIGKILL');
  await check('a stopped registry: the page stays, and says how old it is', async () => {
    await shows(page, '#connection', /connection lost, shown as of \d\d:\d\d:\d\d/);
    assert.equal(await rows(page), 1);
  });
  await picture(page, 'connection-lost');
  registry = await Registry.start({}, port);
  await registry.register(instance('PAYMENTS', 'payments-1'));
  await check('the registry is back, and the page follows it again by itself', async () => {
    await shows(page, '#connection', /^live$/);
    await shows(page, '#rows', 'payments-1');
    assert.equal(await rows(page), 1);
    await registry.register(instance('PAYMENTS', 'payments-2'));
    await rowsAre(page, 2);
    await shows(page, '#feed li:first-child', 'payments-2');
  });
  await close(page, 'over a restart', /ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED_ENCODING|ERR_CONNECTION_RESET|ERR_EMPTY_RESPONSE/);
  await registry.stop();
}

try {
  await empty();
  const registry = await busyRegistry();
  for (const part of [busy, oneInstance, hostile, keyboard, withoutScript, looks]) await part(registry);
  await registry.stop();
  for (const part of [full, peers, selfPreservation, switching, users, restart]) await part();
} catch (error) {
  failed += 1;
  console.log(`  FAIL ${error.stack}`);
} finally {
  await browser.close();
  stopAll();
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed ? 1 : 0;
