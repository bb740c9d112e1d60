// The list of applications: the worst first, opened in place, by mouse and by keyboard, with and without JavaScript.

import assert from 'node:assert/strict';

import { check, close, focused, follows, leads, open, picture, row, rows, rowsAre, search, shows, visit, words } from '../harness.mjs';
import { instance, Registry, until } from '../registry.mjs';

const NAMES = ['ACCOUNTS', 'AUDIT', 'CART', 'CATALOG', 'FRAUD', 'GATEWAY', 'LOYALTY', 'MEDIA', 'ORDERS', 'PRICING', 'REPORTS', 'SEARCH', 'SHIPPING', 'TAX'];
/** The rows in their order, and what each says. */
const WORST = [
  /^SHIPPING 0 of 2 no instance is UP: 2 DOWN/,
  /^MEDIA 1 of 2 1 STARTING/,
  /^TAX 2 of 2 1 overdue, silent for up to \d+ s/,
  /^AUDIT 2 of 2 audit-1 left or entered UP 7 times in 10 min/,
  /^ACCOUNTS 2 of 2 eu-1a, eu-1b/,
];

/** One of each kind of problem, among applications without any. */
async function troubled() {
  // One lease expires at once, and no instance is evicted for that.
  const registry = await Registry.start({ 'eureka.server.eviction-interval-timer-in-ms': 3_600_000 });
  for (const name of NAMES) {
    for (const [number, zone] of ['eu-1a', 'eu-1b'].entries()) {
      const status = name === 'SHIPPING' ? 'DOWN' : name === 'MEDIA' && number ? 'STARTING' : 'UP';
      const leaseInfo = { renewalIntervalInSecs: 30, durationInSecs: name === 'TAX' && number ? 1 : 3600 };
      await registry.register(instance(name, `${name.toLowerCase()}-${number + 1}`, { status, leaseInfo, metadata: { zone, version: '1.0' } }));
    }
  }
  for (let time = 0; time < 3; time += 1) {
    for (const status of ['DOWN', 'UP']) await registry.register(instance('AUDIT', 'audit-1', { status, metadata: { zone: 'eu-1a', version: '1.0' } }));
  }
  return registry;
}

const names = (page) => page.locator('#rows tr').evaluateAll((all) => all.map(({ dataset }) => dataset.instance ?? dataset.application));

/** A phone shows the worst applications on its first screen, below a verdict of four sentences. */
async function onPhone(registry) {
  const page = await open(registry, '', { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true });
  await check('on a phone, the metrics are one strip, and the list begins on the first screen', async () => {
    await shows(page, '#rows', 'SHIPPING');
    const [strip, top] = await page.evaluate(() => [document.querySelector('#metrics').getBoundingClientRect().height, document.querySelector('#rows tr').getBoundingClientRect().top]);
    await picture(page, 'phone-applications');
    assert.ok(strip <= 64, `the strip is ${strip} px high`);
    assert.ok(top <= 700, `the first row begins at ${top} px`);
    return `the first row begins at ${Math.round(top)} px`;
  });
  await close(page, 'on a phone, with applications');
}

