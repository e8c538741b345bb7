// Which step was sent after which: the API does not tell a definition's dependencies, but a history tells after which
// answer each step was sent. Of several that a step waits for, that is the last to come.
import { getHistory, listSagas } from './api.js';

const SAMPLES = 3;  // sagas of a definition that are looked at
const LOOKED_MAX = 50;  // to find them: the newest of any version
const UNLEARNT_MS = 30_000;  // until a definition without a completed saga is looked at again

// Pairs [from, to] of step names.
export function pairsOf(entries) {
  const pairs = new Map();
  for (const entry of entries) {
    const answered =
      entry.event === 'replied' && entry.outcome === 'OUTCOME_OK' && entry.phase !== 'PHASE_COMPENSATION';
    if (!answered && entry.event !== 'resolved') continue;
    for (const send of entry.sends ?? []) {
      if (send.phase === 'PHASE_ACTION' && send.attempt === 1 && send.step !== entry.step) {
        pairs.set(`${entry.step}>${send.step}`, [entry.step, send.step]);
      }
    }
  }
  return [...pairs.values()];
}

const learnt = new Map();  // by definition and version: {known, until}

async function samples(definition, version, state, signal) {
  const answer = await listSagas({ definition, state, pageSize: LOOKED_MAX }, signal);
  return answer.sagas.filter((saga) => saga.definitionVersion === version).slice(0, SAMPLES);
}

// {steps, pairs} of a definition by some of its newest sagas, completed ones if there are any; without any, no steps.
export async function learn(definition, version, signal) {
  const name = `${definition} ${version}`;
  if (learnt.get(name)?.until > Date.now()) return learnt.get(name).known;
  const sagas = await samples(definition, version, 'STATE_COMPLETED', signal);
  const completed = sagas.length;
  if (completed === 0) sagas.push(...(await samples(definition, version, '', signal)));
  const pairs = new Map();
  for (const saga of sagas) {
    const history = await getHistory(saga.sagaId, { pageSize: 1000 }, signal);
    for (const pair of pairsOf(history.entries)) pairs.set(pair.join('>'), pair);
  }
  const known = { steps: sagas[0]?.steps.map((step) => step.name) ?? [], pairs: [...pairs.values()] };
  learnt.set(name, { known, until: completed > 0 ? Infinity : Date.now() + UNLEARNT_MS });
  return known;
}
