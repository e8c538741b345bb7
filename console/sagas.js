// The list of sagas: filters, pages, and rows that stay where they are while they change.
import { listSagas, watchSagas } from './api.js';
import { h, keep, renew } from './dom.js';
import { FIELDS, addressOf, filtersOf, queryOf, sagaAddress } from './filters.js';
import { Live } from './live.js';
import { note, seenDefinitions } from './seen.js';
import { asksForSteps, countWords, listBySteps, stepsWord } from './steps.js';
import { fromField, millis, span, time, toField } from './times.js';
import { SAGA_STATES, badge, failure, isEnded, isWaiting, lookOfState, lookOfStep, shape } from './words.js';

const PAGE = 50;
const EVERY_MS = 2000;
const EVERY_BY_STEPS_MS = 5000;  // it may take many calls

function field(label, input) {
  return h('label', {}, h('span', {}, label), input);
}

const check = (name, words, filters) =>
  h(
    'label',
    { class: 'check' },
    h('input', { name, type: 'checkbox', value: '1', checked: filters[name] === '1' }),
    h('span', {}, words),
  );

function filterForm(filters) {
  const options = ['', ...SAGA_STATES].map((state) =>
    h('option', { value: state, selected: state === filters.state }, state ? lookOfState(state).word : 'any'),
  );
  const known = h(
    'datalist',
    { id: 'definitions' },
    seenDefinitions().map((name) => h('option', { value: name })),
  );
  const form = h(
    'form',
    { class: 'filters', 'aria-label': 'Filters' },
    field(
      'Definition',
      h('input', {
        name: 'definition',
        value: filters.definition,
        list: 'definitions',
        maxlength: 64,
        autocomplete: 'off',
      }),
    ),
    field('State', h('select', { name: 'state' }, options)),
    field(
      'Key (with a definition)',
      h('input', { name: 'key', value: filters.key, maxlength: 64, autocomplete: 'off' }),
    ),
    field('Started from', h('input', { name: 'from', type: 'datetime-local', step: 1, value: toField(filters.from) })),
    field(
      'Started before',
      h('input', { name: 'before', type: 'datetime-local', step: 1, value: toField(filters.before) }),
    ),
    h('div', { class: 'checks' }, check('stuck', 'Stuck only', filters), check('waiting', 'Waiting only', filters)),
    h('div', { class: 'buttons' }, h('button', { type: 'submit' }, 'Show'), h('a', { href: '#/sagas' }, 'All sagas')),
    known,
  );
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    const given = Object.fromEntries(FIELDS.map((name) => [name, form.elements[name]?.value.trim() ?? '']));
    for (const name of ['stuck', 'waiting']) given[name] = form.elements[name].checked ? '1' : '';
    given.from = fromField(given.from);
    given.before = fromField(given.before);
    location.hash = addressOf({ ...given, page: '' });
  });
  return form;
}

const stepShapes = (saga) =>
  h(
    'span',
    { class: 'shapes' },
    saga.steps.map((step) => {
      const look = lookOfStep(step);
      return shape(look, `${step.name}: ${look.word}`);
    }),
  );

const COLUMNS = ['State', 'Saga', 'Definition', 'Steps', 'Started', 'Took', 'Why'];

const cell = (column, ...children) => h('td', { role: 'cell', class: column.toLowerCase() }, children);

function row(saga) {
  return h(
    'tr',
    { role: 'row' },
    COLUMNS.map((column) =>
      cell(
        column,
        column === 'Saga' && [
          h('a', { href: sagaAddress(saga.sagaId), class: 'id' }, saga.sagaId),
          h('span', { class: 'key' }, saga.key),
        ],
      ),
    ),
  );
}

const waitOf = (step) =>
  h('p', {}, `${step.name} waits`, step.waitUntil && [', at most until ', time(step.waitUntil)]);

function fill(element, saga) {
  const [state, , definition, steps, started, took, why] = element.children;
  state.replaceChildren(badge(lookOfState(saga.state)));
  definition.replaceChildren(saga.definition, ' ', h('span', { class: 'quiet' }, `v${saga.definitionVersion}`));
  steps.replaceChildren(stepShapes(saga));
  started.replaceChildren(time(saga.createTime));
  took.replaceChildren(isEnded(saga) ? span(millis(saga.updateTime) - millis(saga.createTime)) : 'not ended');
  // Of a saga that goes back and is parked, `failure` says why it goes back, the step why it waits.
  const halted = saga.steps.find((step) => step.parked || step.stuck);
  const told = failure(halted?.lastFailure ?? saga.failure);
  why.replaceChildren(...(told ? [told] : saga.steps.filter(isWaiting).map(waitOf)));
}

// A table of sagas that is filled by `fillSagas`.
function sagaTable(label) {
  const head = h(
    'thead',
    { role: 'rowgroup' },
    h(
      'tr',
      { role: 'row' },
      COLUMNS.map((column) => h('th', { role: 'columnheader', scope: 'col' }, column)),
    ),
  );
  return h('table', { class: 'sagas', role: 'table', 'aria-label': label }, head, h('tbody', { role: 'rowgroup' }));
}

function fillSagas(table, sagas) {
  keep(table.tBodies[0], sagas, { key: (saga) => saga.sagaId, make: row, update: fill });
  table.hidden = sagas.length === 0;
}

function pages(filters, next) {
  return h(
    'nav',
    { class: 'pages', 'aria-label': 'Pages of the list' },
    filters.page && h('a', { href: addressOf({ ...filters, page: '' }) }, 'Newest'),
    next && h('a', { href: addressOf({ ...filters, page: next }) }, 'Older'),
  );
}

const noneText = (filters) =>
  FIELDS.some((name) => filters[name]) ? 'No saga fits these filters.' : 'There are no sagas yet.';

export function showSagas(main, query, { tell }) {
  const filters = filtersOf(query);
  const table = sagaTable(
    asksForSteps(filters) ? `Sagas that are ${stepsWord(filters)}, oldest first` : 'Sagas, newest first',
  );
  const summary = h('p', { class: 'quiet' });
  const unreadable = h('div');
  const foot = h('div');
  table.hidden = true;
  main.replaceChildren(h('h1', { tabindex: -1 }, 'Sagas'), filterForm(filters), summary, unreadable, table, foot);

  async function look(signal) {
    if (asksForSteps(filters)) {
      const found = await listBySteps(filters, signal);
      fillSagas(table, found.sagas);
      summary.textContent = countWords(found, stepsWord(filters));
      return false;
    }
    const answer = await listSagas({ ...queryOf(filters), pageSize: PAGE }, signal);
    answer.sagas.forEach(note);
    fillSagas(table, answer.sagas);
    summary.textContent =
      answer.sagas.length === 0
        ? noneText(filters)
        : `${answer.sagas.length}${answer.nextPageToken || filters.page ? ' on this page' : ''}, newest first.`;
    renew(unreadable, answer.unreadable ?? [], () =>
      (answer.unreadable ?? []).map((saga) =>
        h('p', { class: 'warning' }, `Saga ${saga.sagaId} cannot be read: ${saga.reason}`),
      ),
    );
    renew(foot, answer.nextPageToken, () => pages(filters, answer.nextPageToken));
    return false;
  }
  if (asksForSteps(filters)) return new Live({ look, everyMs: EVERY_BY_STEPS_MS, tell });
  // Of every state, so that a saga that leaves the one that is asked for is seen to go.
  return new Live({ look, changes: (signal) => watchSagas(filters.definition, signal), everyMs: EVERY_MS, tell });
}
