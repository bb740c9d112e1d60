// By keyboard, without JavaScript, in both colour schemes and on a phone.

import assert from 'node:assert/strict';

import { check, close, contrast, focused, leads, open, picture, row, rows, rowsAre, shows, visit } from '../harness.mjs';
import { instance, until } from '../registry.mjs';

/** Everything by keyboard. */
export async function keyboard(registry) {
  const page = await open(registry, '?view=instances');
  await rowsAre(page, 18);
  await check('the first tab skips to the list', async () => {
    await page.keyboard.press('Tab');
    assert.equal(await focused(page), 'Skip to the list');
    await page.keyboard.press('Enter');
    await page.keyboard.press('Tab');
    assert.equal(await focused(page), 'Applications');
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
    await until('the dialog', async () => (await focused(page)) === 'reason');
    await page.keyboard.press('Escape');
    assert.equal(await page.locator('#confirm').isVisible(), false);
    assert.equal(await focused(page), 'take-out');
  });
  await check('the focus stays where it is while changes come in', async () => {
    await visit(page, registry, '?view=instances');
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

/** What the page is without JavaScript. */
export async function withoutScript(registry) {
  const page = await open(registry, '?view=instances', { javaScriptEnabled: false, live: false });
  await check('without JavaScript: health, metrics, instances, changes, and the time of the page', async () => {
    await shows(page, '#verdict', /^Critical .*INVOICES/);
    await shows(page, '#metrics', /Instances UP \d+ of 18 .*Applications 4/);
    assert.equal(await rows(page), 18);
    await shows(page, '#rows', /DOWN PAYMENTS payments-2/);
    await shows(page, '#feed', /ORDERS orders-7/);
    await shows(page, '#connection', /as of \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC/);
  });
  await picture(page, 'without-javascript');
  await check('without JavaScript: the search is a form', async () => {
    await page.fill('#filter input[type=search]', 'payments');
    await leads(page, () => page.click('#filter button'));
    assert.equal(await rows(page), 5);
    assert.equal(await page.inputValue('#filter input[type=search]'), 'payments');
  });
  await close(page, 'without JavaScript');
}

/** Contrast, and a phone. */
export async function looks(registry) {
  for (const colorScheme of ['light', 'dark']) {
    const page = await open(registry, '?view=instances', { colorScheme });
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
  const page = await open(registry, '?view=instances', phone);
  await check('360 px wide: no page needs to be scrolled sideways', async () => {
    for (const address of ['', '?view=instances', '?application=PAYMENTS&instance=payments-2', '?application=HOSTILE&instance=hostile:1%2F2%3F3%234%255']) {
      await visit(page, registry, address);
      assert.ok(await page.evaluate(() => document.documentElement.scrollWidth) <= 360, address);
    }
    await visit(page, registry, '?application=PAYMENTS&instance=payments-1');
    await page.tap('#take-out');
    await page.waitForSelector('#confirm[open]');
    const box = await page.locator('#confirm').boundingBox();
    assert.ok(box.x >= 0 && box.x + box.width <= 360, JSON.stringify(box));
    await picture(page, 'phone-asking');
    await page.tap('#confirm button[value=cancel]');
    await visit(page, registry);
    await rowsAre(page, 4);
  });
  await picture(page, 'phone');
  await picture(page, 'phone-whole', { fullPage: true });
  await close(page, 'on a phone');
}
