// The console in a real browser, before the real Envoy and the real cluster: `./run interop` runs it.
// UNWIND_ENVOY: Envoy's program; UNWIND_BUILD: the folder of bin/ and unwind.protoset; UNWIND_TOOLS: of node_modules.
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { after, before, test } from 'node:test';
import {
  decide,
  findings,
  focused,
  heading,
  openPage,
  row,
  sideways,
  startBrowser,
  tabTo,
  textOf,
} from './browser.mjs';
import { Cluster, until } from './cluster.mjs';

const TRIP = 'trip.v1.TripService/BookTrip';
const TOUR = 'tour.v1.TourService/BookTour';
const LOSE = 'tour.v1.TourService/LoseRoom';
const VISA = 'tour.v1.TourService/WaitForVisa';
const SILENT_EMBASSY = 'sealand';  // never decides
const isParked = (saga) => saga.state === 'STATE_PARKED';

let cluster;
let browser;

before(
  async () => {
    cluster = new Cluster(process.env.UNWIND_ENVOY, process.env.UNWIND_BUILD);
    await cluster.start();
    browser = await startBrowser();
  },
  { timeout: 240_000 },
);
after(async () => {
  await browser?.close();
  await cluster?.stop();
});

const open = (address, options) => openPage(browser, cluster.console, address, options);

async function parkedTour(key) {
  cluster.book(TOUR, { request_id: key, guest: key, city: 'busan', car: 'submarine' });
  return cluster.saga('book-tour', key, isParked);
}

// Loads an address anew.
async function visit(page, address) {
  await page.goto('about:blank');
  await page.goto(`${cluster.console}/console/#/${address}`);
  await page.locator('#link:not(:empty)').waitFor();
}

// A page that is left without a fault.
async function leave(page, faults = []) {
  await page.context().close();
  assert.deepEqual(faults, []);
}

test('every file is served as what it is, and the page may load nothing else', async () => {
  const types = { html: 'text/html', css: 'text/css', js: 'text/javascript' };
  for (const file of readdirSync('console')) {
    const answer = await fetch(`${cluster.console}/console/${file === 'index.html' ? '' : file}`);
    assert.equal(answer.status, 200, file);
    assert.match(answer.headers.get('content-type'), new RegExp(`^${types[file.split('.')[1]]}`), file);
    assert.match(answer.headers.get('content-security-policy'), /^default-src 'none'; script-src 'self';/, file);
    assert.equal(answer.headers.get('x-content-type-options'), 'nosniff');
  }
  const root = await fetch(`${cluster.console}/`);
  assert.equal(new URL(root.url).pathname, '/console/');
});

test('the list shows sagas, and an address with its filters can be passed on', async () => {
  const faults = [];
  assert.equal((await cluster.order('list-paid')).status, 200);
  assert.equal((await cluster.order('list-refused', 1000)).status, 409);
  const page = await open('sagas', { faults });
  await row(page, 'list-paid').waitFor();
  assert.match(await textOf(row(page, 'list-paid')), /completed.*list-paid.*place-order v2/);
  await page.getByLabel('Definition', { exact: true }).fill('place-order');
  await page.getByLabel('State').selectOption('STATE_ABORTED');
  await page.getByRole('button', { name: 'Show' }).click();
  await row(page, 'list-refused').waitFor();
  assert.match(await textOf(row(page, 'list-refused')), /aborted.*STOCK_NOT_ENOUGH/);
  assert.equal(await row(page, 'list-paid').count(), 0);

  const other = await open(new URL(page.url()).hash.slice(2), { faults });
  await row(other, 'list-refused').waitFor();
  assert.equal(await row(other, 'list-paid').count(), 0);
  assert.equal(await other.getByLabel('State').inputValue(), 'STATE_ABORTED');
  await leave(other, faults);
  await leave(page, faults);
});

test('by key one is found; by a time from now on none', async () => {
  await cluster.order('list-key');
  const page = await open('sagas?definition=place-order&key=list-key');
  await row(page, 'list-key').waitFor();
  assert.equal(await page.locator('tbody tr').count(), 1);
  await page.getByLabel('Key').fill('');
  const later = new Date(Date.now() + 3_600_000 - new Date().getTimezoneOffset() * 60_000);
  await page.getByLabel('Started from').fill(later.toISOString().slice(0, 19));
  await page.keyboard.press('Enter');
  await page.getByText('No saga fits these filters.').waitFor();
  await leave(page);
});

