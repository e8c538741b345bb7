// Keeps what a page shows fresh: by a stream that says when something changed, where the server has one, else by asking
// again and again. A failure is told, and tried again with growing pauses; nothing that is shown is taken away for it.

const PAUSE_MIN_MS = 1000;  // after the first failure
const PAUSE_MAX_MS = 30_000;
const PACE_MS = 500;  // the shortest time between two looks, however much changes
const STREAM_PAUSE_MS = 5000;  // after a stream ended or failed; meanwhile there are looks

export class Live {
  #stopped = false;
  #round = new AbortController();
  #wake = () => {};
  #woken = false;
  #failures = 0;
  #listening = false;  // a stream was asked for
  #streaming = false;  // and has begun
  #listenAfter = 0;

  // look(signal): asks and shows; true: nothing will change any more. changes(signal): an async iterator that gives
  // something when the stream has begun, and for each change; undefined: there is none. everyMs: the pause between
  // looks without it. tell(state): {how, ...}, where how is stream, poll, ended, hidden or failed.
  constructor({ look, changes, everyMs, tell }) {
    this.look = look;
    this.changes = changes;
    this.everyMs = everyMs;
    this.tell = tell;
    this.onVisibility = () => (document.hidden ? this.#round.abort(new Error('hidden')) : this.nudge());
    document.addEventListener('visibilitychange', this.onVisibility);
    this.#run();
  }

  stop() {
    this.#stopped = true;
    document.removeEventListener('visibilitychange', this.onVisibility);
    this.#round.abort(new Error('stopped'));
    this.nudge();
  }

  // Looks now.
  nudge() {
    this.#woken = true;
    this.#wake();
  }

  // Until `ms` have passed or somebody nudges.
  async #pause(ms) {
    if (!this.#woken) {
      let timer;
      await new Promise((resolve) => {
        this.#wake = resolve;
        if (ms < Infinity) timer = setTimeout(resolve, ms);
      });
      clearTimeout(timer);
      this.#wake = () => {};
    }
    this.#woken = false;
  }

  async #run() {
    while (!this.#stopped) {
      if (document.hidden) {
        this.tell({ how: 'hidden' });
        await this.#pause(Infinity);
        continue;
      }
      if (this.#round.signal.aborted) this.#round = new AbortController();
      try {
        const ended = await this.look(this.#round.signal);
        if (this.#stopped) return;
        this.#failures = 0;
        if (ended) {
          this.tell({ how: 'ended' });
          await this.#pause(Infinity);
          continue;
        }
        this.#listen(this.#round.signal);
        this.tell(this.#streaming ? { how: 'stream' } : { how: 'poll', everyMs: this.everyMs });
        if (this.#streaming) await new Promise((resolve) => setTimeout(resolve, PACE_MS));
        await this.#pause(this.#streaming ? Infinity : this.everyMs);
      } catch (error) {
        if (this.#stopped) return;
        if (this.#round.signal.aborted) continue;
        await this.#afterFailure(error);
      }
    }
  }

  async #afterFailure(error) {
    // What was asked for is at fault: the same question has the same answer.
    const final = error.status === 400;
    const grown = Math.min(PAUSE_MAX_MS, PAUSE_MIN_MS * 2 ** this.#failures++);
    const pause = final ? Infinity : grown * (0.75 + Math.random() / 4);
    this.tell({ how: 'failed', error, again: final ? undefined : new Date(Date.now() + pause) });
    await this.#pause(pause);
  }

  async #listen(signal) {
    if (this.#listening || !this.changes || Date.now() < this.#listenAfter) return;
    this.#listening = true;
    try {
      for await (const _ of this.changes(signal)) {
        this.#streaming = true;
        if (this.#failures === 0) this.nudge();
      }
    } catch (error) {
      if (error.unknownMethod) this.changes = undefined;
    }
    this.#listenAfter = Date.now() + STREAM_PAUSE_MS;
    this.#listening = false;
    const hadBegun = this.#streaming;
    this.#streaming = false;
    if (hadBegun && !signal.aborted) this.nudge();
  }
}
