// Which sagas a list shows. It stands in the part of the address after #, which no server and no log gets to see, and
// so an address can be passed on as it is.

export const FIELDS = ['definition', 'state', 'key', 'from', 'before', 'stuck', 'waiting', 'page'];

export function filtersOf(query) {
  return Object.fromEntries(FIELDS.map((field) => [field, query.get(field) ?? '']));
}

export function addressOf(filters) {
  const given = FIELDS.filter((field) => filters[field]).map((field) => [field, filters[field]]);
  return `#/sagas${given.length ? `?${new URLSearchParams(given)}` : ''}`;
}

// As ListSagas takes them.
export function queryOf(filters) {
  return {
    definition: filters.definition,
    state: filters.state,
    key: filters.key,
    createTimeFrom: filters.from,
    createTimeBefore: filters.before,
    pageToken: filters.page,
  };
}

export const sagaAddress = (id) => `#/sagas/${encodeURIComponent(id)}`;
