// What a person does with the dashboard in a real Chromium: act on selections, drain, find, and all of that behind a proxy with a prefix:
// `node act.mjs BINARY DIRECTORY PORT`, with the port for nginx.

import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

import { check, close, credentials, open, OPERATOR, painted, picture, ports, rowsAre, run, shows, visit } from './harness.mjs';
import { draining } from './parts/drain.mjs';
import { instance, Registry, until } from './registry.mjs';

const [, WORK] = process.argv.slice(2);
const [NGINX_PORT] = ports;

const select = (page, name) => page.getByLabel(`Select ${name}`, { exact: true }).check();
const statuses = async (registry, app) => {
  const { text } = await registry.call('GET', `api/v1/instances?application=${app}&limit=1000`);
  return JSON.parse(text).instances.map(({ instanceId, status }) => `${instanceId} ${status}`);
};
const reasonsOf = async (registry, app, id) => {
  const { text } = await registry.call('GET', `api/v1/applications/${app}/instances/${id}`);
  return JSON.parse(text).history.map(({ reason }) => reason);
};

async function acting() {
  const registry = await Registry.start();
  for (const number of [1, 2, 3]) await registry.register(instance('ORDERS', `orders-${number}`, { metadata: { zone: 'eu-1a', team: 'shop' } }));
  await registry.register(instance('BILLING', 'billing-1', { metadata: { zone: 'eu-1b', team: 'payments' } }));
  const page = await open(registry, '?application=ORDERS');
  await check('without a selection, all that are found can be acted on', () => shows(page, '#act-on', 'All that are found:'));
  await select(page, 'orders-1');
  await select(page, 'orders-2');
  await check('the toolbar names what is selected', () => shows(page, '#act-on', '2 instances selected'));
  await check('the dialog does not open if the user has left the page before the numbers came', async () => {
    let release;
    const released = new Promise((resolve) => (release = resolve));
    await page.route('**/api/v1/acts', async (route) => {
      await released;
      await route.continue();
    }, { times: 1 });
    const answered = page.waitForResponse('**/api/v1/acts');
    await page.click('#act-out');
    await page.click('#views >> text=Applications');
    await page.waitForSelector('body[data-view=applications]');
    release();
    await (await answered).finished();
    // The page has had the answer for a frame.
    await painted(page);
    assert.equal(await page.locator('#confirm').isVisible(), false);
    await page.goBack();
    await page.waitForSelector('body[data-view=instances]');
    await select(page, 'orders-1');
    await select(page, 'orders-2');
    await shows(page, '#act-on', '2 instances selected');
  });
  await check('the dialog has the numbers, and asks for a reason', async () => {
    await page.click('#act-out');
    await shows(page, '#confirm', /^Take 2 instances out of service\? 2 of 2 instances will be OUT_OF_SERVICE on all replicas/);
    await shows(page, '#confirm-applications', /ORDERS 2 of 3 3 → 1/);
    await page.click('#confirm-do');
    assert.equal(await page.locator('#confirm').isVisible(), true, 'a reason is required');
    assert.deepEqual(await statuses(registry, 'ORDERS'), ['orders-1 UP', 'orders-2 UP', 'orders-3 UP']);
  });
  await check('the act as curl is a command that works', async () => {
    await page.fill('#reason', "it's by curl");
    await page.click('#confirm-as-curl summary');
    await until('the command', async () => (await page.locator('#confirm-curl').innerText()).includes('curl'));
    const command = await page.locator('#confirm-curl').innerText();
    const report = JSON.parse(execFileSync('/bin/sh', ['-c', `${command} --silent`], { encoding: 'utf8' }));
    assert.equal(report.done, 2);
    assert.deepEqual(await reasonsOf(registry, 'ORDERS', 'orders-1'), ["it's by curl", null]);
    await registry.call('DELETE', 'eureka/apps/ORDERS/orders-1/status?value=UP');
    await registry.call('DELETE', 'eureka/apps/ORDERS/orders-2/status?value=UP');
  });
  await check('the selected instances are taken out of service, with the reason', async () => {
    await page.fill('#reason', 'a new rack');
    await page.click('#confirm-do');
    await shows(page, '#confirm', /^2 instances are out of service 2 of 2 done\./);
    await picture(page, 'after-an-act');
    assert.deepEqual(await statuses(registry, 'ORDERS'), ['orders-1 OUT_OF_SERVICE', 'orders-2 OUT_OF_SERVICE', 'orders-3 UP']);
    assert.equal((await reasonsOf(registry, 'ORDERS', 'orders-2'))[0], 'a new rack');
    await shows(page, '#feed', 'a new rack');
  });
  await check('the act is undone, from the dialog or from the toolbar', async () => {
    await page.click('#confirm button[value=cancel]');
    await page.click('#act-undo');
    assert.equal(await page.locator('#reason').inputValue(), 'undo: a new rack');
    await page.click('#confirm-do');
    await shows(page, '#confirm', /^Undone 2 of 2 as before\./);
    assert.deepEqual(await statuses(registry, 'ORDERS'), ['orders-1 UP', 'orders-2 UP', 'orders-3 UP']);
    await page.click('#confirm button[value=cancel]');
    assert.equal(await page.locator('#act-undo').count(), 0);
  });
  await check('draining all that are found warns of applications that lose all', async () => {
    await visit(page, registry, '?zone=eu-1a');
    await page.click('#act-out');
    await shows(page, '#confirm-losing', '1 application will have no instance that is UP: ORDERS.');
    await page.click('#confirm button[value=cancel]');
  });
  await check('a whole application is drained by its row', async () => {
    await visit(page, registry, '?view=applications');
    await select(page, 'BILLING');
    await shows(page, '#act-on', '1 application selected');
    await page.click('#act-out');
    await page.fill('#reason', 'retired');
    await page.click('#confirm-do');
    await until('OUT_OF_SERVICE', async () => (await statuses(registry, 'BILLING'))[0] === 'billing-1 OUT_OF_SERVICE');
  });
  await check('an instance that is alive is not removed, and the dialog says why', async () => {
    await visit(page, registry, '?application=ORDERS');
    await select(page, 'orders-3');
    await page.click('#act-remove');
    await shows(page, '#confirm', /^Nothing to do for orders-3 .*Its lease has not expired: it was heard .* ago/);
    assert.equal(await page.locator('#confirm-do').isVisible(), false);
    await page.click('#confirm button[value=cancel]');
    await page.click('#act-back');
    await shows(page, '#confirm', 'Nothing to do for orders-3 orders-3 is without an override.');
    await page.click('#confirm button[value=cancel]');
  });
  await close(page, 'acting');
  await registry.stop();
}

