// A saga's steps as a drawing: what was sent after what, from above to below; a state by its shape and its word.
import { h, s } from './dom.js';
import { lookOfStep, shapeParts } from './words.js';

const NODE = { width: 164, height: 46 };
const GAP = { x: 16, y: 30 };

// Rows of step names. A step stands below all that it was sent after; one of which that is not known below all others,
// in the definition's order.
function layers(names, pairs) {
  const before = new Map(names.map((name) => [name, pairs.filter(([, to]) => to === name).map(([from]) => from)]));
  const depth = new Map();
  const depthOf = (name, path = []) => {
    if (depth.has(name)) return depth.get(name);
    if (path.includes(name)) return 0;
    const parents = before.get(name).filter((parent) => before.has(parent));
    const value = parents.length ? 1 + Math.max(...parents.map((parent) => depthOf(parent, [...path, name]))) : 0;
    depth.set(name, value);
    return value;
  };
  const linked = names.filter((name, i) => i === 0 || before.get(name).length > 0);
  linked.forEach((name) => depthOf(name));
  let last = Math.max(0, ...linked.map((name) => depth.get(name)));
  const loose = names.filter((name) => !linked.includes(name));
  loose.forEach((name) => depth.set(name, ++last));
  const rows = [];
  names.forEach((name) => (rows[depth.get(name)] ??= []).push(name));
  return { rows: rows.filter(Boolean), loose };
}

function placed(rows) {
  const most = Math.max(...rows.map((row) => row.length));
  const width = most * NODE.width + (most - 1) * GAP.x + 4;
  const places = new Map();
  rows.forEach((row, y) =>
    row.forEach((name, x) => {
      const own = row.length * NODE.width + (row.length - 1) * GAP.x;
      places.set(name, { x: (width - own) / 2 + x * (NODE.width + GAP.x), y: 2 + y * (NODE.height + GAP.y) });
    }),
  );
  return { places, width, height: rows.length * (NODE.height + GAP.y) - GAP.y + 4 };
}

function arrow(from, to, dashed) {
  const x1 = from.x + NODE.width / 2;
  const y1 = from.y + NODE.height;
  const x2 = to.x + NODE.width / 2;
  const y2 = to.y - 2;
  const bend = (y2 - y1) / 2;
  return s(
    'g',
    { class: dashed ? 'arrow dashed' : 'arrow' },
    s('path', { d: `M${x1} ${y1}C${x1} ${y1 + bend} ${x2} ${y2 - bend} ${x2} ${y2}` }),
    s('path', { d: `M${x2 - 4} ${y2 - 5}L${x2} ${y2}l4 -5` }),
  );
}

// Cuts what would not fit; the whole name stands in the title.
const fitting = (name) => (name.length > 18 ? `${name.slice(0, 17)}…` : name);

// A step that waits may be asked for very often.
function standing(word, attempt) {
  if (!(attempt > 1)) return word;
  const whole = `${word}, attempt ${attempt}`;
  return whole.length > 20 ? `${word} ×${attempt}` : whole;
}

function node(step, place) {
  const look = step.state === undefined ? null : lookOfStep(step);
  return s(
    'g',
    { class: `node ${look?.tone ?? ''}`, transform: `translate(${place.x} ${place.y})` },
    s('title', {}, look ? `${step.name}: ${look.word}` : step.name),
    s('rect', { width: NODE.width, height: NODE.height, rx: 6 }),
    look && s('g', { class: `shape ${look.tone}`, transform: 'translate(10 15)' }, shapeParts(look.shape)),
    s('text', { x: look ? 34 : 12, y: look ? 20 : 28, class: 'step-name' }, fitting(step.name)),
    look && s('text', { x: 34, y: 36, class: 'step-state' }, standing(look.word, step.attempt)),
  );
}

// steps: those of a saga, or {name} alone. pairs: as order.js tells them.
export function graph(steps, pairs, label) {
  const names = steps.map((step) => step.name);
  const own = pairs.filter(([from, to]) => names.includes(from) && names.includes(to));
  const { rows, loose } = layers(names, own);
  const { places, width, height } = placed(rows);
  const order = loose.map((name) => [names[names.indexOf(name) - 1], name]).filter(([from]) => from !== undefined);
  const drawing = s(
    'svg',
    { class: 'graph', role: 'img', 'aria-label': label, viewBox: `0 0 ${width} ${height}`, width, height },
    own.map(([from, to]) => arrow(places.get(from), places.get(to), false)),
    order.map(([from, to]) => arrow(places.get(from), places.get(to), true)),
    steps.map((step) => node(step, places.get(step.name))),
  );
  return h(
    'div',
    { class: 'drawing' },
    drawing,
    h(
      'p',
      { class: 'quiet note' },
      own.length > 0 &&
        'An arrow: the answer after which a step was sent; where it waits for several, the last of them. ',
      order.length > 0 && 'Dashed: not seen yet, in the definition\u2019s order.',
    ),
  );
}
