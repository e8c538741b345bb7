// What waits for a person: parked steps, and those that are repeated for long, each with why and what can be done.
import { listDefinitions, listSagas } from './api.js';
import { ask, verbButtons } from './act.js';
import { pauseNote, pausedOf } from './definitions.js';
import { h, keep, renew } from './dom.js';
import { sagaAddress } from './filters.js';
import { Live } from './live.js';
import { note } from './seen.js';
import { countWords, listBySteps } from './steps.js';
import { time } from './times.js';
import { badge, calledFor, failure, lookOfStep } from './words.js';

const EVERY_MS = 3000;
const PARKED_MAX = 500;  // shown at once: the newest

export function showAttention(main, _, { tell, say }) {
  const standing = new Map();  // sagas by id, as they were last seen
  const parked = h('ul', { class: 'cards' });
  const stuck = h('ul', { class: 'cards' });
  const parkedNote = h('p', { class: 'quiet' }, 'Looking…');
  const stuckNote = h('p', { class: 'quiet' }, 'Looking…');
  const paused = h('div');
  main.replaceChildren(
    h('h1', { tabindex: -1 }, 'Attention'),
    paused,
    h(
      'section',
      { 'aria-labelledby': 'parked' },
      h('h2', { id: 'parked' }, 'Parked'),
      h('p', { class: 'quiet' }, 'A step was refused again and again. Nothing moves it but a person.'),
      parkedNote,
      parked,
    ),
    h(
      'section',
      { 'aria-labelledby': 'stuck' },
      h('h2', { id: 'stuck' }, 'Stuck'),
      h(
        'p',
        { class: 'quiet' },
        'A call has failed for long and is repeated still. Most often its participant is down: ' +
          'once that is mended it goes on by itself.',
      ),
      stuckNote,
      stuck,
    ),
  );

  const done = (saga, words) => {
    say(words);
    live.nudge();
  };

  function card({ id }) {
    const cancel = h(
      'button',
      { type: 'button', onclick: () => ask('cancel', standing.get(id), undefined, done) },
      'Cancel saga',
    );
    return h(
      'li',
      { class: 'card' },
      h('p', { class: 'card-head' }, h('a', { href: sagaAddress(id), class: 'id' }, id), ' ', h('span'), cancel),
      h('ul', { class: 'lines' }),
    );
  }

  function stepItem(id, { name }) {
    const current = () => ({ saga: standing.get(id), step: standing.get(id).steps.find((step) => step.name === name) });
    return h('li', {}, h('p'), h('p'), verbButtons(name, current, done));
  }

  function fill(element, item) {
    element.querySelector('.card-head span').replaceChildren(`${item.definition}, since `, time(item.since));
    keep(element.lastElementChild, item.steps, {
      key: (step) => step.name,
      make: (step) => stepItem(item.id, step),
      update: (line, step) => {
        line.children[0].replaceChildren(
          h('b', {}, step.name),
          ' ',
          badge(lookOfStep(step)),
          ' ',
          h('span', { class: 'quiet' }, calledFor(step)),
        );
        line.children[1].replaceChildren(failure(step.lastFailure) ?? '');
      },
    });
  }

  function show(list, sagas, which) {
    sagas.forEach((saga) => standing.set(saga.sagaId, saga));
    sagas.forEach(note);
    const items = sagas.map((saga) => ({
      id: saga.sagaId,
      definition: saga.definition,
      since: saga.updateTime,
      steps: saga.steps.filter(which),
    }));
    keep(list, items, { key: (item) => item.id, make: card, update: fill });
  }

  async function look(signal) {
    const off = pausedOf((await listDefinitions(signal)).definitions);
    renew(paused, off, () => off.map(pauseNote));
    const waiting = await listSagas({ state: 'STATE_PARKED', pageSize: PARKED_MAX }, signal);
    show(parked, waiting.sagas, (step) => step.parked);
    parkedNote.textContent =
      waiting.sagas.length === 0
        ? 'No saga is parked.'
        : `${waiting.sagas.length} parked${waiting.nextPageToken ? ', and older ones' : ''}, newest first.`;
    const found = await listBySteps({ stuck: '1' }, signal);
    show(stuck, found.sagas, (step) => step.stuck);
    stuckNote.textContent = countWords(found, 'stuck');
    const shown = new Set([...waiting.sagas, ...found.sagas].map((saga) => saga.sagaId));
    for (const id of standing.keys()) if (!shown.has(id)) standing.delete(id);
    return false;
  }
  const live = new Live({ look, everyMs: EVERY_MS, tell });
  return live;
}