test('a filter that the server refuses is told in its words', async () => {
  const page = await open('sagas?key=without-a-definition');
  assert.match(await textOf(page.getByRole('alert')), /INVALID_REQUEST|BAD_REQUEST|key.*definition/);
  await leave(page);
});

test('more sagas than a page has stand on the next', async () => {
  await Promise.all(Array.from({ length: 60 }, (_, i) => cluster.order(`page-${i}`, 1000)));
  const page = await open('sagas?state=STATE_ABORTED');
  await page.getByRole('link', { name: 'Older' }).waitFor();
  assert.equal(await page.locator('tbody tr').count(), 50);
  const first = await page.locator('tbody a').allTextContents();
  await page.getByRole('link', { name: 'Older' }).click();
  await page.getByRole('link', { name: 'Newest' }).waitFor();
  const second = await page.locator('tbody a').allTextContents();
  assert.ok(second.length >= 10);
  assert.deepEqual(
    second.filter((id) => first.includes(id)),
    [],
  );
  await leave(page);
});

test('a saga is a timeline and a drawing', async () => {
  const faults = [];
  await cluster.order('story');
  const saga = await cluster.saga('place-order', 'story');
  const page = await open('sagas?definition=place-order&key=story', { faults });
  await page.getByRole('link', { name: saga.sagaId }).click();
  await page.getByText('ended: it changes no more').waitFor();
  assert.equal(await heading(page), 'Saga');
  const story = await page.getByRole('list', { name: 'History' }).locator('> li').allTextContents();
  assert.match(story[0], /accepted.*sent create_order action/);
  assert.ok(
    story.some((line) => /charge action: OK after .*sent confirm_stock action; confirm_order action/.test(line)),
    story,
  );
  assert.match(story.at(-1), /the saga is completed/);
  const drawing = page.getByRole('img', { name: 'The steps of place-order' });
  assert.deepEqual(await drawing.locator('.step-name').allTextContents(), [
    'create_order',
    'reserve_stock',
    'hold_coupon',
    'hold_wallet',
    'charge',
    'confirm_stock',
    'use_coupon',
    'settle_wallet',
    'confirm_order',
  ]);
  assert.equal(await drawing.locator('.arrow:not(.dashed)').count(), 4);
  assert.deepEqual(new Set(await drawing.locator('.step-state').allTextContents()), new Set(['succeeded', 'skipped']));
  await leave(page, faults);
});

test('what changes is seen without a reload, and the focus stays where it is', async () => {
  const saga = await parkedTour('live');
  const list = await open('sagas?definition=book-tour');
  await list.getByRole('link', { name: saga.sagaId }).focus();
  const page = await open(`sagas/${saga.sagaId}`);
  await page.locator('.saga-state').getByText('parked').waitFor();
  await cluster.move(saga, 'rent_car', 'resolve', { replyJson: '{"plate": "UNW-7"}' });
  await page.getByText('ended: it changes no more').waitFor();
  assert.match(await textOf(page.locator('.saga-state')), /completed/);
  await row(list, 'live').getByText('completed').waitFor();
  await parkedTour('live-after');
  await row(list, 'live-after').waitFor();
  assert.equal(await focused(list), saga.sagaId);
  await leave(page);
  await leave(list);
});

test('the page is told when something changes, and asks again and again where it is not', async () => {
  const saga = await parkedTour('told');
  for (const how of ['stream', 'poll']) {
    const page = await open('about');
    if (how === 'poll') {
      const answer = {
        code: 5,
        message: 'no such method',
        details: [{ reason: 'NO_SUCH_ROUTE', domain: 'gateway.unwind' }],
      };
      await page.route('**/*:watch*', (route) => route.fulfill({ status: 404, json: answer }));
    }
    for (const [address, key] of [
      ['sagas?definition=book-tour', `told-${how}`],
      [`sagas/${saga.sagaId}`, undefined],
    ]) {
      await visit(page, address);
      await page.locator(`#link[data-how=${how}]`).waitFor();
      if (key) {
        await parkedTour(key);
        await row(page, key).waitFor();
      } else {
        const before = await page.locator('.timeline > li').count();
        await cluster.move(saga, 'rent_car', 'retry');
        await page.waitForFunction((count) => document.querySelectorAll('.timeline > li').length >= count + 2, before);
      }
      assert.equal(await page.locator('#link').getAttribute('data-how'), how);
    }
    await leave(page);
  }
});