async function many() {
  const registry = await Registry.start();
  for (let number = 0; number < 130; number += 1) await registry.register(instance('ORDERS', `orders-${number}`));
  const page = await open(registry, '?application=ORDERS');
  await check('an act on many shows its progress, and stops where the user stops it', async () => {
    let acts = 0;
    let go;
    await page.route('**/api/v1/acts', async (route) => {
      if (!route.request().postDataJSON().dryRun && (acts += 1) === 2) await new Promise((resolve) => (go = resolve));
      await route.continue();
    });
    await page.click('#act-out');
    await page.fill('#reason', 'a drill');
    await page.click('#confirm-do');
    await until('progress', async () => go && (await page.locator('#confirm-progress').evaluate((bar) => `${bar.value} of ${bar.max}`)) === '50 of 130');
    assert.equal(await page.locator('#confirm button[value=cancel]').innerText(), 'Stop');
    await page.click('#confirm button[value=cancel]');
    go();
    await shows(page, '#announced', '100 instances are out of service. 30 instances not touched, since you stopped.');
    assert.equal((await statuses(registry, 'ORDERS')).filter((one) => one.endsWith('OUT_OF_SERVICE')).length, 100);
    await page.click('#act-undo');
    await page.click('#confirm-do');
    await shows(page, '#confirm', /^Undone 100 of 100 as before\./);
  });
  await close(page, 'acting on many');
  await registry.stop();
}

