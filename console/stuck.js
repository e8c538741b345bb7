// Finds sagas with a stuck step.
import { listSagas } from './api.js';
import { queryOf } from './filters.js';

const PAGE = 500;
const SHOWN_MAX = 500;  // the oldest
const CALLS_MAX = 50;  // each looks at some thousands of unfinished sagas: what is asked for at a time is bounded

// {sagas, all}: oldest first; all is false if there may be more.
export async function listStuck(filters, signal) {
  const query = { ...queryOf(filters), stuck: true, pageSize: PAGE };
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

export function stuckWords({ sagas, all }) {
  if (sagas.length === 0) return all ? 'No saga is stuck.' : 'None of the older unfinished sagas is stuck.';
  return `${sagas.length} stuck${all ? '' : ', and maybe newer ones'}, oldest first.`;
}