test('a parked saga is found, its reason read, its step sent again', async () => {
  const faults = [];
  cluster.book(TRIP, { request_id: 'park', guest: 'mina', city: 'jeju', car: 'submarine' });
  const saga = await cluster.saga('book-trip', 'park', isParked);
  const page = await open('attention', { faults });
  const card = page.locator('.card').filter({ hasText: saga.sagaId });
  await card.getByText('DESK_CLOSED').waitFor();
  assert.match(await textOf(card), /book_room parked compensation, attempt 5 DESK_CLOSED nobody is at the desk/);
  await card.getByRole('button', { name: 'Retry book_room' }).click();
  const dialog = page.getByRole('dialog');
  assert.match(await textOf(dialog), /Sends the compensation of book_room again now/);
  assert.match(await textOf(dialog), new RegExp(`${saga.sagaId}/book_room/compensation`));
  await decide(page, { actor: 'mina', reason: '<img src=x onerror=alert(1)> the desk is open' });
  await page.getByRole('status').getByText('Retry book_room: done.').waitFor();
  await card.waitFor({ state: 'detached' });
  await page.goto(`${cluster.console}/console/#/sagas/${saga.sagaId}`);
  await page.getByText('ended: it changes no more').waitFor();
  const told = page.locator('.timeline .by-person');
  assert.match(
    await textOf(told),
    /book_room sent again by a person mina: <img src=x onerror=alert\(1\)> the desk is open/,
  );
  await leave(page, faults);
});

test('a step is resolved with a known reply; what the server refuses is told as it says it', async () => {
  const saga = await parkedTour('resolve');
  const page = await open(`sagas/${saga.sagaId}`);
  await page.getByRole('button', { name: 'Resolve rent_car' }).click();
  const dialog = page.getByRole('dialog');
  await decide(page, { reply: '{"plate": "UNW-9"}', looked: false });
  assert.equal(await dialog.getByRole('checkbox').evaluate((box) => box.validity.valueMissing), true);
  await decide(page, { reply: '{"seats": 4}' });
  await dialog.getByRole('alert').getByText('seats').waitFor();
  assert.equal((await cluster.saga('book-tour', 'resolve')).state, 'STATE_PARKED');
  await decide(page, { reply: '{"plate": "UNW-9"}', actor: 'joon', reason: 'rented by phone' });
  await page.getByText('ended: it changes no more').waitFor();
  assert.match(
    await textOf(page.locator('.timeline .by-person')),
    /rent_car resolved by a person joon: rented by phone/,
  );
  assert.equal((await cluster.saga('book-tour', 'resolve')).state, 'STATE_COMPLETED');
  await leave(page);
});

test('a step is skipped; a verb for a step that moved meanwhile is refused', async () => {
  const saga = await parkedTour('skip');
  const page = await open(`sagas/${saga.sagaId}`);
  const late = await open(`sagas/${saga.sagaId}`);
  await late.getByRole('button', { name: 'Retry rent_car' }).click();
  await page.getByRole('button', { name: 'Skip rent_car' }).click();
  assert.match(await textOf(page.getByRole('dialog')), /If rent_car comes after the pivot: takes it as not needed/);
  await decide(page, {});
  await page.getByText('ended: it changes no more').waitFor();
  assert.match(await textOf(page.locator('.step-list')), /rent_car skipped/);
  await decide(late, {});
  await late.getByRole('dialog').getByText('STEP_NOT_PARKED').waitFor();
  await leave(late);
  await leave(page);
});

test('a saga is cancelled', async (t) => {
  t.after(() => cluster.scenario({}));
  cluster.scenario({ delayMs: 60_000 });
  cluster.order('cancel');
  const saga = await cluster.saga('place-order', 'cancel', (it) => it.steps[4].state === 'STATE_IN_FLIGHT');
  const page = await open(`sagas/${saga.sagaId}`);
  await page
    .locator('.node')
    .filter({ hasText: 'charge' })
    .getByText(/^in flight/)
    .waitFor();
  assert.match(await page.locator('.node').filter({ hasText: 'confirm_stock' }).textContent(), /pending/);
  await page.getByRole('button', { name: 'Cancel saga' }).click();
  await decide(page, { actor: 'kim', reason: 'the buyer called' });
  await page.locator('.timeline').getByText('cancel was asked for').waitFor();
  cluster.scenario({});
  await page.getByText('ended: it changes no more').waitFor();
  assert.match(await textOf(page.locator('.timeline .by-person')), /cancel was asked for kim: the buyer called/);
  await leave(page);
});

