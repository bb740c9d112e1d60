// Peers, self-preservation, users, and a registry that restarts.

import assert from 'node:assert/strict';
import http from 'node:http';

import { check, close, credentials, focused, noting, open, OPERATOR, picture, ports, rows, rowsAre, search, shows, words } from '../harness.mjs';
import { instance, Registry, until } from '../registry.mjs';
import { findings } from './axe.mjs';

/** Two replicas, one of which ends. */
export async function peers() {
  const urls = ports.map((port) => `http://127.0.0.1:${port}/eureka/`).join(',');
  const settings = { 'eureka.client.service-url.defaultZone': urls, 'eureka.client.register-with-eureka': false, 'registry.sync.timeout': 0, 'eureka.server.wait-time-in-ms-when-sync-empty': 0 };
  const [one, two] = await Promise.all(ports.map((port) => Registry.start(settings, port)));
  await one.register(instance('ORDERS', 'orders-1'));
  const page = await open(one, '?view=instances');
  const peer = `127.0.0.1:${ports[1]}`;
  await check('a peer that is up and has the same content', () => shows(page, '#peers', new RegExp(`${peer} up the same 0 – the same`)));
  await check('a peer leads to its page', async () => assert.equal(await page.locator('#peers a').getAttribute('href'), two.url));
  await two.stop('SIGKILL');
  await check('an unreachable peer: its queue, its lag, and why', async () => {
    for (let number = 2; number < 5; number += 1) await one.register(instance('ORDERS', `orders-${number}`));
    await shows(page, '#peers', new RegExp(`${peer} unreachable .*[1-9]\\d* \\d+ s .*(refused|connect)`, 'i'));
    await shows(page, '#verdict', new RegExp(`Degraded .*${peer}.* What changes here reaches its clients when it is back`));
    assert.match(await page.title(), /^! /);
    await shows(page, '#announced', 'Degraded. ');
    await rowsAre(page, 4);
  });
  await picture(page, 'peer-down');
  const again = await Registry.start(settings, ports[1]);
  await check('the peer is up again', () => shows(page, '#peers', new RegExp(`${peer} up the same 0 – the same`)));
  await close(page, 'with peers');
  await Promise.all([one.stop(), again.stop()]);
}

/** A replica that starts, and cannot know whether a third one has a registry. */
export async function starting() {
  const busy = http.createServer((request, answer) => answer.writeHead(503, { connection: 'close' }).end());
  await new Promise((resolve) => busy.listen(0, '127.0.0.1', resolve));
  const at = (port) => `http://127.0.0.1:${port}/eureka/`;
  const [third, peer] = [at(busy.address().port), `127.0.0.1:${ports[1]}`];
  const settings = { 'eureka.client.register-with-eureka': false, 'eureka.server.wait-time-in-ms-when-sync-empty': 0 };
  const one = await Registry.start({ ...settings, 'eureka.client.service-url.defaultZone': at(ports[1]), 'registry.sync.timeout': 0 }, ports[0]);
  const page = await open(one);
  await shows(page, '#peers', new RegExp(`${peer} (not reached yet|unreachable) `));
  const two = await Registry.begin({ ...settings, 'eureka.client.service-url.defaultZone': `${at(ports[0])},${third}`, 'eureka.instance.hostname': '127.0.0.1' }, ports[1]);
  await check('a peer that starts: since when, and what it waits for', async () => {
    await shows(page, '#peers', new RegExp(`${peer} starting .*has been starting for \\d+ s; it waits for ${third}: it answered 503`));
    await shows(page, '#verdict', new RegExp(`The peer ${at(ports[1])} has been starting for .*Nothing to do, unless it lasts`));
    assert.deepEqual(await findings(page), []);
  });
  await picture(page, 'peer-starts', { fullPage: true });
  await check('a peer that has started: it is up', async () => {
    busy.close();
    busy.closeAllConnections();
    await shows(page, '#peers', new RegExp(`${peer} up the same 0 `));
  });
  await close(page, 'with a peer that starts');
  await Promise.all([one.stop(), two.stop()]);
}

