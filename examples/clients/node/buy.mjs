// buy.mjs ADDRESS KEY PRODUCT PIECES [SECONDS]: buys by REST, and asks again under KEY until it is known what became of the
// order. Prints the order's id. Exit 1: refused, for the reason that it prints. Exit 2: not known within SECONDS (60).
import { setTimeout as pauseFor } from 'node:timers/promises';

const ATTEMPT_MS = 10_000;
const PAUSE_MS = 100;
const PAUSE_MAX_MS = 5_000;
// Nobody decided anything, or not yet.
const ALWAYS = new Set([408, 429, 503]);
// The order stands where it is until an operator has looked at it.
const FOR_AN_OPERATOR = new Set(['SAGA_QUARANTINED', 'STORE_FAILED']);
// These, the gateway's own words and a proxy's: nothing is known.
const saysNothing = (info) => !info || info.domain === 'gateway.unwind' || FOR_AN_OPERATOR.has(info.reason);

// How long the answer asks to wait, by RetryInfo ("1.5s") or by Retry-After (seconds, or a date).
function askedPause(details, retryAfter) {
  const retry = details.find((detail) => detail['@type'].endsWith('/google.rpc.RetryInfo'));
  const seconds = Number(retryAfter ?? 0);
  const after = Number.isNaN(seconds) ? Date.parse(retryAfter) - Date.now() : 1000 * seconds;
  return Math.max(1000 * parseFloat(retry?.retryDelay ?? '0'), after || 0);
}

// { order }, { refused }, or { unknown, pause }.
async function attempt(url, key, order, timeout) {
  let answer;
  let body;
  try {
    answer = await fetch(url, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', 'Idempotency-Key': key },
      body: JSON.stringify(order),
      signal: AbortSignal.timeout(timeout),
    });
    body = await answer.text();
  } catch (error) { // no connection, or none that lasted, or no answer in time
    return { unknown: error.cause?.code ?? error.name, pause: 0 };
  }
  let json = {};
  try {
    json = JSON.parse(body);
  } catch { /* a proxy's words */ }
  if (answer.ok && json.orderId) return { order: json.orderId };
  const details = json.details ?? [];
  const info = details.find((detail) => detail['@type'].endsWith('/google.rpc.ErrorInfo'));
  const said = info?.reason ?? answer.status;
  if (answer.ok || ALWAYS.has(answer.status) || (answer.status >= 500 && saysNothing(info))) {
    return { unknown: said, pause: askedPause(details, answer.headers.get('Retry-After')) };
  }
  return { refused: `${said}: ${json.message ?? body}` };
}

async function buy(url, key, order, milliseconds) {
  const end = Date.now() + milliseconds;
  for (let pause = PAUSE_MS; ; pause = Math.min(2 * pause, PAUSE_MAX_MS)) {
    const outcome = await attempt(url, key, order, Math.min(ATTEMPT_MS, Math.max(1, end - Date.now())));
    if (!outcome.unknown) return outcome;
    console.error('not known yet:', outcome.unknown);
    const wait = Math.max(outcome.pause, Math.random() * pause);
    if (Date.now() + wait >= end) return outcome;
    await pauseFor(wait);
  }
}

// One key for the whole loop: chosen with the order, and kept, so that another process may go on.
const [address, key, product, pieces, seconds = '60'] = process.argv.slice(2);
const order = {
  memberId: 'mina',
  items: [{ productId: product, quantity: Number(pieces) }],
  paymentMethod: 'PAYMENT_METHOD_CARD',
};
const outcome = await buy(`http://${address}/api/v1/orders`, key, order, 1000 * Number(seconds));
if (outcome.order) console.log(outcome.order);
if (outcome.refused) console.error(`refused: ${outcome.refused}`);
if (outcome.unknown) console.error('not known: ask again, under the same key');
process.exitCode = outcome.order ? 0 : outcome.refused ? 1 : 2;
