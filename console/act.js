// What a person may do to a saga or a definition: each verb says what it does and what must be true before, asks for who
// and why, and shows a refusal as the server says it.
import { cancelSaga, moveStep, pauseDefinition, resumeDefinition } from './api.js';
import { h } from './dom.js';
import { time } from './times.js';
import { phaseWord } from './words.js';

const LOOKED = 'I have looked, and it is so. Nobody checks what I say here.';

const keyOf = (saga, step) => `${saga.sagaId}/${step.name}/${phaseWord(step.phase)}`;
const goesBack = (saga) => saga.direction === 'DIRECTION_BACKWARD';

function retryTexts(saga, step) {
  return {
    does:
      `Sends the ${phaseWord(step.phase)} of ${step.name} again now, under the same idempotency key. ` +
      'Refusals count from 0 again.',
    needs:
      'What kept it from succeeding is mended. It is safe even if the call took effect before: ' +
      'under one key a participant carries it out once.',
  };
}

function skipTexts(saga, step) {
  if (goesBack(saga)) {
    return {
      does: `Takes ${step.name} as undone, without a call. The saga goes on undoing the others.`,
      needs: `What ${step.name} did is undone by other means, or it never did anything.`,
    };
  }
  if (step.phase === 'PHASE_RESOLVE') {
    return {
      does: `Takes ${step.name}, the pivot, as never happened. The saga turns back and undoes what was done before it.`,
      needs: `${step.name} did not happen and never will.`,
    };
  }
  return {
    does:
      `If ${step.name} comes after the pivot: takes it as not needed; where its reply is read, it is empty. ` +
      'If it is the pivot or comes before it: takes it as never happened, and the saga turns back.',
    needs: `After the pivot: nobody needs ${step.name} or reads its reply. Else: it did not happen and never will.`,
  };
}

function resolveTexts(saga, step) {
  if (step.phase === 'PHASE_COMPENSATION') {
    return {
      does: `Takes the compensation of ${step.name} as done, without a call.`,
      needs: `What ${step.name} did is undone by other means.`,
    };
  }
  return {
    does:
      `Takes ${step.name} as succeeded, with the reply that you give. Later steps and the response read it.` +
      (goesBack(saga) ? ' Since the saga goes back, the step is then compensated.' : ''),
    needs: `${step.name} happened, and you know what it answered.`,
  };
}

const cancelTexts = () => ({
  does:
    'Asks the saga to go back. If its pivot was not sent, all that was done is undone. If it was sent, the outcome ' +
    'stands, and a pivot whose outcome is unknown is resolved at once. An ended saga stays as it is.',
  needs: 'It should not go on.',
});

// unchecked: the server believes it, so the person confirms having looked.
const VERBS = {
  retry: { name: 'Retry', texts: retryTexts },
  skip: { name: 'Skip', texts: skipTexts, unchecked: true },
  resolve: { name: 'Resolve', texts: resolveTexts, unchecked: true },
  cancel: { name: 'Cancel saga', texts: cancelTexts },
};

let actor = '';  // asked for once as long as the page is open; kept nowhere

const text = (label, input) => h('label', {}, h('span', {}, label), input);
const whoField = () =>
  text(
    'Who decides; leave it empty where a certificate says it',
    h('input', { name: 'actor', maxlength: 64, value: actor, autocomplete: 'off' }),
  );
const whyField = (label) =>
  text(label, h('textarea', { name: 'reason', rows: 2, required: true, maxlength: 256 }));

function fields({ unchecked }, wantsReply) {
  return [
    wantsReply &&
      text(
        'Reply, as JSON of the action\u2019s response',
        h('textarea', { name: 'reply', rows: 4, required: true, spellcheck: 'false', class: 'code' }),
      ),
    whoField(),
    whyField('Why; it stays in the history'),
    unchecked &&
      h(
        'label',
        { class: 'check' },
        h('input', { name: 'looked', type: 'checkbox', required: true }),
        h('span', {}, LOOKED),
      ),
  ];
}

function refusal(error, ifNotKnown) {
  const what = error.reason || (error.status ? `HTTP ${error.status}` : 'no answer');
  return [
    h('b', {}, `${error.notKnown ? 'Not known' : 'Refused'}: ${what}`),
    ` ${error.words}`,
    error.notKnown && ` Whether it was done is not known: ${ifNotKnown}`,
    error.reason === 'CALLER_NOT_ALLOWED' &&
      error.denied === 'actor' &&
      ' The server knows from your certificate who decides: leave that field empty.',
  ];
}

// Who decides and why, as the form says it.
function decided(form) {
  actor = form.elements.actor.value.trim();
  return { actor, reason: form.elements.reason?.value.trim() };
}