/** Two replicas that know different things: one has lost its memory, and knows nobody from whom to take it. */
export async function differences() {
  const settings = { 'eureka.client.register-with-eureka': false, 'registry.sync.timeout': 0, 'eureka.server.wait-time-in-ms-when-sync-empty': 0 };
  const url = `http://127.0.0.1:${ports[1]}/eureka/`;
  const one = await Registry.start({ ...settings, 'eureka.client.service-url.defaultZone': url }, ports[0]);
  let two = await Registry.start(settings, ports[1]);
  const page = await open(one, '?view=instances');
  await shows(page, '#peers', ' up the same 0 ');
  await one.register(instance('ORDERS', 'orders-1', { status: 'DOWN', lastDirtyTimestamp: '2000', metadata: { version: '2.0', team: 'shop' } }));
  await one.register(instance('ORDERS', 'orders-2', { lastDirtyTimestamp: '2000' }));
  await until('both to be replicated', async () => (await two.instance('ORDERS', 'orders-1')) && two.instance('ORDERS', 'orders-2'));
  await shows(page, '#peers', ' up the same 0 ');
  await two.stop('SIGKILL');
  two = await Registry.start(settings, ports[1]);
  await two.register(instance('ORDERS', 'orders-1', { lastDirtyTimestamp: '1000', metadata: { version: '1.0', team: 'shop' } }));
  await check('a peer that differs: the words lead to what differs, with both sides', async () => {
    await page.click('#peers >> text=differs in 1');
    assert.doesNotMatch(await page.locator('#verdict').innerText(), /same content/);
    await shows(page, '#differences-summary', /^As of \d\d:\d\d:\d\d: 2 instances of 1 application \(ORDERS\)\.$/);
    assert.equal(await focused(page), 'differences-title');
    const [both, mine] = [page.locator('.difference').nth(0), page.locator('.difference').nth(1)];
    assert.match(await words(both), /^ORDERS orders-1 Both have it\. The record of this replica is later\. The peer takes it when it compares\./);
    assert.match(await words(both), /registered registered registered status differs DOWN UP address .* metadata version differs 2\.0 1\.0$/);
    assert.match(await words(mine), /^ORDERS orders-2 Only this replica has it\. .* registered differs registered unknown status UP unknown/);
  });
  await check('a peer that differs: axe finds nothing', async () => assert.deepEqual(await findings(page), []));
  await picture(page, 'peer-differs', { fullPage: true });
  await check('a peer that differs: on a phone, nothing is cut', async () => {
    await page.setViewportSize({ width: 390, height: 844 });
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 390);
    await picture(page, 'peer-differs-phone');
    await page.setViewportSize({ width: 1280, height: 900 });
  });
  await check('a peer that differs: once it is gone, the page says that it cannot be asked', async () => {
    await two.stop('SIGKILL');
    await page.click('#compare-again');
    await shows(page, '#differences-summary', 'The peer could not be asked just now');
    await page.keyboard.press('Escape');
    await page.waitForSelector('body[data-view=applications]');
    await shows(page, '#rows', 'ORDERS');
    assert.equal(await page.locator('#differences').isVisible(), false);
  });
  await close(page, 'with differences');
  await one.stop();
}

/** Self-preservation by the arithmetic of the Java server. */
export async function selfPreservation() {
  const registry = await Registry.start({
    'eureka.server.wait-time-in-ms-when-sync-empty': 0, 'eureka.server.eviction-interval-timer-in-ms': 300, 'registry.self-preservation.mode': 'java',
  });
  for (let number = 1; number <= 5; number += 1) await registry.register(instance('ORDERS', `orders-${number}`, { duration: 1 }));
  const page = await open(registry, '?view=instances');
  await check('self-preservation: the reason with its numbers, and the leases that it keeps', async () => {
    await shows(page, '#verdict', /Degraded .*[Ss]elf-preservation.*\d+ .*\d+/);
    await shows(page, '#metrics', /Renewals in the last minute 0 more than [1-9]\d* needed .*Overdue leases 5 5 expired and kept/);
  });
  await check('self-preservation: every expired instance is marked', async () => {
    await until('5 marks', async () => (await page.locator('#rows .mark', { hasText: 'expired' }).count()) === 5);
    await page.check('#overdue');
    await shows(page, '#found', '5 instances found');
    assert.equal(search(page), '?view=instances&overdue=true');
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
  // At once: all have to be silent before the first lease expires.
  const names = Array.from({ length: 12 }, (_, number) => number + 1);
  await Promise.all(names.map((number) => registry.register(instance(`SERVICE-${number}`, `service-${number}`, { leaseInfo }), OPERATOR)));
  return registry;
}

/** The dialog gives the focus back when its call was answered, which is after the page has shown the change, or before. */
const focuses = (page, id) => until(`the focus on ${id}`, async () => (await focused(page)) === id);

/** What an operator decides about self-preservation. */
export async function switching() {
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
    await focuses(page, 'switch-off');
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
    // The page shows the change before the answer comes: what had the focus is gone then.
    await page.route('**/api/v1/self-preservation', async (route) => {
      const response = await route.fetch();
      await shows(page, line, 'Self-preservation is not active.');
      await route.fulfill({ response });
    }, { times: 1 });
    await page.click('#switch-back');
    await page.click('#confirm-do');
    for (const one of [page, reader]) await shows(one, line, 'Self-preservation is not active.');
    assert.equal(await decision(), null);
    assert.equal(await page.locator('#switch-back').count(), 0);
    await focuses(page, 'switch-on');
  });
  await check('the switch: a decision ends by itself', async () => {
    const lines = await noting(page, line);
    assert.equal((await registry.call('PUT', 'api/v1/self-preservation?evict=false&seconds=8&reason=drill', undefined, OPERATOR)).status, 200);
    await until('the decision and its end', async () => (await lines()).some((shown) => shown.includes('is switched on since')) && (await lines()).at(-1).includes('Self-preservation is not active.'));
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

/** A reader and an operator. */
export async function users() {
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
    await operator.fill('#reason', 'a try');
    await operator.click('#confirm-do');
    await shows(operator, '#instance .title', /OUT_OF_SERVICE/);
    await shows(reader, '#instance .title', /OUT_OF_SERVICE/);
    assert.equal((await registry.instance('ORDERS', 'orders-1', OPERATOR)).status, 'OUT_OF_SERVICE');
  });
  await close(reader, 'as a reader');
  await close(operator, 'as an operator');
  await registry.stop();
}

/** A registry that is killed and started again. */
export async function restart() {
  const [port] = ports;
  let registry = await Registry.start({}, port);
  await registry.register(instance('ORDERS', 'orders-1'));
  const page = await open(registry, '?view=instances');
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
  // However far a request had come.
  await close(page, 'over a restart', /net::ERR_(CONNECTION|SOCKET|INCOMPLETE|EMPTY|CONTENT_LENGTH)_/);
  await registry.stop();
}
