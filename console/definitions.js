// The definitions, their unfinished sagas, and their steps as a drawing.
import { listDefinitions } from './api.js';
import { h, keep } from './dom.js';
import { addressOf } from './filters.js';
import { graph } from './graph.js';
import { Live } from './live.js';
import { learn } from './order.js';
import { time } from './times.js';
import { badge, lookOfState } from './words.js';

const EVERY_MS = 5000;

function counts(definition) {
  const unfinished = definition.unfinished ?? [];
  if (unfinished.length === 0) return h('p', { class: 'quiet' }, 'No unfinished sagas.');
  return h(
    'ul',
    { class: 'counts' },
    unfinished.map((it) =>
      h(
        'li',
        {},
        h(
          'a',
          { href: addressOf({ definition: definition.name, state: it.state }) },
          badge(lookOfState(it.state)),
          ` ${it.count}`,
        ),
        it.oldestCreateTime && h('span', { class: 'quiet' }, ' oldest ', time(it.oldestCreateTime, { as: 'age' })),
      ),
    ),
  );
}

function drawing({ known }) {
  if (known.steps.length === 0)
    return h('p', { class: 'quiet' }, 'Drawn once there is a saga of it, from which its steps are read.');
  return graph(
    known.steps.map((name) => ({ name })),
    known.pairs,
    'Its steps',
  );
}

function fill(element, item) {
  const { definition } = item;
  element.replaceChildren(
    h(
      'h2',
      {},
      h('a', { href: addressOf({ definition: definition.name }) }, definition.name),
      ` v${definition.version}`,
    ),
    h(
      'p',
      { class: 'quiet' },
      definition.method || 'Its method is not known here.',
      definition.served ? '' : ' This instance starts no sagas of it.',
    ),
    definition.undrivenReason ? h('p', { class: 'warning' }, definition.undrivenReason) : '',
    counts(definition),
    drawing(item),
  );
}

export function showDefinitions(main, _, { tell }) {
  const list = h('div', { class: 'definitions' });
  main.replaceChildren(h('h1', { tabindex: -1 }, 'Definitions'), list);
  async function look(signal) {
    const { definitions } = await listDefinitions(signal);
    const items = [];
    for (const definition of definitions) {
      items.push({ definition, known: await learn(definition.name, definition.version, signal) });
    }
    keep(list, items, {
      key: ({ definition }) => `${definition.name} ${definition.version}`,
      make: () => h('section', { class: 'card' }),
      update: fill,
    });
    return false;
  }
  return new Live({ look, everyMs: EVERY_MS, tell });
}
