// The history of one saga, fetched page by page; pages that are full are not fetched again.
import { getHistory } from './api.js';

const PAGE = 200;
const ENTRIES_MAX = 2000;  // a step that is repeated for weeks has more

export class History {
  #entries = [];
  #last = { token: '', from: 0 };  // the page that may still grow

  constructor(id) {
    this.id = id;
  }

  // {entries, more}: more is true if there are newer ones that were not fetched.
  async refresh(signal) {
    let { token, from } = this.#last;
    for (;;) {
      const answer = await getHistory(this.id, { pageSize: PAGE, pageToken: token }, signal);
      this.#entries = [...this.#entries.slice(0, from), ...answer.entries];
      this.#last = { token, from };
      if (!answer.nextPageToken) return { entries: this.#entries, more: false };
      if (this.#entries.length >= ENTRIES_MAX) return { entries: this.#entries, more: true };
      token = answer.nextPageToken;
      from = this.#entries.length;
    }
  }
}
