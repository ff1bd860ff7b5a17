import { api } from "./api.js";
import { showProblem } from "./toasts.js";

const EVERY_MS = 200;
/** The device may be adapting meanwhile: it takes the picture at once, and answers when it is learned. */
const MOST_UNANSWERED = 4;
/** A press shorter than this takes one shot. */
const HOLD_MS = 380;

const pause = (ms, signal) => new Promise((resolve) => {
  if (signal.aborted) return resolve(undefined);
  const timer = setTimeout(resolve, ms);
  signal.addEventListener("abort", () => (clearTimeout(timer), resolve(undefined)), { once: true });
});

/**
 * Takes shots of one thing while a button or key is held: one at once, then five a second while the device keeps up.
 *
 * Events: "start", "shot", "stop"; detail: {thing, count}.
 */
export class Recorder extends EventTarget {
  #running = /** @type {{thing: any, stop: AbortController}|null} */ (null);

  constructor() {
    super();
    addEventListener("blur", () => this.stop());
    document.addEventListener("visibilitychange", () => document.hidden && this.stop());
  }

  /** @param {{ensureId: () => Promise<string>}} thing the card that is being recorded into */
  start(thing) {
    this.stop();
    const running = { thing, stop: new AbortController() };
    this.#running = running;
    this.#run(running);
  }

  /** @param {object} [thing] only if this one is being recorded */
  stop(thing) {
    if (!this.#running || (thing && this.#running.thing !== thing)) return;
    this.#running.stop.abort();
    this.#running = null;
  }

  async #run({ thing, stop }) {
    const unanswered = /** @type {Set<Promise<void>>} */ (new Set());
    let count = 0, waitS = 0, failure = null;
    const tell = (kind) => {
      if (kind !== "start" && this.#running && this.#running.stop !== stop) return; // A later press has the word.
      this.dispatchEvent(new CustomEvent(kind, { detail: { thing, count } }));
    };
    const aborted = new Promise((resolve) => stop.signal.addEventListener("abort", resolve, { once: true }));
    const capture = async (id) => {
      try {
        waitS = await this.#capture(id);
        if (waitS === 0) count += 1;
        tell("shot");
      } catch (problem) {
        failure ??= problem;
        stop.abort();
      }
    };
    tell("start");
    try {
      const id = await thing.ensureId();
      for (let taken = 0; taken === 0 || !stop.signal.aborted; taken += 1) {
        const shot = capture(id).finally(() => unanswered.delete(shot));
        unanswered.add(shot);
        await pause(taken === 0 ? HOLD_MS : EVERY_MS, stop.signal);
        if (unanswered.size >= MOST_UNANSWERED && !stop.signal.aborted) await Promise.race([...unanswered, aborted]);
        if (waitS) await pause(waitS * 1000, stop.signal);
      }
    } catch (problem) {
      failure = problem;
    }
    tell("stop");
    await Promise.all(unanswered);
    if (failure) showProblem(failure);
  }

  /** @returns {Promise<number>} 0 when the shot was taken, else seconds to wait because the device is busy */
  async #capture(id) {
    try {
      await api.capture(id);
      return 0;
    } catch (problem) {
      if (problem.status !== 429) throw problem;
      return Math.max(problem.retryAfterS, 0.2);
    }
  }
}
