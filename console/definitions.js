// The definitions, their unfinished sagas, and their steps as a drawing.
import { listDefinitions } from './api.js';
import { askPause, askResume } from './act.js';
import { h, keep, renew } from './dom.js';
import { addressOf } from './filters.js';
import { graph } from './graph.js';
import { Live } from './live.js';
import { learn } from './order.js';
import { time } from './times.js';
import { badge, lookOfState } from './words.js';

const EVERY_MS = 5000;

function makeCount(name, it) {
  return h('li', {}, h('a', { href: addressOf({ definition: name, state: it.state }) }), h('span', { class: 'quiet' }));
}

function fillCount(element, it) {
  const [link, oldest] = element.children;
  link.replaceChildren(badge(lookOfState(it.state)), ` ${it.count}`);
  oldest.replaceChildren(...(it.oldestCreateTime ? [' oldest ', time(it.oldestCreateTime, { as: 'age' })] : []));
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

// Who paused what since when and why.
export const pauseNote = ({ name, pause }) =>
  h(
    'p',
    { class: 'paused' },
    h('b', {}, `${name} is paused`),
    ': no saga of it starts, since ',
    time(pause.pauseTime),
    ` by ${pause.actor || 'nobody named'}. Callers are told: `,
    pause.reason,
  );

// One of each name that is paused.
export const pausedOf = (definitions) =>
  definitions.filter((it, i) => it.pause && definitions.findIndex((other) => other.name === it.name) === i);

// done(words): a pause was noted, or its end.
function make({ definition: { name, version } }, current, done) {
  const verb = (definition) => (definition.pause ? askResume : askPause)(definition, done);
  return h(
    'section',
    { class: 'card' },
    h('h2', {}, h('a', { href: addressOf({ definition: name }) }, name), ` v${version}`),
    h('div'),
    h('p', { class: 'quiet' }, 'No unfinished sagas.'),
    h('ul', { class: 'counts' }),
    h('div', { class: 'buttons' }, h('button', { type: 'button', onclick: () => verb(current()) })),
    h('div'),
  );
}

function fill(element, item) {
  const { definition } = item;
  const { name, method, served, undrivenReason, pause, unfinished = [] } = definition;
  const [, about, none, list, buttons, drawn] = element.children;
  renew(about, [method, served, undrivenReason, pause], () => [
    h(
      'p',
      { class: 'quiet' },
      method || 'Its method is not known here.',
      served ? '' : ' This instance starts no sagas of it.',
    ),
    undrivenReason && h('p', { class: 'warning' }, undrivenReason),
    pause && pauseNote(definition),
  ]);
  none.hidden = unfinished.length > 0;
  keep(list, unfinished, { key: (it) => it.state, make: (it) => makeCount(name, it), update: fillCount });
  const word = pause ? 'Resume' : 'Pause';
  buttons.hidden = !served && !pause;
  buttons.firstElementChild.textContent = word;
  buttons.firstElementChild.setAttribute('aria-label', `${word} ${name}`);
  renew(drawn, item.known, () => drawing(item));
}

export function showDefinitions(main, _, { tell, say }) {
  const list = h('div', { class: 'definitions' });
  const standing = new Map();  // by key
  main.replaceChildren(h('h1', { tabindex: -1 }, 'Definitions'), list);
  const keyOf = ({ name, version }) => `${name} ${version}`;
  const done = (words) => {
    say(words);
    live.nudge();
  };
  async function look(signal) {
    const { definitions } = await listDefinitions(signal);
    const items = [];
    for (const definition of definitions) {
      standing.set(keyOf(definition), definition);
      items.push({ definition, known: await learn(definition.name, definition.version, signal) });
    }
    keep(list, items, {
      key: ({ definition }) => keyOf(definition),
      make: (item) => make(item, () => standing.get(keyOf(item.definition)), done),
      update: fill,
    });
    return false;
  }
  const live = new Live({ look, everyMs: EVERY_MS, tell });
  return live;
}
