// What this page has seen of sagas since it was opened, for its charts. Bounded: the oldest are forgotten.

const SEEN_MAX = 5000;
const seen = new Map();  // by id, in the order of first sight

export function note(saga) {
  seen.set(saga.sagaId, {
    definition: saga.definition,
    version: saga.definitionVersion,
    state: saga.state,
    created: new Date(saga.createTime).getTime(),
    updated: new Date(saga.updateTime).getTime(),
  });
  if (seen.size > SEEN_MAX) seen.delete(seen.keys().next().value);
}

export const seenSagas = () => [...seen.values()];
export const seenDefinitions = () => [...new Set(seenSagas().map((saga) => saga.definition))].sort();