test('a stuck step is found', async () => {
  cluster.book(LOSE, { request_id: 'stuck', guest: 'nobody', city: 'no-such-room' });
  const saga = await cluster.saga('lose-room', 'stuck', (it) => it.steps[0].stuck);
  const page = await open('attention');
  const card = page.locator('section[aria-labelledby=stuck] .card').filter({ hasText: saga.sagaId });
  await card.getByText('cancel_room').waitFor();
  assert.match(await textOf(card), /stuck action, attempt [0-9]+ /);
  await page.goto(`${cluster.console}/console/#/sagas?definition=lose-room&stuck=1`);
  await row(page, 'stuck').waitFor();
  await page.getByText('1 stuck, oldest first.').waitFor();
  await page.goto(`${cluster.console}/console/#/attention`);
  await card.getByRole('button', { name: 'Skip cancel_room' }).click();
  await decide(page, {});
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  await card.waitFor({ state: 'detached' });
  await leave(page);
});

test('a saga that waits says for how long, and leads to what its end has started and back', async () => {
  const faults = [];
  cluster.book(VISA, { request_id: 'visa', country: SILENT_EMBASSY });
  const saga = await cluster.saga('wait-for-visa', 'visa', (it) => it.steps[0].pendingAnswers > 1);
  const page = await open('sagas?definition=wait-for-visa', { faults });
  await row(page, 'visa').waitFor();
  assert.match(await textOf(row(page, 'visa')), /apply waits, at most until /);
  await page.getByLabel('Waiting only').check();
  await page.getByLabel('Definition', { exact: true }).fill('');
  await page.getByRole('button', { name: 'Show' }).click();
  await page.getByText('1 waiting, oldest first.').waitFor();
  assert.equal(new URL(page.url()).hash, '#/sagas?waiting=1');
  assert.equal(await page.locator('tbody tr').count(), 1);
  assert.deepEqual(await findings(page), []);
  await row(page, 'visa').getByRole('link').click();

  const step = page.locator('.step-list li').filter({ hasText: 'apply' });
  await step.getByText(/not finished at [0-9]+ answers/).waitFor();
  assert.match(await textOf(step), /waiting action, attempt [0-9]+, .*not finished at [0-9]+ answers, at most until /);
  await page.getByText('are answered for now').waitFor();
  const answers = async () => Number(/not finished at ([0-9]+)/.exec(await textOf(step))[1]);
  const before = await answers();
  await until('the page sees more answers', async () => (await answers()) > before);
  await step.getByRole('button', { name: 'Resolve apply' }).click();
  await decide(page, { reply: '{"number": "VISA-0"}' });
  await page.getByText('Has started').waitFor();
  assert.equal(await page.getByText('are answered for now').count(), 0);
  const child = page.locator('.facts .child');
  await until('what follows has ended', async () => (await textOf(child)).endsWith('after-visa completed'));
  assert.deepEqual(await findings(page), []);
  await child.getByRole('link').click();
  await page.locator('.timeline').getByText('born of the end of another saga').waitFor();
  await page.locator('.facts').getByRole('link', { name: saga.sagaId }).click();
  await page.locator('.facts .child').waitFor();
  await page.goto(`${cluster.console}/console/#/sagas?waiting=1`);
  await page.getByText('No saga is waiting.').waitFor();
  await leave(page, faults);
});

