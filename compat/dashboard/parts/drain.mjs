// A drain from the page of an instance, with a client that fetches late, and one that does not fetch.

import assert from 'node:assert/strict';

import { check, close, focused, noting, open, picture, shows, visit } from '../harness.mjs';
import { instance, Registry, until } from '../registry.mjs';
import { cut, findings } from './axe.mjs';

const PHONE = { viewport: { width: 412, height: 823 }, isMobile: true, hasTouch: true };
const ADDRESS = '?application=ORDERS&instance=orders-1';
/** Who has fetched is waited for during two of these, and a registry that has just started waits for one and a tenth. In seconds. */
const INTERVAL = 10;

/** Fetches as a Java client does. One instance is registered at its address, so that one fetch proves that it knows. */
const clientFetches = async (registry) => {
  const { status } = await registry.call('GET', 'eureka/apps', undefined, { 'user-agent': 'Java-EurekaClient/v2.0.4' });
  assert.equal(status, 200);
};

const drains = async (registry, outcome) => {
  const { text } = await registry.call('GET', 'actuator/prometheus', undefined, { accept: 'text/plain' });
  return Number(text.match(new RegExp(`^eureka_drains_total\\{outcome="${outcome}"\\} ([0-9.]+)`, 'm'))?.[1] ?? 0);
};

/** Opens the dialog and fills it. */
async function ask(page, reason, { timeout = 60, settle = 0 } = {}) {
  await page.click('#drain');
  await page.fill('#reason', reason);
  for (const [name, value] of Object.entries({ timeout, settle, interval: INTERVAL })) await page.fill(`#drain-${name}`, String(value));
}

const begin = async (page, ...how) => {
  await ask(page, ...how);
  await page.click('#confirm-do');
};

