// The headless Chromium of Debian, and what the tests ask of a page.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';

const PATIENCE_MS = 60_000;
const tools = createRequire(join(resolve(process.env.UNWIND_TOOLS), 'node_modules', 'x.js'));
const { chromium } = tools('playwright-core');
const AXE = readFileSync(tools.resolve('axe-core/axe.min.js'), 'utf8');

export const startBrowser = () =>
  chromium.launch({ executablePath: process.env.UNWIND_CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] });

// A page of the console at `address`, the part after #. What it reports or loads and should not is kept in `faults`.
export async function openPage(browser, origin, address, { faults = [], ...options } = {}) {
  const context = await browser.newContext({ viewport: { width: 1200, height: 900 }, ...options });
  context.setDefaultTimeout(PATIENCE_MS);
  const page = await context.newPage();
  page.on('pageerror', (error) => faults.push(error.stack));
  // An answer that is an error is the page's business to tell.
  page.on('console', (message) => {
    if (message.type() === 'error' && !message.text().startsWith('Failed to load resource'))
      faults.push(message.text());
  });
  page.on('request', (request) => request.url().startsWith(origin) || faults.push(`asks for ${request.url()}`));
  await page.goto(`${origin}/console/#/${address}`);
  await page.locator('#link:not(:empty)').waitFor();
  return page;
}

// Serious findings of axe, as text.
export async function findings(page) {
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document));
  return violations
    .filter((it) => it.impact === 'serious' || it.impact === 'critical')
    .flatMap((it) => it.nodes.map((node) => `${it.id}: ${node.target}: ${node.failureSummary}`));
}

// How far the page, or what asks before a verb, goes beyond the right edge, pixels.
export const sideways = (page) =>
  page.evaluate(() => {
    const asking = document.querySelector('dialog')?.getBoundingClientRect().right ?? 0;
    return Math.max(document.documentElement.scrollWidth, asking) - innerWidth;
  });

export const heading = (page) => page.locator('main h1').textContent();
export const row = (page, key) => page.locator('tbody tr').filter({ has: page.getByText(key, { exact: true }) });
export const textOf = async (locator) => (await locator.innerText()).replace(/\s+/g, ' ');
export const focused = (page) =>
  page.evaluate(() => {
    const element = document.activeElement;
    return element.getAttribute('aria-label') ?? element.textContent;
  });

// Presses Tab until what has the focus is called `name`, which must be seen to have it.
export async function tabTo(page, name) {
  for (let i = 0; i < 80; i++) {
    await page.keyboard.press('Tab');
    if ((await focused(page)) !== name) continue;
    const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
    assert.equal(outline, 'solid', `${name} has the focus and does not show it`);
    return;
  }
  assert.fail(`no Tab leads to ${name}`);
}

// Fills and sends what asks before a verb.
export async function decide(page, { actor = 'kim', reason = 'a test', reply, looked = true }) {
  const dialog = page.getByRole('dialog');
  if (reply !== undefined) await dialog.getByLabel('Reply').fill(reply);
  await dialog.getByLabel('Who decides').fill(actor);
  await dialog.getByLabel('Why').fill(reason);
  const box = dialog.getByRole('checkbox');
  if (looked && (await box.count())) await box.check();
  await dialog.locator('button[type=submit]').click();
}
