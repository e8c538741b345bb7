// Finds the unfinished sagas that have a step which is stuck, or one that waits.
import { listSagas } from './api.js';
import { queryOf } from './filters.js';

const PAGE = 500;
const SHOWN_MAX = 500;  // the oldest
const CALLS_MAX = 50;  // each looks at some thousands of unfinished sagas: what is asked for at a time is bounded

export const asksForSteps = (filters) => Boolean(filters.stuck || filters.waiting);

// {sagas, all}: oldest first; all is false if there may be more.
export async function listBySteps(filters, signal) {
  const asked = { stuck: filters.stuck && true, waiting: filters.waiting && true };
  const query = { ...queryOf(filters), ...asked, pageSize: PAGE };
  const sagas = [];
  let pageToken = '';
  for (let calls = 0; calls < CALLS_MAX && sagas.length < SHOWN_MAX; ++calls) {
    const answer = await listSagas({ ...query, pageToken }, signal);
    sagas.push(...answer.sagas);
    pageToken = answer.nextPageToken;
    if (!pageToken) return { sagas, all: true };
  }
  return { sagas, all: false };
}

// "stuck", "waiting", "stuck and waiting".
export const stepsWord = (filters) =>
  [filters.stuck && 'stuck', filters.waiting && 'waiting'].filter(Boolean).join(' and ');

export function countWords({ sagas, all }, word) {
  if (sagas.length === 0) return all ? `No saga is ${word}.` : `None of the older unfinished sagas is ${word}.`;
  return `${sagas.length} ${word}${all ? '' : ', and maybe newer ones'}, oldest first.`;
}