export async function draining() {
  const registry = await Registry.start();
  await registry.register(instance('ORDERS', 'orders-1'));
  await registry.register(instance('SHOP', 'shop-1', { ipAddr: '127.0.0.1' }));
  const page = await open(registry, ADDRESS);
  const status = async () => (await registry.instance('ORDERS', 'orders-1')).status;
  const lineIs = (wanted) => shows(page, '#drain-line', wanted);
  const announced = (wanted) => shows(page, '#drain-announced', wanted);
  await check('a drain asks first, needs a reason, and can be cancelled', async () => {
    await page.focus('#drain');
    await page.keyboard.press('Enter');
    await shows(page, '#confirm', /^Drain orders-1\? ORDERS orders-1 will be OUT_OF_SERVICE on all replicas .* 1 application will have no instance that is UP: ORDERS\./);
    assert.equal(await focused(page), 'reason');
    assert.deepEqual(await findings(page), [], 'the dialog');
    await page.click('#confirm-do');
    assert.equal(await page.locator('#confirm').isVisible(), true, 'a reason is required');
    await page.keyboard.press('Escape');
    assert.equal(await focused(page), 'drain');
    assert.equal(await status(), 'UP');
  });
  await check('the drain as curl follows the fields', async () => {
    await ask(page, "it's old", { settle: 1 });
    await page.click('#confirm-as-curl summary');
    const wanted = `curl -X POST '${registry.url}api/v1/applications/ORDERS/instances/orders-1/drain?timeout=60s&settle=1s&interval=10s&reason=it%27s+old'`;
    await shows(page, '#confirm-curl', wanted);
    await page.fill('#reason', 'old');
    await shows(page, '#confirm-curl', wanted.replace('it%27s+old', 'old'));
  });
  await check('while a client has not fetched, the page says that it waits for it', async () => {
    await clientFetches(registry);
    await page.click('#confirm-do');
    await lineIs(/^Waiting: 1 client still has to fetch that orders-1 is out of service \(\d+ s of 60 s\)\.$/);
    assert.equal(await status(), 'OUT_OF_SERVICE');
    await shows(page, '#instance .title', /orders-1 OUT_OF_SERVICE/);
    await shows(page, '#history', /UP → OUT_OF_SERVICE .*old/);
    await announced(/^Waiting: 1 client still has to fetch that orders-1 is out of service \(\d+ s of 60 s\)\.$/);
    assert.equal(await focused(page), 'drain');
    assert.deepEqual(await findings(page), [], 'while it waits');
    await picture(page, 'draining');
  });
  await check('it waits on while the user looks at other pages', async () => {
    await page.click('#back');
    await page.waitForSelector('body[data-view=instances]');
    await page.goBack();
    await lineIs(/^Waiting: 1 client still has to fetch/);
    await page.click('#drain');
    await shows(page, '#confirm', /^orders-1 is being drained This page waits for its clients already\./);
    await page.keyboard.press('Escape');
  });
  await check('when the client has fetched, the page says that the instance may be stopped', async () => {
    const lines = await noting(page, '#drain-line');
    await clientFetches(registry);
    const end = /^All clients have fetched that orders-1 is out of service \(1 client, after \d+ s\)\. It may be stopped\.$/;
    await lineIs(end);
    await announced(end);
    // A registry that has just started waits for other clients. One that has not waits only for a second, for what clients cache.
    const before = (await lines()).filter((line) => line.startsWith('All known clients have fetched (1). Waiting for '));
    assert.notEqual(before.length, 0, 'what it waits for then');
    assert.equal(await drains(registry, 'drained'), 1);
    await picture(page, 'drained');
  });
  await check('that is no longer said when the instance is back in service', async () => {
    await page.click('#remove-override');
    await page.fill('#reason', 'not that one');
    await page.click('#confirm-do');
    await shows(page, '#instance .title', /orders-1 UP/);
    await until('no word about the drain', async () => !(await page.locator('#drain-line').count()));
  });
  await check('when the time is over, the page lists who has not fetched', async () => {
    await clientFetches(registry);
    await begin(page, 'in a hurry', { timeout: 1 });
    await lineIs(/^Not all clients have fetched within 1 s that orders-1 is out of service\. It may still be called\.$/);
    await shows(page, '#drain-left li', /^127\.0\.0\.1 SHOP Java-EurekaClient\/v2\.0\.4 fetched \d+ s ago$/);
    await page.setViewportSize({ width: 320, height: 700 });
    assert.deepEqual(await cut(page), []);
    await page.setViewportSize({ width: 1280, height: 900 });
  });
  await check('an instance that is out of service already is drained again, and the user can stop waiting', async () => {
    await clientFetches(registry);
    await ask(page, 'once more');
    await shows(page, '#confirm', /ORDERS orders-1 is out of service already\./);
    await page.click('#confirm-do');
    await lineIs(/^Waiting: 1 client still has to fetch/);
    await page.focus('#drain-stop');
    await page.keyboard.press('Enter');
    await lineIs(/^You stopped waiting: not all clients may have fetched that orders-1 is out of service\. It stays so/);
    assert.equal(await focused(page), 'drain');
    await until('its end', async () => (await drains(registry, 'abandoned')) === 1);
  });
  await check('the page says if somebody puts the instance back meanwhile', async () => {
    await clientFetches(registry);
    await begin(page, 'third time');
    await lineIs(/^Waiting: 1 client still has to fetch/);
    await registry.call('DELETE', 'eureka/apps/ORDERS/orders-1/status?value=UP');
    await lineIs(/^orders-1 is UP again: somebody has put it back in service\.$/);
  });
  await close(page, 'with drains');
  const phone = await open(registry, ADDRESS, PHONE);
  await check('a drain works on a phone, and a page that is closed leaves the instance out of service', async () => {
    await clientFetches(registry);
    await begin(phone, 'on the way');
    await shows(phone, '#drain-line', /^Waiting: 1 client still has to fetch/);
    assert.deepEqual(await findings(phone), []);
    assert.deepEqual(await cut(phone), []);
    await picture(phone, 'draining-phone');
    await visit(phone, registry);
    await until('its end', async () => (await drains(registry, 'abandoned')) === 2);
    assert.equal(await status(), 'OUT_OF_SERVICE');
  });
  await close(phone, 'with a drain on a phone');
  await check('the page says if the registry goes away', async () => {
    const last = await open(registry, ADDRESS);
    await clientFetches(registry);
    await begin(last, 'the last one');
    await shows(last, '#drain-line', /^Waiting: 1 client still has to fetch/);
    await registry.stop('SIGKILL');
    await shows(last, '#drain-line', /^The connection to the registry was lost: not all clients may have fetched/);
    await last.context().close();
  });
}
