// What states, events and verbs are called, and by which shape a state is told: never by its colour alone.
import { h, s } from './dom.js';

// Shapes in a box of 16 by 16.
const SHAPES = {
  ring: [['circle', { cx: 8, cy: 8, r: 5 }]],
  dotted: [['circle', { cx: 8, cy: 8, r: 5, 'stroke-dasharray': '2 2' }]],
  forward: [['path', { d: 'M4 3l9 5-9 5z', class: 'full' }]],
  back: [['path', { d: 'M12 3L3 8l9 5z', class: 'full' }]],
  done: [
    ['circle', { cx: 8, cy: 8, r: 6, class: 'full' }],
    ['path', { d: 'M5 8.2l2.2 2.2L11 6', class: 'mark' }],
  ],
  undone: [
    ['rect', { x: 3, y: 3, width: 10, height: 10, rx: 1 }],
    ['path', { d: 'M10.5 8h-5m2-2l-2 2 2 2' }],
  ],
  refused: [['path', { d: 'M4 4l8 8M12 4l-8 8' }]],
  parked: [
    ['path', { d: 'M8 1.5L14.5 8 8 14.5 1.5 8z', class: 'full' }],
    ['path', { d: 'M8 5v3.5m0 1.8v.4', class: 'mark' }],
  ],
  stuck: [
    ['path', { d: 'M8 2l6.5 11.5h-13z', class: 'full' }],
    ['path', { d: 'M8 6v3.2m0 1.8v.4', class: 'mark' }],
  ],
};

const look = (word, shape, tone) => ({ word, shape, tone });
const SAGA = {
  STATE_RUNNING: look('running', 'forward', 'go'),
  STATE_COMPENSATING: look('compensating', 'back', 'back'),
  STATE_COMPLETED: look('completed', 'done', 'good'),
  STATE_ABORTED: look('aborted', 'undone', 'calm'),
  STATE_PARKED: look('parked', 'parked', 'bad'),
};
const STEP = {
  STATE_PENDING: look('pending', 'ring', 'calm'),
  STATE_SKIPPED: look('skipped', 'dotted', 'calm'),
  STATE_IN_FLIGHT: look('in flight', 'forward', 'go'),
  STATE_SUCCEEDED: look('succeeded', 'done', 'good'),
  STATE_REFUSED: look('refused', 'refused', 'bad'),
  STATE_COMPENSATING: look('compensating', 'back', 'back'),
  STATE_COMPENSATED: look('compensated', 'undone', 'calm'),
  STATE_WAITING: look('waiting', 'ring', 'go'),
};
const OUTCOME = {
  OUTCOME_OK: look('OK', 'done', 'good'),
  OUTCOME_REFUSED: look('refused', 'refused', 'bad'),
  OUTCOME_UNKNOWN: look('unknown', 'dotted', 'back'),
  OUTCOME_FENCED: look('fenced', 'undone', 'calm'),
  OUTCOME_PENDING: look('pending', 'ring', 'go'),
};
const PHASE = { PHASE_ACTION: 'action', PHASE_COMPENSATION: 'compensation', PHASE_RESOLVE: 'resolve' };

export const SAGA_STATES = Object.keys(SAGA);
const unknown = (name) =>
  look(
    String(name)
      .replace(/^[A-Z]+_/, '')
      .toLowerCase(),
    'ring',
    'calm',
  );

export const lookOfState = (state) => SAGA[state] ?? unknown(state);
export const lookOfOutcome = (outcome) => OUTCOME[outcome] ?? unknown(outcome);
export function lookOfStep(step) {
  if (step.parked) return look('parked', 'parked', 'bad');
  if (step.stuck) return look('stuck', 'stuck', 'bad');
  return STEP[step.state] ?? unknown(step.state);
}
export const isWaiting = (step) => step.state === 'STATE_WAITING' && !step.parked;
export const phaseWord = (phase) => PHASE[phase] ?? '';
// "compensation, attempt 2", of a step or of a call of one.
export const calledFor = (it) => phaseWord(it.phase) + (it.attempt > 1 ? `, attempt ${it.attempt}` : '');
export const isEnded = (saga) => saga.state === 'STATE_COMPLETED' || saga.state === 'STATE_ABORTED';

export const shapeParts = (shape) => SHAPES[shape].map(([tag, attributes]) => s(tag, attributes));

// The shape alone, for where its word stands beside it or in `title`.
export function shape({ shape: name, tone }, title) {
  const hidden = title ? { role: 'img', 'aria-label': title } : { 'aria-hidden': 'true' };
  return s(
    'svg',
    { class: `shape ${tone}`, viewBox: '0 0 16 16', width: 16, height: 16, ...hidden },
    title && s('title', {}, title),
    shapeParts(name),
  );
}

export const badge = (it) => h('span', { class: `badge ${it.tone}` }, shape(it), it.word);

// "STOCK_NOT_ENOUGH: 3 are left".
export function failure(it) {
  if (!it || !(it.reason || it.message)) return null;
  return h(
    'span',
    { class: 'failure' },
    it.reason && h('b', {}, it.reason),
    it.reason && it.message ? ' ' : '',
    it.message,
  );
}

// Whether an operator's verb may be taken: of a step that is parked or waiting, or whose call failed and is repeated. The
// server decides, and says so.
export function takesVerb(step) {
  const open = step.state === 'STATE_IN_FLIGHT' || step.state === 'STATE_COMPENSATING';
  return Boolean(step.parked || step.stuck || step.state === 'STATE_WAITING' || (open && step.lastFailure));
}
