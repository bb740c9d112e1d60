// The pictures of the README: `node pictures.mjs THREE_REPLICAS DIRECTORY`. Three replicas with some applications, looked at once
// they have been healthy for a while: it takes three minutes, since the chart shows renewals by the minute.

import { spawn } from 'node:child_process';
import path from 'node:path';

import { chromium } from 'playwright-core';

import { instance } from './registry.mjs';

const [THREE_REPLICAS, DIRECTORY] = process.argv.slice(2);
const REPLICAS = [11, 12, 13].map((host) => `http://127.0.0.${host}:8761/`);
const LIMIT = 300_000;
const WATCHED = 150_000;
const RENEWAL_INTERVAL = 25_000;
/** The header with which a user calls. */
const as = (user) => ({ authorization: `Basic ${Buffer.from(`${user}:secret`).toString('base64')}` });
const ZONES = ['eu-1a', 'eu-1b', 'eu-1c'];
const APPLICATIONS = { GATEWAY: [2, '3.2.0'], ORDERS: [4, '1.9.3'], PAYMENTS: [3, '4.1.0'], CUSTOMERS: [3, '2.7.1'], SEARCH: [2, '5.0.2'] };

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** A call that has to succeed, in the end: replicas open one after the other. */
async function call(url, options = {}) {
  const deadline = Date.now() + LIMIT;
  for (;;) {
    const answer = await fetch(url, options).catch((error) => ({ ok: false, status: error.message }));
    if (answer.ok) return;
    if (Date.now() > deadline) throw new Error(`${url}: ${answer.status}`);
    await pause(200);
  }
}

const register = (one, at) => call(`${REPLICAS[at]}eureka/apps/${one.app}`, { method: 'POST', headers: { ...as('applications'), 'content-type': 'application/json' }, body: JSON.stringify({ instance: one }) });
const renew = (one, at) => call(`${REPLICAS[at]}eureka/apps/${one.app}/${one.instanceId}`, { method: 'PUT', headers: as('applications') });

/** The instances of the applications, each with the replica that it registers at. */
function fleet() {
  return Object.entries(APPLICATIONS).flatMap(([app, [count, version]]) =>
    Array.from({ length: count }, (_, number) => {
      const id = `${app.toLowerCase()}-${number + 1}`;
      const metadata = { zone: ZONES[number % ZONES.length], version };
      return [instance(app, id, { metadata, ipAddr: `10.0.${number}.17` }), number % REPLICAS.length];
    }));
}

// With users, changes say who made them. The path by which the replicas' own check looks at them stays open.
const environment = {
  ...process.env,
  SPRING_SECURITY_USER_NAME: 'admin', SPRING_SECURITY_USER_PASSWORD: 'secret',
  REGISTRY_SECURITY_USERS_0_NAME: 'applications', REGISTRY_SECURITY_USERS_0_PASSWORD: 'secret',
  REGISTRY_SECURITY_OPEN_PATHS: '/eureka/status,/actuator/health/**',
};
const replicas = spawn(THREE_REPLICAS, [], { env: environment, stdio: 'ignore' });
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu'] });
try {
  const all = fleet();
  for (const [one, at] of all) await register(one, at);
  const begun = Date.now();
  // One after the other, as applications do that were not started together.
  let next = 0;
  const renewing = setInterval(() => {
    const [one, at] = all[next];
    next = (next + 1) % all.length;
    renew(one, at);
  }, RENEWAL_INTERVAL / all.length);
  const pages = await Promise.all(['light', 'dark'].map(async (colorScheme) => {
    const context = await browser.newContext({ viewport: { width: 1280, height: 750 }, colorScheme, extraHTTPHeaders: as('admin') });
    const page = await context.newPage();
    await page.goto(`${REPLICAS[0]}?open=ORDERS`);
    return [colorScheme, page];
  }));
  await pause(WATCHED);
  await call(`${REPLICAS[0]}eureka/apps/ORDERS/orders-2/status?value=OUT_OF_SERVICE`, { method: 'PUT', headers: as('admin') });
  for (const [colorScheme, page] of pages) {
    await page.locator('#verdict', { hasText: 'Healthy' }).waitFor({ timeout: LIMIT });
    await page.locator('#rows tr', { hasText: 'orders-2' }).filter({ hasText: 'OUT_OF_SERVICE' }).waitFor();
    const file = path.join(DIRECTORY, `dashboard-${colorScheme}.png`);
    await page.screenshot({ path: file });
    console.log(`  ${file}, after ${Math.round((Date.now() - begun) / 1000)} s`);
  }
  clearInterval(renewing);
} finally {
  await browser.close();
  replicas.kill('SIGINT');
}