async function readOnly() {
  const registry = await Registry.start({
    'spring.security.user.name': 'operator', 'spring.security.user.password': 'secret',
    'registry.security.users[0].name': 'reader', 'registry.security.users[0].password': 'secret', 'registry.security.users[0].roles': 'READ_ONLY',
  });
  await registry.register(instance('ORDERS', 'orders-1'), OPERATOR);
  const page = await open(registry, '?view=instances', credentials('reader'));
  await check('a read-only user sees why nothing can be changed', async () => {
    await select(page, 'orders-1');
    await shows(page, '#act-not', 'The user reader is read-only, so nothing can be changed here.');
    assert.equal(await page.locator('#act-out').count(), 0);
    await visit(page, registry, '?application=ORDERS&instance=orders-1');
    await shows(page, '#instance', 'Your user is read-only.');
    assert.equal(await page.locator('#drain').count(), 0);
  });
  await close(page, 'as a reader');
  await registry.stop();
}

async function finding() {
  const registry = await Registry.start();
  await registry.register(instance('ORDERS', 'orders-1', { metadata: { team: 'payments' } }));
  await registry.register(instance('BILLING', 'billing-1', { metadata: { team: 'billing' }, status: 'DOWN' }));
  await registry.call('GET', 'eureka/apps', undefined, { 'user-agent': 'Java-EurekaClient/v2.0.4' });
  const page = await open(registry, '?view=instances');
  await check('the search is completed, and finds by metadata', async () => {
    await page.fill('#filter input[type=search]', 'team=pay');
    await until('a completion', async () => (await page.locator('#completions option').evaluateAll((all) => all.map(({ value }) => value))).includes('team=payments'));
    await page.fill('#filter input[type=search]', 'team=payments');
    await rowsAre(page, 1);
    await shows(page, '#rows', 'orders-1');
    assert.equal(new URL(page.url()).searchParams.get('q'), 'team=payments', 'the view can be sent to somebody else');
  });
  await check('a quick filter is one click, and part of the address', async () => {
    await visit(page, registry, '?view=instances');
    await rowsAre(page, 2);
    await page.click('#quick-up');
    await rowsAre(page, 1);
    await shows(page, '#rows', /DOWN BILLING billing-1/);
    assert.equal(new URL(page.url()).search, '?view=instances&up=false');
  });
  await check('the results are a file', async () => {
    const [download] = await Promise.all([page.waitForEvent('download'), page.click('#as-csv')]);
    const lines = fs.readFileSync(await download.path(), 'utf8').trim().split('\r\n');
    assert.equal(lines.length, 2);
    assert.match(lines[1], /^BILLING,billing-1,DOWN,/);
  });
  await check('the subscribers are listed', async () => {
    await page.goto(new URL('subscribers', registry.url).href);
    await shows(page, '#found', '1 subscriber.');
    await shows(page, '#rows', /127\.0\.0\.1 Java-EurekaClient\/v2\.0\.4 1 0 0 – \d+ s full fetch/);
    await page.fill('#filter input[type=search]', 'nobody');
    await shows(page, '#found', 'No matching subscribers.');
  });
  await close(page, 'finding');
  await registry.stop();
}

