// How many sagas start and end, as small charts from what this page has seen: it asks for the newest now and then, and
// remembers. No measurement for an alert: that is what /metrics is for.
import { listSagas } from './api.js';
import { h, renew, s } from './dom.js';
import { Live } from './live.js';
import { note, seenSagas } from './seen.js';
import { span } from './times.js';

const EVERY_MS = 3000;
const PAGE = 500;
const BARS = 60;
const BAR_MS = 10_000;
const CHART = { width: 300, height: 64 };

const CHARTS = [
  { title: 'Started', tone: 'go', at: (saga) => saga.created },
  { title: 'Completed', tone: 'good', at: (saga) => (saga.state === 'STATE_COMPLETED' ? saga.updated : 0) },
  { title: 'Aborted', tone: 'calm', at: (saga) => (saga.state === 'STATE_ABORTED' ? saga.updated : 0) },
  { title: 'Parked', tone: 'bad', at: (saga) => (saga.state === 'STATE_PARKED' ? saga.updated : 0) },
];

// Sagas in each of the last BARS times of BAR_MS, the newest last.
function barsOf(sagas, at, now) {
  const bars = new Array(BARS).fill(0);
  for (const saga of sagas) {
    const age = Math.floor((now - at(saga)) / BAR_MS);
    if (age >= 0 && age < BARS) bars[BARS - 1 - age] += 1;
  }
  return bars;
}

function chart({ title, tone }, bars) {
  const most = Math.max(1, ...bars);
  const sum = bars.reduce((a, b) => a + b, 0);
  const step = CHART.width / BARS;
  const words = `${title}: ${sum} in the last 10 minutes, at most ${Math.max(...bars)} in 10 s`;
  return h(
    'figure',
    {},
    h('figcaption', {}, h('b', {}, title), h('b', { class: 'sum' }, sum)),
    s(
      'svg',
      {
        class: `chart ${tone}`,
        role: 'img',
        'aria-label': words,
        viewBox: `0 0 ${CHART.width} ${CHART.height}`,
        preserveAspectRatio: 'none',
      },
      s('line', { x1: 0, x2: CHART.width, y1: CHART.height - 0.5, y2: CHART.height - 0.5 }),
      bars.map(
        (count, i) =>
          count > 0 &&
          s('rect', {
            x: (i * step + 0.5).toFixed(1),
            width: (step - 1).toFixed(1),
            y: ((1 - count / most) * (CHART.height - 2)).toFixed(1),
            height: ((count / most) * (CHART.height - 2)).toFixed(1),
          }),
      ),
    ),
    h(
      'p',
      { class: 'quiet axis', 'aria-hidden': 'true' },
      h('span', {}, '10 min ago'),
      h('span', {}, `at most ${Math.max(...bars)} in 10 s`),
      h('span', {}, 'now'),
    ),
  );
}

function tookText(sagas) {
  const took = sagas
    .filter((saga) => saga.state === 'STATE_COMPLETED')
    .map((saga) => saga.updated - saga.created)
    .sort((a, b) => a - b);
  if (took.length === 0) return 'None of them has completed.';
  const at = (share) => span(took[Math.min(took.length - 1, Math.floor(took.length * share))]);
  return `Of ${took.length} completed ones half took at most ${at(0.5)}, 99 of 100 at most ${at(0.99)}.`;
}

export function showRates(main, _, { tell }) {
  const charts = h('div', { class: 'charts' });
  const summary = h('p', { class: 'quiet' }, 'Looking…');
  main.replaceChildren(
    h('h1', { tabindex: -1 }, 'Rates'),
    summary,
    charts,
    h(
      'p',
      { class: 'quiet' },
      `From what this page has seen: the newest ${PAGE} sagas every ${EVERY_MS / 1000} s, a bar for each ` +
        `${BAR_MS / 1000} s. Where more start meanwhile, some are missing. For alerts there is /metrics.`,
    ),
  );
  async function look(signal) {
    (await listSagas({ pageSize: PAGE }, signal)).sagas.forEach(note);
    const sagas = seenSagas();
    const now = Date.now();
    const all = CHARTS.map((it) => ({ it, bars: barsOf(sagas, it.at, now) }));
    renew(charts, all, () => all.map(({ it, bars }) => chart(it, bars)));
    summary.textContent = `${sagas.length} sagas seen. ${tookText(sagas)}`;
    return false;
  }
  return new Live({ look, everyMs: EVERY_MS, tell });
}