test('everything is reached by Tab and Enter', async () => {
  const saga = await parkedTour('keys');
  const page = await open('sagas?state=STATE_PARKED&definition=book-tour');
  await row(page, 'keys').waitFor();
  await tabTo(page, saga.sagaId);
  await page.keyboard.press('Enter');
  await page.getByRole('button', { name: 'Retry rent_car' }).waitFor();
  assert.equal(await focused(page), 'Saga');
  await tabTo(page, 'Retry rent_car');
  await page.keyboard.press('Enter');
  await page.getByRole('dialog').waitFor();
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  assert.equal(await focused(page), 'Retry rent_car');
  await tabTo(page, 'Skip rent_car');
  await page.keyboard.press('Enter');
  await page.keyboard.type('kim');
  await page.keyboard.press('Tab');
  await page.keyboard.type('not needed');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Space');
  await tabTo(page, 'Skip rent_car');
  await page.keyboard.press('Enter');
  await page.getByText('ended: it changes no more').waitFor();
  await leave(page);
});

test('the gateway goes and comes: the page says so, keeps what it shows, and goes on by itself', async () => {
  await cluster.order('away');
  const page = await open('sagas');
  await row(page, 'away').waitFor();
  // The pauses that the page says it makes, milliseconds.
  await page.evaluate(() => {
    globalThis.pauses = [];
    const note = () =>
      globalThis.pauses.push(new Date(document.querySelector('#trouble time:last-of-type').dateTime) - Date.now());
    new MutationObserver(note).observe(document.getElementById('trouble'), { childList: true });
  });
  await cluster.killGateway();
  await page.getByRole('alert').getByText('The gateway does not answer.').waitFor();
  assert.match(await textOf(page.getByRole('alert')), /What stands below is of .* Tried again at/);
  assert.equal(await row(page, 'away').count(), 1);
  await page.waitForFunction(() => globalThis.pauses.length >= 3);
  const [first, , third] = await page.evaluate(() => globalThis.pauses);
  assert.ok(first < 1300 && third > 2900, `the pauses are ${first} and later ${third} ms`);
  await cluster.startGateway();
  await page.getByRole('alert').waitFor({ state: 'hidden' });
  await cluster.order('away-after');
  await row(page, 'away-after').waitFor();
  await leave(page);
});

test('the orchestrator goes and comes, and the stream with it', async () => {
  await parkedTour('stays');
  const page = await open('sagas');
  await cluster.killOrchestrator();
  await page.getByRole('alert').getByText('SERVICE_UNREACHABLE').waitFor();
  await cluster.startOrchestrator();
  await page.getByRole('alert').waitFor({ state: 'hidden' });
  await page.locator('#link[data-how=stream]').waitFor();
  await leave(page);
});

test('who is not allowed is told so in the words of the server', async () => {
  const page = await open('sagas');
  let refusals = 0;
  await page.route('**/api/v1/**', (route) => {
    ++refusals;
    return route.fulfill({
      status: 403,
      contentType: 'application/json',
      body: JSON.stringify({ code: 7, message: 'operators only', details: [] }),
    });
  });
  await cluster.order('not-allowed');  // a page that is told of changes asks at the next one
  await page.getByRole('alert').getByText('Not allowed.').waitFor();
  assert.match(await textOf(page.getByRole('alert')), /operators only/);
  await until('the pauses are long enough to press', () => refusals >= 5);
  await page.unroute('**/api/v1/**');
  await page.getByRole('button', { name: 'Try now' }).click();
  await page.getByRole('alert').waitFor({ state: 'hidden' });
  await leave(page);
});

test('a saga that is not there is said to be gone; one that was shown stays', async () => {
  const page = await open('sagas/00000000-0000-7000-8000-000000000000');
  await page.getByRole('alert').getByText('There is no such saga.').waitFor();
  const saga = await parkedTour('gone');
  await page.goto(`${cluster.console}/console/#/sagas/${saga.sagaId}`);
  await page.locator('.step-list').getByText('rent_car').waitFor();
  const answer = { code: 5, message: 'purged', details: [{ reason: 'SAGA_NOT_FOUND', domain: 'saga.unwind' }] };
  await page.route('**/api/v1/sagas/*', (route) => route.fulfill({ status: 404, json: answer }));
  await page.getByRole('alert').getByText('There is no such saga.').waitFor();
  assert.match(await textOf(page.locator('.step-list')), /rent_car parked/);
  await leave(page);
});

test('a request whose answer is lost is told as not known', async () => {
  const saga = await parkedTour('lost');
  const page = await open(`sagas/${saga.sagaId}`);
  await page.getByRole('button', { name: 'Retry rent_car' }).click();
  await page.route('**/*:retry', (route) => route.abort());
  await decide(page, {});
  await page.getByRole('dialog').getByText('Whether it was done is not known').waitFor();
  await leave(page);
});

