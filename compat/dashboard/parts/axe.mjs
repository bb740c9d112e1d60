// What axe finds, at 200 % zoom and in forced colours, too; and that nothing is cut at any width.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import { createRequire } from 'node:module';

import { check, close, open, picture, visit } from '../harness.mjs';

const AXE = fs.readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const PAGES = {
  applications: '', 'an open application': '?open=PAYMENTS', instances: '?view=instances', 'one instance': '?application=PAYMENTS&instance=payments-2',
  'a hostile instance': '?application=HOSTILE&instance=hostile:1%2F2%3F3%234%255', 'nothing found': '?q=nobody',
};
const WIDTHS = [320, 360, 480, 640, 768, 900, 1024, 1280, 1366, 1600, 1920, 2560];
const WAYS = {
  'at 100 %': { viewport: { width: 1280, height: 900 } },
  'at 200 %': { viewport: { width: 640, height: 450 }, deviceScaleFactor: 2 },
  dark: { colorScheme: 'dark' },
  'in forced colours': { forcedColors: 'active' },
  'on a phone': { viewport: { width: 412, height: 823 }, isMobile: true, hasTouch: true },
};

/** What axe finds on the page, one line each. On a phone, targets must be large enough for a finger, too. */
export async function findings(page) {
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => {
    const rules = { 'target-size': { enabled: matchMedia('(pointer: coarse)').matches } };
    return window.axe.run(document, { resultTypes: ['violations'], rules });
  });
  return violations.flatMap(({ id, nodes }) => nodes.slice(0, 3).map(({ target, failureSummary }) => `${id}: ${target.join(' ')}: ${failureSummary.split('\n').slice(1, 2).join('').trim()}`));
}

/** axe on every page, in every way to look at it. */
export async function axe(registry) {
  for (const [way, options] of Object.entries(WAYS)) {
    const page = await open(registry, '', options);
    await check(`axe finds nothing, ${way}`, async () => {
      for (const [name, address] of Object.entries(PAGES)) {
        await visit(page, registry, address);
        const found = await findings(page);
        assert.deepEqual(found, [], `${name}: ${found.join('\n')}`);
      }
      await visit(page, registry);
      await page.click('#view');
      assert.deepEqual(await findings(page), [], 'the settings');
      await page.keyboard.press('Escape');
      await page.click('#switch-on');
      assert.deepEqual(await findings(page), [], 'the dialog');
      await page.keyboard.press('Escape');
      return `${Object.keys(PAGES).length + 2} pages`;
    });
    if (way === 'in forced colours') await picture(page, 'forced-colours');
    await close(page, way);
  }
  const plain = await open(registry, 'lastn', { live: false });
  await check('axe finds nothing in the last registrations', async () => assert.deepEqual(await findings(plain), []));
  await close(plain, 'with the last registrations');
}

/** What lies beyond the edge of the page, or of its own box. */
export const cut = (page) => page.evaluate(() => {
  const beyond = [];
  if (document.documentElement.scrollWidth > innerWidth) beyond.push(`the page is ${document.documentElement.scrollWidth} wide`);
  for (const element of document.querySelectorAll('header *, main *')) {
    const box = element.getBoundingClientRect();
    if (!box.width || element.closest('.visually-hidden, .skip, #chart, #pick-all, svg')) continue;
    const name = `${element.tagName.toLowerCase()}#${element.id}.${element.className} "${element.textContent.slice(0, 30)}"`;
    if (box.right > innerWidth + 1 || box.left < -1) beyond.push(`${name} ends at ${Math.round(box.right)}`);
    const hides = ['hidden', 'clip'].includes(getComputedStyle(element).overflowX);
    if (hides && element.scrollWidth > element.clientWidth + 1) beyond.push(`${name} hides some of ${element.scrollWidth}`);
    // A cell's words must not run into the next cell.
    if (element.tagName === 'TD' && element.scrollWidth > element.clientWidth + 1 && getComputedStyle(element).display === 'table-cell') beyond.push(`${name} needs ${element.scrollWidth} of ${element.clientWidth}`);
  }
  return beyond.slice(0, 5);
});

/** Every width from a small phone to a large screen. */
export async function widths(registry) {
  const page = await open(registry);
  await check(`nothing is cut, from ${WIDTHS[0]} to ${WIDTHS.at(-1)} px`, async () => {
    for (const [name, address] of Object.entries(PAGES)) {
      await visit(page, registry, address);
      for (const width of WIDTHS) {
        await page.setViewportSize({ width, height: 900 });
        const found = await cut(page);
        assert.deepEqual(found, [], `${name} at ${width} px: ${found.join('; ')}`);
      }
    }
    return `${WIDTHS.length} widths of ${Object.keys(PAGES).length} pages`;
  });
  await visit(page, registry);
  await page.setViewportSize({ width: 2560, height: 1300 });
  await picture(page, 'wide');
  await close(page, 'at every width');
}

/** What the user chooses about the look, which stays. */
export async function settings(registry) {
  const page = await open(registry, '?view=instances');
  await check('theme, density, rows per page and columns can be chosen, and stay', async () => {
    const height = () => page.locator('#rows td').first().evaluate((cell) => parseFloat(getComputedStyle(cell).paddingTop));
    const before = await height();
    await page.click('#view');
    await page.selectOption('#set-theme', 'dark');
    await page.selectOption('#set-density', 'comfortable');
    await page.selectOption('#set-rows', '25');
    await page.uncheck('#show-zone');
    await page.keyboard.press('Escape');
    await visit(page, registry, '?view=instances');
    assert.equal(await page.evaluate(() => getComputedStyle(document.documentElement).colorScheme), 'dark');
    assert.ok((await height()) > before, 'rows are higher');
    assert.equal(await page.locator('#heads .zone').isVisible(), false);
    assert.equal(await page.locator('#heads .version').isVisible(), true);
    const asked = page.waitForRequest(/api\/v1\/instances\?/);
    await page.reload();
    assert.match((await asked).url(), /limit=25/);
    await page.click('#view');
    await picture(page, 'settings');
  });
  await close(page, 'with settings');
}