// With how the saga and its step stood when the dialog said what the verb does: of another direction or phase it would
// do something else, and is refused.
function send(verb, saga, step, form) {
  const body = decided(form);
  if (form.elements.reply) body.replyJson = form.elements.reply.value;
  if (verb === 'cancel') return cancelSaga(saga.sagaId, body);
  return moveStep(saga.sagaId, step.name, verb, { ...body, seenDirection: saga.direction, seenPhase: step.phase });
}

// Asks, and does it by act(form). facts: [term, description] each. done(answer): it was done.
function openDialog({ title, about, facts, fields: inputs, ifNotKnown, act, done }) {
  const refused = h('div', { class: 'refusal', role: 'alert' });
  const go = h('button', { type: 'submit', class: 'go' }, title);
  const close = h('button', { type: 'button', onclick: () => dialog.close() }, 'Leave it');
  const form = h(
    'form',
    {},
    h('h2', { id: 'ask-title' }, title),
    h('p', { class: 'quiet id' }, about),
    h(
      'dl',
      {},
      facts.filter(Boolean).map(([term, ...what]) => [h('dt', {}, term), h('dd', {}, what)]),
    ),
    inputs,
    refused,
    h('div', { class: 'buttons' }, go, close),
  );
  const dialog = h('dialog', { 'aria-labelledby': 'ask-title' }, form);
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    go.disabled = true;
    refused.replaceChildren();
    try {
      const answer = await act(form);
      dialog.close();
      done(answer);
    } catch (error) {
      refused.replaceChildren(...refusal(error, ifNotKnown).filter(Boolean));
    }
    go.disabled = false;
  });
  const asker = document.activeElement;
  dialog.addEventListener('close', () => {
    dialog.remove();
    if (asker?.isConnected) asker.focus();
    else document.querySelector('main h1')?.focus();
  });
  document.body.append(dialog);
  dialog.showModal();
}

// Asks, and does it. done(saga, words): it was done, and so the saga stands. step: undefined for cancel.
export function ask(verb, saga, step, done) {
  const it = VERBS[verb];
  const { does, needs } = it.texts(saga, step);
  const title = step ? `${it.name} ${step.name}` : it.name;
  openDialog({
    title,
    about: saga.sagaId,
    facts: [
      ['What it does', does],
      ['What must be true', needs],
      step && [
        'Where to look',
        'In the participant\u2019s own books, under the key ',
        h('code', {}, keyOf(saga, step)),
      ],
    ],
    fields: fields(it, verb === 'resolve' && step.phase !== 'PHASE_COMPENSATION'),
    ifNotKnown: 'look at the saga before you do it again.',
    act: (form) => send(verb, saga, step, form),
    done: (after) => done(after, `${title}: done.`),
  });
}

const PAUSE_FIELD = 'Why; who would start one is told';

// Asks whether no saga of a definition is to start any more, and does it. done(words): it was done.
export function askPause({ name }, done) {
  const title = `Pause ${name}`;
  openDialog({
    title,
    about: name,
    facts: [
      [
        'What it does',
        `No saga of ${name} starts any more, of any version and at any instance, until it is resumed. Who would start ` +
          'one is told that it is paused, and why. Those that have started go on to their end.',
      ],
      ['When', 'At the instance that answers at once, at the others within two seconds; restarts do not end it.'],
    ],
    fields: [whoField(), whyField(PAUSE_FIELD)],
    ifNotKnown: 'do it again, or look how it stands.',
    act: (form) => pauseDefinition(name, decided(form)),
    done: () => done(`${title}: done.`),
  });
}

// The contrary.
export function askResume({ name, pause }, done) {
  const title = `Resume ${name}`;
  openDialog({
    title,
    about: name,
    facts: [
      ['What it does', `Sagas of ${name} start again, at each instance within two seconds.`],
      ['It is paused since', time(pause.pauseTime), ` by ${pause.actor}: ${pause.reason}`],
    ],
    fields: [whoField()],
    ifNotKnown: 'do it again, or look how it stands.',
    act: (form) => resumeDefinition(name, { actor: decided(form).actor }),
    done: () => done(`${title}: done.`),
  });
}

// The buttons of a step that takes a verb. current(): {saga, step} as they stand when a button is pressed.
export function verbButtons(name, current, done) {
  return h(
    'div',
    { class: 'buttons' },
    ['retry', 'skip', 'resolve'].map((verb) =>
      h(
        'button',
        {
          type: 'button',
          'aria-label': `${VERBS[verb].name} ${name}`,
          onclick: () => {
            const { saga, step } = current();
            ask(verb, saga, step, done);
          },
        },
        VERBS[verb].name,
      ),
    ),
  );
}