test('what the gateway or the store leaves open is not known; all else is refused', async () => {
  const saga = await parkedTour('three');
  const page = await open(`sagas/${saga.sagaId}`);
  await page.getByRole('button', { name: 'Retry rent_car' }).click();
  const dialog = page.getByRole('dialog');
  const told = async (status, info) => {
    const answer = { code: 2, message: 'as the test says', details: info ? [info] : [] };
    await page.route('**/*:retry', (route) => route.fulfill({ status, json: answer }));
    await decide(page, { actor: '' });
    const word = `${info?.reason ?? `HTTP ${status}`}`;
    await dialog.getByText(word, { exact: false }).waitFor();
    await page.unroute('**/*:retry');
    return textOf(dialog.getByRole('alert'));
  };
  for (const [status, reason, domain] of [
    [504, 'GATEWAY_TIMEOUT', 'gateway.unwind'],
    [503, 'SERVICE_UNREACHABLE', 'gateway.unwind'],
    [503, 'STORE_UNAVAILABLE', 'saga.unwind'],
  ]) {
    assert.match(await told(status, { reason, domain }), /^Not known: .* Whether it was done is not known/);
  }
  assert.match(await told(500), /^Not known: HTTP 500/);
  for (const [status, reason, domain] of [
    [503, 'SAGA_MOVED', 'saga.unwind'],
    [403, 'FOREIGN_ORIGIN', 'gateway.unwind'],
  ]) {
    const words = await told(status, { reason, domain });
    assert.match(words, /^Refused: /);
    assert.doesNotMatch(words, /not known/);
  }
  const denied = { reason: 'CALLER_NOT_ALLOWED', domain: 'saga.unwind', metadata: { denied: 'actor' } };
  assert.match(await told(403, denied), /^Refused: .* leave that field empty/);
  await leave(page);
});

// The saga turns while the dialog is open. What the dialog said the verb does would not be what it does.
test('a verb says how the saga stood when the dialog was opened', async () => {
  const saga = await parkedTour('seen');
  const page = await open(`sagas/${saga.sagaId}`);
  await page.getByRole('button', { name: 'Skip rent_car' }).click();
  const asked = [];
  await page.route('**/*:skip', (route) => {
    const body = route.request().postDataJSON();
    asked.push([body.seenDirection, body.seenPhase]);
    return route.continue({ postData: JSON.stringify({ ...body, seenDirection: 'DIRECTION_BACKWARD' }) });
  });
  await decide(page, {});
  await page.getByRole('dialog').getByText('Refused: SAGA_MOVED').waitFor();
  assert.deepEqual(asked, [['DIRECTION_FORWARD', 'PHASE_ACTION']]);
  assert.equal((await cluster.saga('book-tour', 'seen')).version, saga.version);
  await page.unroute('**/*:skip');
  await decide(page, {});
  await page.getByText('ended: it changes no more').waitFor();
  await leave(page);
});

test('definitions are drawn, with their unfinished sagas', async () => {
  await cluster.order('drawn');
  await parkedTour('drawn-tour');
  const page = await open('definitions');
  const order = page.locator('.card').filter({ hasText: 'place-order' });
  await order.getByRole('img').waitFor();
  assert.equal(await order.locator('.arrow:not(.dashed)').count(), 4);
  const tour = page.locator('.card').filter({ hasText: 'book-tour' });
  await tour.getByRole('link', { name: /parked/ }).click();
  await row(page, 'drawn-tour').waitFor();
  assert.equal(await page.getByLabel('State').inputValue(), 'STATE_PARKED');
  await leave(page);
});

