// A saga's history as a list: what, when, of which step, how it ended, who asked and why.
import { h, keep, renew } from './dom.js';
import { millis, span, time } from './times.js';
import { calledFor, failure, lookOfOutcome, lookOfState, shape } from './words.js';

const EVENTS = {
  started: { word: 'accepted', shape: 'ring', tone: 'go' },
  born: { word: 'born of the end of another saga', shape: 'ring', tone: 'go' },
  nudged: { word: 'told that it may be finished', shape: 'ring', tone: 'calm' },
  ticked: { word: 'a timer was due', shape: 'ring', tone: 'calm' },
  cancel_requested: { word: 'cancel was asked for', shape: 'back', tone: 'back' },
  taken_over: { word: 'recovered by an instance', shape: 'ring', tone: 'calm' },
  retried: { word: 'sent again by a person', shape: 'forward', tone: 'go' },
  skipped: { word: 'skipped by a person', shape: 'dotted', tone: 'back' },
  resolved: { word: 'resolved by a person', shape: 'done', tone: 'good' },
};

function headOf(entry) {
  if (entry.event === 'replied') {
    const look = lookOfOutcome(entry.outcome);
    return [
      shape(look),
      h('b', {}, entry.step),
      ` ${calledFor(entry)}: `,
      h('span', { class: look.tone }, look.word),
      h('span', { class: 'quiet' }, ` after ${span(entry.elapsedMs)}`),
    ];
  }
  const look = EVENTS[entry.event] ?? { word: entry.event, shape: 'ring', tone: 'calm' };
  return [shape(look), entry.step && h('b', {}, entry.step), entry.step ? ' ' : '', look.word];
}

const sent = (send) => `${send.step} ${calledFor(send)}`;

function fill(element, { entry, before }) {
  const state = lookOfState(entry.state);
  const gap = before ? millis(entry.time) - millis(before.time) : 0;
  element.replaceChildren(
    h(
      'div',
      { class: 'when' },
      time(entry.time, { as: 'millisecond' }),
      before && h('span', { class: 'quiet' }, `+${span(gap)}`),
    ),
    h(
      'div',
      { class: 'what' },
      h('p', {}, headOf(entry)),
      failure(entry.failure) && h('p', {}, failure(entry.failure)),
      (entry.actor || entry.reason) &&
        h(
          'p',
          { class: 'person' },
          entry.actor && h('b', {}, entry.actor),
          entry.actor && entry.reason ? ': ' : '',
          entry.reason,
        ),
      (entry.sends ?? []).length > 0 && h('p', { class: 'quiet' }, `sent ${entry.sends.map(sent).join('; ')}`),
      before &&
        before.state !== entry.state &&
        h('p', { class: 'turn' }, 'the saga is ', h('b', { class: state.tone }, state.word)),
    ),
  );
}

// A list that is filled by `fillTimeline`.
export const timeline = () => h('ol', { class: 'timeline', 'aria-label': 'History, oldest first' });

export function fillTimeline(list, entries) {
  const items = entries.map((entry, i) => ({ entry, before: i > 0 ? entries[i - 1] : null }));
  keep(list, items, {
    key: ({ entry }) => entry.seq,
    make: ({ entry }) => h('li', { class: entry.actor ? 'by-person' : '' }),
    update: fill,
  });
}

const number = new Intl.NumberFormat('en-GB');

// Says so if only the first `shown` of `all` entries are there. onmore(): asks for the next.
export function fillCut(box, shown, all, onmore) {
  renew(box, [shown, all], () =>
    shown >= all
      ? null
      : h(
          'p',
          { class: 'cut' },
          `The first ${number.format(shown)} of ${number.format(all)} entries. `,
          h('button', { type: 'button', onclick: onmore }, 'Show more'),
        ),
  );
}
