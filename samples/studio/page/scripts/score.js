import { byId, setText } from "./dom.js";
import { percent } from "./format.js";

const WINDOW = 200;
const EMPTY = new Set(["", "desk", "empty", "empty desk", "background", "nothing"]);
const plain = (name) => {
  const text = name.trim().toLowerCase();
  return EMPTY.has(text) ? "" : text;
};

/** How many of the last answers were right, where the camera is a rendered scene that knows what it shows. */
export class Score {
  #outcomes = /** @type {boolean[]} */ ([]);
  #names = new Set();
  #counts = false;
  #known = "";

  /**
   * Counting starts over with every change of what was taught; it makes sense only for things that are named as the scene
   * names them.
   *
   * @param {import("./types.js").State} state
   * @param {string[]} sceneThings
   */
  showState({ classes, adaptation }, sceneThings) {
    const known = JSON.stringify([classes, adaptation.status, sceneThings]);
    if (known === this.#known) return;
    this.#known = known;
    this.#names = new Set(classes.map(({ name }) => plain(name)));
    const scene = new Set([...sceneThings.map(plain), ""]);
    this.#counts = adaptation.status === "ready" && [...this.#names].every((name) => scene.has(name));
    this.#outcomes = [];
    this.#show();
  }

  /** @param {import("./types.js").Answer} answer @param {string|null} truth */
  add(answer, truth) {
    if (!this.#counts || truth === null) return;
    const shown = plain(truth);
    const right = this.#names.has(shown) ? !answer.unknown && plain(answer.label ?? "?") === shown : answer.unknown;
    this.#outcomes.push(right);
    if (this.#outcomes.length > WINDOW) this.#outcomes.shift();
    this.#show();
  }

  #show() {
    const n = this.#outcomes.length;
    const share = this.#outcomes.filter(Boolean).length / n;
    setText(byId("score"), n ? `right ${percent(share)} of ${n} frames` : "");
  }
}
