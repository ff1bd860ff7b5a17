import { byId } from "./dom.js";

const STEADY_MS = 1000;

/** Tells screen readers of a new text once it has stood for a second, and never the same one twice in a row. */
export class Announcer {
  #candidate = "";
  #said = "";
  #timer = 0;
  #place;

  /** @param {string} place id of the live region */
  constructor(place) {
    this.#place = place;
  }

  /** @param {string} text the answer as of this frame */
  hear(text) {
    if (text === this.#candidate) return;
    this.#candidate = text;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#say(text), STEADY_MS);
  }

  #say(text) {
    if (!text || text === this.#said) return;
    this.#said = text;
    byId(this.#place).textContent = text;
  }
}
