// A real Chromium, and what the checks see and do in it.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';

import { chromium } from 'playwright-core';

import { LIMIT, stopAll, until } from './registry.mjs';

/** Ports of registries that restart at the same address, or know each other before they start. */
export const ports = process.argv.slice(4).map(Number);
const SCREENSHOTS = process.env.DASHBOARD_SCREENSHOTS;
const FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];

let passed = 0;
let failed = 0;

/** One check: its sentence, and the code that throws if it does not hold. */
export async function check(what, test) {
  try {
    const words = await test();
    passed += 1;
    console.log(`  ${what}${words ? `: ${words}` : ''}`);
  } catch (error) {
    failed += 1;
    console.log(`  FAIL ${what}: ${error.message}`);
  }
}

export const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: FLAGS });

/** Runs all checks, ends what they started, and says how many passed and failed. What is thrown outside of a check is a failure, too. */
export async function run(checks) {
  try {
    await checks();
  } catch (error) {
    failed += 1;
    console.log(`  FAIL ${error.stack}`);
  } finally {
    await browser.close();
    stopAll();
  }
  console.log(`${passed} passed, ${failed} failed`);
  process.exitCode = failed ? 1 : 0;
}

/** A new page. It collects complaints: messages in the console, and requests to anything but its registry. */
export async function open(registry, address = '', { live = true, ...options } = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(LIMIT);
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
export async function visit(page, registry, address = '') {
  await page.goto(new URL(address, registry.url).href);
  await follows(page);
}

/** Waits until the script has replaced the content that came with the page. */
export async function follows(page) {
  await shows(page, '#connection', /^live$/);
  await page.waitForSelector('body[data-view]');
}

/** Closes a page. It must have no complaints other than `known`. */
export async function close(page, what, known = /^$/) {
  await check(`no error in the console and no request elsewhere, ${what}`, () => assert.deepEqual(page.complaints.filter((complaint) => !known.test(complaint)), []));
  await page.context().close();
}

/** Does what leads to another page where there is no JavaScript, and waits until that has come as a whole. */
export async function leads(page, act) {
  const arrived = page.waitForEvent('load');
  await act();
  await arrived;
}

/** Waits until the page has been painted once more. */
export const painted = (page) => page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));

/** Waits until an element shows a text. */
export async function shows(page, selector, wanted) {
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

/** Notes from now on what an element shows, also what is gone before anybody looks. Returns a function that gives all of it. */
export async function noting(page, selector) {
  await page.evaluate((wanted) => {
    window.noted = [];
    const note = () => {
      const shown = document.querySelector(wanted)?.textContent.replace(/\s+/g, ' ').trim();
      if (shown !== undefined && shown !== window.noted.at(-1)) window.noted.push(shown);
    };
    new MutationObserver(note).observe(document, { subtree: true, childList: true, characterData: true });
  }, selector);
  return () => page.evaluate(() => window.noted);
}

export const rows = (page) => page.locator('#rows tr').count();
export const rowsAre = (page, count) => until(`${count} rows`, async () => (await rows(page)) === count);
export const row = (page, id) => page.locator('#rows tr', { hasText: id });
/** The words of a row, behind its checkbox. */
export const words = async (locator) => (await locator.innerText()).replace(/\s+/g, ' ').trim();
export const search = (page) => new URL(page.url()).search;
export const focused = (page) => page.evaluate(() => document.activeElement.id || document.activeElement.textContent.trim());

export async function picture(page, name, options = {}) {
  if (!SCREENSHOTS) return;
  fs.mkdirSync(SCREENSHOTS, { recursive: true });
  await page.screenshot({ path: path.join(SCREENSHOTS, `${name}.png`), ...options });
}

/** The contrast of a text, as WCAG defines it. */
export function contrast(page, selector) {
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

export const OPERATOR = { authorization: `Basic ${Buffer.from('operator:secret').toString('base64')}` };
/** What a browser logs in with. */
export const credentials = (username) => ({ httpCredentials: { username, password: 'secret' } });
