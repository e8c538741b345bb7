// One saga: how it stands, its steps, its drawing, its history.
import { getSaga, watchSaga } from './api.js';
import { ask, verbButtons } from './act.js';
import { h, keep, renew } from './dom.js';
import { addressOf, sagaAddress } from './filters.js';
import { graph } from './graph.js';
import { History } from './history.js';
import { Live } from './live.js';
import { learn, pairsOf } from './order.js';
import { note } from './seen.js';
import { fillCut, fillTimeline, timeline } from './timeline.js';
import { millis, span, time } from './times.js';
import { badge, calledFor, failure, isEnded, isWaiting, lookOfState, lookOfStep, takesVerb } from './words.js';

const EVERY_MS = 1000;

const fact = (term, ...what) => h('div', {}, h('dt', {}, term), h('dd', {}, what));
const wideFact = (term, ...what) => h('div', { class: 'wide' }, h('dt', {}, term), h('dd', {}, what));

const linkTo = (id) => h('a', { href: sagaAddress(id), class: 'id' }, id);

// What its end has started.
const childOf = (child) =>
  h('span', { class: 'child' }, linkTo(child.sagaId), ` ${child.definition} `, badge(lookOfState(child.state)));

function facts(saga) {
  const took = millis(saga.updateTime) - millis(saga.createTime);
  const back = saga.direction === 'DIRECTION_BACKWARD';
  return h(
    'dl',
    { class: 'facts' },
    fact(
      'Definition',
      h('a', { href: addressOf({ definition: saga.definition }) }, saga.definition),
      ` v${saga.definitionVersion}`,
    ),
    fact('Key', h('span', { class: 'id' }, saga.key)),
    fact('Goes', back ? 'back' : 'forward', saga.cancelRequested && ', cancel was asked for'),
    fact('Started', time(saga.createTime)),
    fact(isEnded(saga) ? 'Ended' : 'Last changed', time(saga.updateTime), isEnded(saga) && ` after ${span(took)}`),
    !isEnded(saga) && saga.deadline && fact('Deadline', time(saga.deadline)),
    saga.answeredEarly && fact('Callers', 'are answered for now'),
    fact('Owner', saga.owner),
    fact('Version', saga.version),
    saga.parentId && wideFact('Started by', linkTo(saga.parentId)),
    saga.children?.length > 0 && wideFact('Has started', saga.children.map(childOf)),
  );
}

// What a step's last call came to, in one line.
function lineOf(step) {
  if (!step.phase || step.phase === 'PHASE_UNSPECIFIED') return 'not sent';
  return calledFor(step);
}

const waitOf = ({ pendingAnswers: answers, waitUntil }) =>
  h(
    'span',
    { class: 'quiet' },
    `, not finished at ${answers} ${answers === 1 ? 'answer' : 'answers'}`,
    waitUntil && [', at most until ', time(waitUntil)],
  );

function fillStep(element, step) {
  const [head, why] = element.children;
  const look = lookOfStep(step);
  head.replaceChildren(
    h('b', {}, step.name),
    ' ',
    badge(look),
    ' ',
    h('span', { class: 'quiet' }, lineOf(step)),
    step.nextAttemptTime ? h('span', { class: 'quiet' }, ', again at ', time(step.nextAttemptTime)) : '',
    isWaiting(step) ? waitOf(step) : '',
  );
  why.replaceChildren(failure(step.lastFailure) ?? '');
}

export function showSaga(main, id, { tell, say }) {
  let current;
  let pairs = [];
  const title = h('h1', { tabindex: -1 }, 'Saga');
  const state = h('p', { class: 'saga-state' });
  const actions = h('div', { class: 'buttons' });
  const about = h('div');
  const why = h('div');
  const steps = h('ul', { class: 'step-list' });
  const drawing = h('div');
  const history = timeline();
  const cut = h('div');
  main.replaceChildren(
    h('div', { class: 'head' }, title, h('p', { class: 'id' }, id), state, actions),
    why,
    about,
    h(
      'div',
      { class: 'two' },
      h('section', { 'aria-labelledby': 'steps' }, h('h2', { id: 'steps' }, 'Steps'), steps, drawing),
      h('section', { 'aria-labelledby': 'history' }, h('h2', { id: 'history' }, 'History'), cut, history),
    ),
  );

  const done = (saga, words) => {
    show(saga);
    say(words);
    live.nudge();
  };

  function makeStep({ name }) {
    const verbs = verbButtons(
      name,
      () => ({ saga: current, step: current.steps.find((step) => step.name === name) }),
      done,
    );
    return h('li', {}, h('p'), h('p'), verbs);
  }

  function show(saga) {
    current = saga;
    note(saga);
    renew(state, saga.state, () => badge(lookOfState(saga.state)));
    renew(
      actions,
      isEnded(saga),
      () =>
        !isEnded(saga) &&
        h('button', { type: 'button', onclick: () => ask('cancel', current, undefined, done) }, 'Cancel saga'),
    );
    renew(
      why,
      saga.failure ?? null,
      () =>
        saga.failure &&
        h(
          'p',
          { class: 'why' },
          failure(saga.failure),
          saga.failure.step && h('span', { class: 'quiet' }, ` at ${saga.failure.step}`),
        ),
    );
    renew(about, { ...saga, steps: 0 }, () => facts(saga));
    keep(steps, saga.steps, {
      key: (step) => step.name,
      make: makeStep,
      update: (element, step) => {
        fillStep(element, step);
        element.lastElementChild.hidden = !takesVerb(step);
      },
    });
    renew(drawing, [saga.steps, pairs], () =>
      graph(saga.steps, pairs, `The steps of ${saga.definition} and what they were sent after`),
    );
  }

  const entries = new History(id);
  async function look(signal) {
    const saga = await getSaga(id, signal);
    show(saga);
    const past = await entries.refresh(signal);
    fillTimeline(history, past);
    fillCut(cut, past.length, Number(saga.version), () => {
      entries.raise();
      live.nudge();
    });
    const known = (await learn(saga.definition, saga.definitionVersion, signal)).pairs;
    pairs = [...pairsOf(past), ...known].filter(
      (pair, i, all) => all.findIndex((other) => other.join('>') === pair.join('>')) === i,
    );
    show(saga);
    return isEnded(saga) && (saga.children ?? []).every(isEnded);
  }
  const live = new Live({ look, changes: (signal) => watchSaga(id, signal), everyMs: EVERY_MS, tell });
  return live;
}
