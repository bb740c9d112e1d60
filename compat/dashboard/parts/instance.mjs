// The page of an instance, and instances that send markup.

import assert from 'node:assert/strict';

import { check, close, focused, open, picture, row, rowsAre, search, shows, visit } from '../harness.mjs';

/** What the page of an instance shows, and what can be done there. */
export async function oneInstance(registry) {
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
    assert.equal(await focused(page), 'reason');
    await picture(page, 'asking');
    await page.click('#confirm button[value=cancel]');
    await page.click('#take-out');
    // It opens when the registry has said what it would do. Before that, Escape leads back to the list.
    await page.waitForSelector('#confirm[open]');
    await page.keyboard.press('Escape');
    assert.equal(await page.locator('#confirm').isVisible(), false);
    assert.equal((await registry.instance('ORDERS', 'orders-2')).status, 'UP');
  });
  await check('an instance is taken out of service', async () => {
    await page.click('#take-out');
    await page.fill('#reason', 'its disk is full');
    await page.click('#confirm-do');
    await shows(page, '#instance .title', /orders-2 OUT_OF_SERVICE/);
    await shows(page, '#history', /UP → OUT_OF_SERVICE .*its disk is full/);
    assert.equal((await registry.instance('ORDERS', 'orders-2')).status, 'OUT_OF_SERVICE');
  });
  await check('a heartbeat does not remove the override, an operator does', async () => {
    assert.equal((await registry.call('PUT', 'eureka/apps/ORDERS/orders-2?status=UP')).status, 200);
    await shows(page, '#instance .title', /OUT_OF_SERVICE/);
    await page.click('#remove-override');
    await shows(page, '#confirm', 'will be removed on all replicas');
    await page.fill('#reason', 'it has a new disk');
    await page.click('#confirm-do');
    await shows(page, '#instance .title', /orders-2 UP/);
    await shows(page, '#history', /override removed/);
    assert.equal((await registry.instance('ORDERS', 'orders-2')).status, 'UP');
    assert.equal(await page.locator('#take-out').count(), 1);
  });
  await check('the dialog says why a call was refused', async () => {
    await page.click('#take-out');
    await page.fill('#reason', 'too late');
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

/** An instance that sends markup and scripts. */
export async function hostile(registry) {
  const page = await open(registry, '?view=instances');
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
    await visit(page, registry, '?view=instances');
    await rowsAre(page, 18);
    assert.equal(await page.locator('[href^="javascript" i]').count(), 0);
  });
  await close(page, 'with a hostile instance');
}
