// What a person may do to a saga: each verb says what it does and what must be true before, asks for who and why, and
// shows a refusal as the server says it.
import { cancelSaga, moveStep } from './api.js';
import { h } from './dom.js';
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

function fields({ unchecked }, wantsReply) {
  const text = (label, input) => h('label', {}, h('span', {}, label), input);
  return [
    wantsReply &&
      text(
        'Reply, as JSON of the action\u2019s response',
        h('textarea', { name: 'reply', rows: 4, required: true, spellcheck: 'false', class: 'code' }),
      ),
    text(
      'Who decides; leave it empty where a certificate says it',
      h('input', { name: 'actor', maxlength: 64, value: actor, autocomplete: 'off' }),
    ),
    text('Why; it stays in the history', h('textarea', { name: 'reason', rows: 2, required: true, maxlength: 256 })),
    unchecked &&
      h(
        'label',
        { class: 'check' },
        h('input', { name: 'looked', type: 'checkbox', required: true }),
        h('span', {}, LOOKED),
      ),
  ];
}

function refusal(error) {
  const what = error.reason || (error.status ? `HTTP ${error.status}` : 'no answer');
  return [
    h('b', {}, `${error.notKnown ? 'Not known' : 'Refused'}: ${what}`),
    ` ${error.words}`,
    error.notKnown && ' Whether it was done is not known: look at the saga before you do it again.',
    error.reason === 'CALLER_NOT_ALLOWED' &&
      error.denied === 'actor' &&
      ' The server knows from your certificate who decides: leave that field empty.',
  ];
}

// With how the saga and its step stood when the dialog said what the verb does: of another direction or phase it would
// do something else, and is refused.
function send(verb, saga, step, form) {
  const body = { actor: form.elements.actor.value.trim(), reason: form.elements.reason.value.trim() };
  actor = body.actor;
  if (form.elements.reply) body.replyJson = form.elements.reply.value;
  if (verb === 'cancel') return cancelSaga(saga.sagaId, body);
  return moveStep(saga.sagaId, step.name, verb, { ...body, seenDirection: saga.direction, seenPhase: step.phase });
}

// Asks, and does it. done(saga, words): it was done, and so the saga stands. step: undefined for cancel.
export function ask(verb, saga, step, done) {
  const it = VERBS[verb];
  const { does, needs } = it.texts(saga, step);
  const wantsReply = verb === 'resolve' && step.phase !== 'PHASE_COMPENSATION';
  const refused = h('div', { class: 'refusal', role: 'alert' });
  const title = step ? `${it.name} ${step.name}` : it.name;
  const go = h('button', { type: 'submit', class: 'go' }, title);
  const close = h('button', { type: 'button', onclick: () => dialog.close() }, 'Leave it');
  const form = h(
    'form',
    {},
    h('h2', { id: 'ask-title' }, title),
    h('p', { class: 'quiet id' }, saga.sagaId),
    h(
      'dl',
      {},
      h('dt', {}, 'What it does'),
      h('dd', {}, does),
      h('dt', {}, 'What must be true'),
      h('dd', {}, needs),
      step && [
        h('dt', {}, 'Where to look'),
        h('dd', {}, 'In the participant\u2019s own books, under the key ', h('code', {}, keyOf(saga, step))),
      ],
    ),
    fields(it, wantsReply),
    refused,
    h('div', { class: 'buttons' }, go, close),
  );
  const dialog = h('dialog', { 'aria-labelledby': 'ask-title' }, form);
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    go.disabled = true;
    refused.replaceChildren();
    try {
      const after = await send(verb, saga, step, form);
      dialog.close();
      done(after, `${title}: done.`);
    } catch (error) {
      refused.replaceChildren(...refusal(error).filter(Boolean));
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