/** nginx as people put it before a registry: below a path, and by another name. */
async function behindNginx() {
  const registry = await Registry.start({ 'server.forward-headers-strategy': 'framework' });
  await registry.register(instance('ORDERS', 'orders-1'));
  const directory = path.join(WORK, 'nginx');
  fs.mkdirSync(directory);
  const config = path.join(directory, 'nginx.conf');
  fs.writeFileSync(config, `daemon off; pid ${directory}/pid; error_log ${directory}/error.log;
events {}
http {
  access_log off;
  client_body_temp_path ${directory}/body; proxy_temp_path ${directory}/proxy; fastcgi_temp_path ${directory}/fastcgi;
  uwsgi_temp_path ${directory}/uwsgi; scgi_temp_path ${directory}/scgi;
  server {
    listen 127.0.0.1:${NGINX_PORT};
    location /team/registry/ {
      proxy_pass ${registry.url};
      proxy_http_version 1.1;
      proxy_set_header X-Forwarded-Host $http_host;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Forwarded-Prefix /team/registry;
      proxy_set_header X-Forwarded-For $remote_addr;
    }
  }
}
`);
  const nginx = spawn('/usr/sbin/nginx', ['-e', `${directory}/error.log`, '-p', directory, '-c', config], { stdio: 'ignore' });
  const ended = new Promise((resolve) => nginx.once('exit', resolve));
  const origin = `http://127.0.0.1:${NGINX_PORT}`;
  const below = `${origin}/team/registry/`;
  try {
    await until('nginx', () => fetch(below).then(({ ok }) => ok, () => false));
    await check('nginx with a prefix: every absolute link is below it', async () => {
      const { _links: links } = await (await fetch(`${below}actuator`)).json();
      for (const { href } of Object.values(links)) assert.ok(href.startsWith(`${below}actuator`), href);
      assert.equal((await fetch(links.health.href)).status, 200);
    });
    const page = await open({ url: below }, '?view=instances');
    await check('nginx with a prefix: the page is live, and all that it loads is below', async () => {
      await shows(page, '#connection', /^live$/);
      await shows(page, '#rows', 'orders-1');
    });
    await check('nginx with a prefix: an operator can act', async () => {
      await select(page, 'orders-1');
      await page.click('#act-out');
      await page.fill('#reason', 'by way of nginx');
      await page.click('#confirm-do');
      await until('OUT_OF_SERVICE', async () => (await statuses(registry, 'ORDERS'))[0] === 'orders-1 OUT_OF_SERVICE');
      assert.equal((await reasonsOf(registry, 'ORDERS', 'orders-1'))[0], 'by way of nginx');
    });
    await check('nginx with a prefix: a drain says at once what it waits for', async () => {
      await visit(page, { url: below }, '?application=ORDERS&instance=orders-1');
      await page.click('#drain');
      await page.fill('#reason', 'by way of nginx, too');
      // For two of these after its start, a registry may not know all readers.
      await page.fill('#drain-interval', '300');
      await page.click('#confirm-do');
      await shows(page, '#drain-line', /^No client is known that fetches it\. Waiting for this replica: It may not know all of its readers, .* \(\d+ s of 75 s\)\.$/);
    });
    await check('nginx with a prefix: a browser without Sec-Fetch-Site can act, and another site cannot', async () => {
      const act = (site) => registryCall(`${below}api/v1/acts`, site);
      assert.equal(await act(origin), 200);
      assert.equal(await act('http://evil.example'), 403);
    });
    await close(page, 'behind nginx');
  } finally {
    nginx.kill();
    await ended;
    await registry.stop();
  }
}

/** Sends an act as a browser does that names only the origin. `fetch` would not let the origin be set. */
function registryCall(address, origin) {
  const body = JSON.stringify({ act: 'remove_override', where: { application: 'ORDERS' }, dryRun: true });
  const status = execFileSync('curl', ['--silent', '--output', '/dev/null', '--write-out', '%{http_code}', '-H', `Origin: ${origin}`, '-H', 'Content-Type: application/json', '-d', body, address], { encoding: 'utf8' });
  return Number(status);
}

await run(async () => {
  for (const part of [acting, many, draining, readOnly, finding, behindNginx]) await part();
});