/** Worst first, at the first look. */
export async function applications() {
  const registry = await troubled();
  const page = await open(registry, '', { viewport: { width: 1366, height: 768 } });
  await check('applications: the worst is the first, and each row says in words what is wrong', async () => {
    await shows(page, '#rows tr:nth-child(3)', WORST[2]);
    const said = await Promise.all(WORST.map((_, at) => words(page.locator('#rows tr').nth(at))));
    for (const [at, wanted] of WORST.entries()) assert.match(said[at], wanted);
    const rest = (await names(page)).slice(4);
    assert.deepEqual(rest, rest.toSorted());
    assert.equal(rest.length, NAMES.length - 4);
  });
  await check('1366 x 768: at least ten rows are visible without scrolling', async () => {
    const visible = await page.locator('#rows tr').evaluateAll((all) => all.filter((one) => one.getBoundingClientRect().bottom <= innerHeight).length);
    assert.ok(visible >= 10, `${visible} rows`);
    return `${visible} rows`;
  });
  await picture(page, 'worst-first');
  await onPhone(registry);
  await check('applications: one click shows the instances in place, the worst first, and another one hides them', async () => {
    await page.click('#rows >> text=MEDIA');
    await rowsAre(page, NAMES.length + 2);
    assert.deepEqual((await names(page)).slice(0, 4), ['SHIPPING', 'MEDIA', 'media-2', 'media-1']);
    assert.match(await words(row(page, 'media-2')), /^media-2 STARTING media-2\.example\.org:8080 renewed \d+ s ago home status eu-1b 1\.0$/);
    assert.equal(search(page), '?open=MEDIA');
    await page.reload();
    await follows(page);
    await rowsAre(page, NAMES.length + 2);
    await page.click('#rows >> text=MEDIA');
    await rowsAre(page, NAMES.length);
    assert.equal(search(page), '');
  });
  await check('applications: an open application follows its instances', async () => {
    await page.click('#rows >> text=GATEWAY');
    await shows(page, '#rows', /gateway-2 UP/);
    await registry.register(instance('GATEWAY', 'gateway-2', { status: 'DOWN', metadata: { zone: 'eu-1b', version: '1.0' } }));
    await until('DOWN', async () => (await words(row(page, 'gateway-2'))).startsWith('gateway-2 DOWN'));
    assert.deepEqual((await names(page)).slice(0, 5), ['SHIPPING', 'GATEWAY', 'gateway-2', 'gateway-1', 'MEDIA']);
  });
  await check('applications: a problem is a filter, which a second click removes', async () => {
    await page.click('#troubles >> text=2 partly UP');
    await rowsAre(page, 4);
    await shows(page, '#found', '2 applications found');
    await page.click('#troubles >> text=2 partly UP');
    await rowsAre(page, NAMES.length + 2);
  });
  await check('applications: a search finds those with a matching instance', async () => {
    await page.fill('#filter input[type=search]', 'tax-2');
    await rowsAre(page, 1);
    await page.click('#clear');
    await rowsAre(page, NAMES.length);
  });
  await byKeyboard(page, registry);
  await close(page, 'with applications');
  const plain = await open(registry, '', { javaScriptEnabled: false, live: false });
  await check('applications, without JavaScript: the same order, and a click opens one', async () => {
    for (const [at, wanted] of WORST.entries()) {
      if (at !== 1) continue;
      assert.match(await words(plain.locator('#rows tr').nth(0)), WORST[0]);
      assert.match(await words(plain.locator('#rows tr', { hasText: 'MEDIA' })), wanted);
    }
    await leads(plain, () => plain.click('#rows >> text=MEDIA'));
    assert.equal(await rows(plain), NAMES.length + 2);
    assert.match(await words(row(plain, 'media-2')), /^media-2 STARTING/);
    await leads(plain, () => plain.click('#troubles >> text=flapping'));
    assert.equal(await rows(plain), 1);
  });
  await close(plain, 'with applications and without JavaScript');
  await registry.stop();
}

async function byKeyboard(page, registry) {
  await check('applications, by keyboard: arrows move, open and close; Enter opens an instance; "x" selects', async () => {
    await visit(page, registry);
    await rowsAre(page, NAMES.length);
    await row(page, 'SHIPPING').locator('a').focus();
    await page.keyboard.press('ArrowRight');
    await rowsAre(page, NAMES.length + 2);
    assert.equal(await focused(page), 'SHIPPING');
    await page.keyboard.press('ArrowDown');
    assert.equal(await focused(page), 'shipping-1');
    await page.keyboard.press('x');
    assert.equal(await row(page, 'shipping-1').locator('input').isChecked(), true);
    await page.keyboard.press('ArrowLeft');
    assert.equal(await focused(page), 'SHIPPING');
    await page.keyboard.press('ArrowLeft');
    await rowsAre(page, NAMES.length);
    await page.keyboard.press('Enter');
    await rowsAre(page, NAMES.length + 2);
    assert.equal(await focused(page), 'SHIPPING');
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Enter');
    await until('the title', async () => (await focused(page)) === 'instance-title');
  });
}