test('a definition is paused and resumed, by the keys alone, and every page that should says so', async () => {
  const faults = [];
  const note = 'orders are taken again at ten';
  const page = await open('definitions', { faults });
  const card = page.locator('.card').filter({ hasText: 'place-order' });
  await card.getByRole('button', { name: 'Pause place-order' }).waitFor();
  await tabTo(page, 'Pause place-order');
  await page.keyboard.press('Enter');
  await page.getByRole('dialog').getByText('Those that have started go on to their end.').waitFor();
  await page.keyboard.press('Escape');
  assert.equal(await focused(page), 'Pause place-order');
  assert.equal((await cluster.order('before-pause')).status, 200);
  await page.keyboard.press('Enter');
  await page.keyboard.type('kim');
  await page.keyboard.press('Tab');
  await page.keyboard.type(note);
  await tabTo(page, 'Pause place-order');
  await page.keyboard.press('Enter');
  await card.getByText('place-order is paused').waitFor();
  assert.match(await textOf(card.locator('.paused')), new RegExp(`by kim. Callers are told: ${note}$`));
  assert.equal(await focused(page), 'Resume place-order');
  assert.match(await (await cluster.order('paused')).text(), new RegExp(`DEFINITION_PAUSED.*${note}`));
  assert.equal((await cluster.order('before-pause')).status, 200);
  assert.deepEqual(await findings(page), []);

  const other = await open('attention', { faults });
  await other.locator('.paused').getByText('place-order is paused').waitFor();
  assert.deepEqual(await findings(other), []);
  await card.getByRole('button', { name: 'Resume place-order' }).click();
  await page.getByRole('dialog').getByText(note).waitFor();
  await page.getByRole('dialog').getByRole('button', { name: 'Resume place-order' }).click();
  await card.locator('.paused').waitFor({ state: 'detached' });
  await other.locator('.paused').waitFor({ state: 'detached' });
  assert.equal((await cluster.order('paused')).status, 200);
  await leave(other, faults);
  await leave(page, faults);
});

test('a saga that was listed twice leaves no card behind', async () => {
  const page = await open('attention');
  const shown = await page.evaluate(async () => {
    const { h, keep } = await import('/console/dom.js');
    const list = h('ul');
    const show = (...keys) => {
      keep(list, keys, { key: (it) => it, make: () => h('li'), update: (element, it) => element.append(it) });
      return list.textContent;
    };
    return [show('a', 'b', 'a'), show('b', 'c'), show()];
  });
  assert.deepEqual(shown, ['ab', 'bc', '']);
  await leave(page);
});

test('of a long history it is said how much is shown, and there is more for who asks', async () => {
  await cluster.order('long');
  const saga = await cluster.saga('place-order', 'long', (it) => it.state === 'STATE_COMPLETED');
  const entries = 4500;
  const page = await open('sagas');
  await page.route(`**/api/v1/sagas/${saga.sagaId}`, (route) =>
    route.fulfill({ json: { ...saga, version: String(entries) } }),
  );
  await page.route(`**/api/v1/sagas/${saga.sagaId}/history?*`, (route) => {
    const query = new URL(route.request().url()).searchParams;
    const after = Number(query.get('pageToken') ?? 0);
    const upTo = Math.min(entries, after + Number(query.get('pageSize')));
    const page = Array.from({ length: upTo - after }, (_, i) => ({
      seq: String(after + i + 1),
      event: 'ticked',
      time: saga.createTime,
      state: saga.state,
    }));
    return route.fulfill({ json: { entries: page, nextPageToken: upTo < entries ? String(upTo) : '' } });
  });
  await visit(page, `sagas/${saga.sagaId}`);
  const more = page.getByRole('button', { name: 'Show more' });
  const shown = () => page.locator('.timeline > li').count();
  await page.getByText('The first 2,000 of 4,500 entries.').waitFor();
  assert.equal(await shown(), 2000);
  await more.click();
  await page.getByText('The first 4,000 of 4,500 entries.').waitFor();
  assert.equal(await shown(), 4000);
  await more.click();
  await more.waitFor({ state: 'detached' });
  assert.equal(await shown(), entries);
  await leave(page);
});

test('an address that was mangled on its way is read, or said not to be', async () => {
  const faults = [];
  await cluster.order('mangled');
  const saga = await cluster.saga('place-order', 'mangled');
  const page = await open('sagas%3Fdefinition%3Dplace-order%26key%3Dmangled', { faults });
  await row(page, 'mangled').waitFor();
  assert.equal(await page.locator('tbody tr').count(), 1);
  await visit(page, `sagas/${saga.sagaId.replaceAll('-', '%2D')}`);
  await page.getByText('ended: it changes no more').waitFor();
  for (const address of ['toString', 'saga/1']) {
    await visit(page, address);
    await page.getByText(`There is no page "${address.split('/')[0]}".`).waitFor();
    assert.equal(new URL(page.url()).hash, '#/sagas');
  }
  await visit(page, 'sagas?from=yesterday');
  await page.getByRole('alert').getByText(/createTimeFrom|create_time_from|yesterday/).waitFor();
  assert.equal(await page.getByLabel('Started from').inputValue(), '');
  await leave(page, faults);
});

