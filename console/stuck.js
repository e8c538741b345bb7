// Finds sagas with a stuck step. The server filters by state only, so the unfinished ones are looked through.
import { listSagas } from './api.js';
import { queryOf } from './filters.js';

const PAGE = 500;
const LOOKED_MAX = 3000;  // sagas of each state: what is looked at each time is bounded
const UNFINISHED = ['STATE_RUNNING', 'STATE_COMPENSATING', 'STATE_PARKED'];

const isStuck = (saga) => saga.steps.some((step) => step.stuck);

// {sagas, looked, all}: newest first; all is false if there were more than LOOKED_MAX.
export async function listStuck(filters, signal, states = UNFINISHED) {
  const found = { sagas: [], looked: 0, all: true };
  for (const state of filters.state ? [filters.state] : states) {
    let page = '';
    let looked = 0;
    do {
      const answer = await listSagas({ ...queryOf(filters), state, pageSize: PAGE, pageToken: page }, signal);
      looked += answer.sagas.length;
      found.sagas.push(...answer.sagas.filter(isStuck));
      page = answer.nextPageToken;
    } while (page && looked < LOOKED_MAX);
    found.looked += looked;
    found.all &&= !page;
  }
  found.sagas.sort((a, b) => (a.createTime < b.createTime ? 1 : -1));
  return found;
}

export const stuckWords = ({ sagas, looked, all }) =>
  `${sagas.length} stuck of ${looked} unfinished sagas looked through${all ? '' : '; there are older ones'}.`;
