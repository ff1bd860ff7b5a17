import { byId, el } from "./dom.js";
import { api } from "./api.js";
import { showProblem } from "./toasts.js";

const IN_TURN = "in turn";
const EMPTY = "empty desk";
/** So many frames that show something else than was chosen: another window has chosen. */
const N_DOUBTS = 40;

/** Chooses what a rendered scene shows; hidden for a camera with a lens. */
export class Stage {
  /** @type {string[]} */
  things = [];
  #buttons = /** @type {Map<string, HTMLElement>} */ (new Map());
  #chosen = "";
  #nDoubts = 0;

  constructor() {
    addEventListener("focus", () => this.things.length && this.load());
  }

  /** @param {boolean} isRendered whether the studio's camera, another one after a new start, is a rendered scene */
  setRendered(isRendered) {
    if (isRendered) return;
    this.things = [];
    byId("stage").hidden = true;
  }

  /** Asks the server what there is to choose, and what was chosen. */
  async load() {
    let stage;
    try {
      stage = await api.stage();
    } catch (problem) {
      if (problem.status !== 404) showProblem(problem);
      return;
    }
    if (stage.things.join() !== this.things.join()) this.#offer(stage.things);
    byId("stage").hidden = false;
    this.#show(stage);
  }

  #offer(things) {
    this.things = things;
    const choices = [[IN_TURN, { in_turn: true }], ...things.map((thing) => [thing, { shown: thing }]), [EMPTY, { shown: null }]];
    this.#buttons = new Map(choices.map(([name, choice]) => [name, this.#button(name, choice)]));
    byId("stage-things").replaceChildren(...this.#buttons.values());
  }

  #button(name, choice) {
    const press = async () => {
      try {
        this.#show(await api.show(choice));
      } catch (problem) {
        showProblem(problem);
      }
    };
    return el("button", { type: "button", class: "stage__thing", text: name, on: { click: press } });
  }

  #show(stage) {
    this.#nDoubts = 0;
    this.#chosen = stage.in_turn ? IN_TURN : (stage.shown ?? EMPTY);
    this.#buttons.forEach((button, name) => button.setAttribute("aria-pressed", String(name === this.#chosen)));
  }

  /** Underlines what is to be seen in this frame. @param {string|null} truth */
  mark(truth) {
    if (truth === null) return;
    const seen = truth === "" ? EMPTY : truth;
    this.#buttons.forEach((button, name) => button.classList.toggle("is-shown", name === seen));
    this.#nDoubts = this.#chosen === IN_TURN || this.#chosen === seen ? 0 : this.#nDoubts + 1;
    if (this.#nDoubts === N_DOUBTS) this.load();
  }
}