test('rates are counted from what was seen', async () => {
  await parkedTour('rate');  // an order would start followers too
  const page = await open('rates');
  const started = page.getByRole('img', { name: /^Started: [1-9]/ });
  await started.waitFor();
  const count = async () => Number((await started.getAttribute('aria-label')).match(/\d+/)[0]);
  const before = await count();
  await parkedTour('rate-more');
  await until('one more is counted', async () => (await count()) === before + 1);
  await leave(page);
});

test('nothing is kept in the browser, and no text can become markup', async () => {
  const page = await open('sagas');
  assert.deepEqual(await page.evaluate(() => [localStorage.length, sessionStorage.length, document.cookie]), [
    0,
    0,
    '',
  ]);
  const refused = await page.evaluate(() => {
    try {
      document.body.innerHTML = '<b>markup</b>';
      return '';
    } catch (error) {
      return error.name;
    }
  });
  assert.equal(refused, 'TypeError');
  await page.context().close();
});

test("times are the reader's own, with UTC in the title; motion is left out for who asks for it", async () => {
  await cluster.order('time');
  const saga = await cluster.saga('place-order', 'time');
  const page = await open('sagas?definition=place-order&key=time', {
    timezoneId: 'Asia/Seoul',
    reducedMotion: 'reduce',
  });
  const time = row(page, 'time').locator('time').first();
  const utc = saga.createTime.slice(0, 19).replace('T', ' ');
  assert.match(await time.getAttribute('title'), new RegExp(`^${utc}\\.\\d{3} UTC$`));
  const seoul = new Date(new Date(saga.createTime).getTime() + 9 * 3_600_000).toISOString().slice(11, 19);
  assert.match(await time.textContent(), new RegExp(`${seoul}$`));
  const button = page.getByRole('button', { name: 'Show' });
  assert.equal(await button.evaluate((it) => getComputedStyle(it).transitionDuration), '0s');
  await leave(page);
});

test('a time that stays on the page gets its day, and an age grows', async () => {
  await cluster.order('old');
  await parkedTour('old-tour');
  const page = await open('sagas?definition=place-order&key=old');
  await page.clock.install({ time: new Date() });
  await visit(page, 'sagas?definition=place-order&key=old');
  const started = row(page, 'old').locator('time').first();
  assert.match(await started.textContent(), /^[0-9:]{8}$/);
  await page.clock.fastForward(36 * 3_600_000);
  await until('the day is said', async () => /^[0-9]+ [A-Z][a-z]+ [0-9:]{8}$/.test(await started.textContent()));
  await visit(page, 'definitions');
  const oldest = page.locator('.card').filter({ hasText: 'book-tour' }).locator('time').first();
  const before = await oldest.textContent();
  await page.clock.fastForward(3 * 86_400_000);
  await until('it is older', async () => (await oldest.textContent()) !== before);
  await leave(page);
});

test('axe has no serious finding in light and in dark, and nothing scrolls sideways at 360 px', async () => {
  const saga = await parkedTour('axe');
  await cluster.order('axe-order');
  const order = await cluster.saga('place-order', 'axe-order');
  const addresses = [
    'sagas',
    'sagas?key=bad',
    'attention',
    'definitions',
    'rates',
    `sagas/${order.sagaId}`,
    `sagas/${saga.sagaId}`,
  ];
  for (const [colorScheme, width] of [
    ['light', 1200],
    ['dark', 1200],
    ['light', 360],
  ]) {
    const page = await open('sagas', { colorScheme, viewport: { width, height: 800 } });
    const judge = async (what) => {
      assert.deepEqual(await findings(page), [], `${what}, ${colorScheme}, ${width}`);
      assert.ok((await sideways(page)) <= 0, `${what} scrolls sideways at ${width}`);
    };
    for (const address of addresses) {
      await visit(page, address);
      await judge(address);
    }
    await page.getByRole('button', { name: 'Resolve rent_car' }).click();
    await judge('asking');
    await leave(page);
  }
});
