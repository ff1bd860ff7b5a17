import { byId } from "./dom.js";
import { percent } from "./format.js";
import { Announcer } from "./announcer.js";
import { Bars } from "./bars.js";
import { WHEN } from "./picture.js";

/** Everything that says what the camera sees: on the picture, as bars, and to screen readers. */
export class Answers {
  #picture;
  #view;
  #bars = { before: new Bars(WHEN.before), after: new Bars(WHEN.after) };
  #announcer = new Announcer("announcer");
  #live = /** @type {import("./types.js").Live|null} */ (null);

  /** @param {import("./picture.js").Picture} picture @param {import("./view-choice.js").ViewChoice} view */
  constructor(picture, view) {
    this.#picture = picture;
    this.#view = view;
    this.#arrange();
    view.addEventListener("change", () => this.#arrange());
  }

  /** @returns {("before"|"after")[]} */
  get #shown() {
    return this.#view.value === "both" ? ["before", "after"] : [this.#view.value];
  }

  #arrange() {
    byId("answers-columns").replaceChildren(...this.#shown.map((when) => this.#bars[when].element));
  }

  /** @param {import("./types.js").State} state @param {Map<string, any>} things */
  showState(state, things) {
    byId("answers").hidden = state.classes.every(({ shots }) => shots.length === 0);
    const { accuracy_before: before, accuracy_after: after } = state.adaptation;
    const detail = (accuracy) => (accuracy === null ? "" : `${percent(accuracy)} of your shots right`);
    this.#bars.before.setTitle(this.#view.value !== "after", detail(before));
    this.#bars.after.setTitle(this.#view.value === "both", detail(after));
    this.#showBars(things);
  }

  /**
   * @param {import("./types.js").Live} live
   * @param {Map<string, any>} things by class id
   * @returns {import("./types.js").Answer|null} the answer that counts in this view
   */
  showLive(live, things) {
    this.#live = live;
    const answers = this.#shown.map((when) => ({ when, answer: this.#answer(when) })).filter(({ answer }) => answer);
    this.#picture.label(answers, this.#view.value !== "after", things);
    this.#showBars(things);
    const main = answers.at(-1)?.answer ?? null;
    this.#announcer.hear(main ? (main.unknown ? "Unknown" : `Sees ${main.label}`) : "");
    return main;
  }

  #showBars(things) {
    for (const when of this.#shown) this.#bars[when].show(this.#answer(when), things);
  }

  /** @returns {import("./types.js").Answer|null} the last one; null while there is none */
  #answer(when) {
    const answer = when === "after" ? this.#live : (this.#live?.direct ?? null);
    return this.#live?.ready && answer && Object.keys(answer.scores).length ? answer : null;
  }
}
