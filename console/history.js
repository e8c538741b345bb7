// The history of one saga, fetched page by page; pages that are full are not fetched again.
import { getHistory } from './api.js';

const PAGE = 200;
const STRIDE = 2000;  // so many are shown at first; a step that is repeated for weeks has more

export class History {
  #entries = [];
  #last = { token: '', from: 0 };  // the page that may still grow
  #most = STRIDE;

  constructor(id) {
    this.id = id;
  }

  // Lets `refresh` give more.
  raise() {
    this.#most += STRIDE;
  }

  // The entries, oldest first; of a very long history the first.
  async refresh(signal) {
    let { token, from } = this.#last;
    for (;;) {
      const answer = await getHistory(this.id, { pageSize: PAGE, pageToken: token }, signal);
      this.#entries = [...this.#entries.slice(0, from), ...answer.entries];
      this.#last = { token, from };
      if (!answer.nextPageToken || this.#entries.length >= this.#most) return this.#entries;
      token = answer.nextPageToken;
      from = this.#entries.length;
    }
  }
}
