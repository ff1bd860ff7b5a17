import { api } from "./api.js";
import { counted } from "./format.js";
import { confirmed } from "./dialogs.js";
import { showProblem, toast } from "./toasts.js";

const supportOf = (state) => JSON.stringify(state.classes.map(({ id, name, shots }) => [id, name, shots.map((shot) => shot.id)]));

/** Changes that can be taken back; an offer to undo goes away as soon as undoing would undo something else. */
export class Edits {
  #state = /** @type {import("./types.js").State|null} */ (null);
  #offer = /** @type {{toast: {close: () => void}, support: string|null}|null} */ (null);

  /** @param {(state: import("./types.js").State) => void} onState for answers that carry the new state */
  constructor(onState) {
    this.#onState = onState;
  }

  #onState;

  /** @param {import("./types.js").State} state */
  showState(state) {
    const before = this.#state && supportOf(this.#state);
    this.#state = state;
    const support = supportOf(state);
    if (!this.#offer || support === before) return;
    if (this.#offer.support === null) this.#offer.support = support;
    else if (this.#offer.support !== support) this.#withdraw();
  }

  #withdraw() {
    this.#offer?.toast.close();
    this.#offer = null;
  }

  /** @param {string} text @param {() => Promise<unknown>} change */
  async #undoably(text, change) {
    this.#withdraw();
    const before = this.#state && supportOf(this.#state);
    try {
      await change();
    } catch (problem) {
      showProblem(problem);
      return;
    }
    const isShown = this.#state !== null && supportOf(this.#state) !== before;
    this.#offer = {
      toast: toast(text, { action: { name: "Undo", run: () => this.undo() } }),
      support: isShown ? supportOf(this.#state) : null,
    };
  }

  deleteClass(id, name) {
    const shots = this.#state?.classes.find((thing) => thing.id === id)?.shots.length ?? 0;
    return this.#undoably(`Deleted “${name}” with ${counted(shots, "shot")}.`, () => api.deleteClass(id));
  }

  deleteShot(id, name) {
    return this.#undoably(`Deleted a shot of “${name}”.`, () => api.deleteShot(id));
  }

  rename(id, name) {
    return api.renameClass(id, name);
  }

  async undo() {
    this.#withdraw();
    try {
      this.#onState(await api.undo());
    } catch (problem) {
      showProblem(problem);
    }
  }

  async clear() {
    const things = this.#state?.classes ?? [];
    const shots = things.reduce((sum, thing) => sum + thing.shots.length, 0);
    const yes = await confirmed({
      title: "Start over?",
      text: `This removes ${counted(things.length, "thing")} and ${counted(shots, "shot")}. Save first what you want back later.`,
      yes: "Start over",
    });
    if (!yes) return;
    this.#withdraw();
    try {
      this.#onState(await api.clear());
    } catch (problem) {
      showProblem(problem);
    }
  }
}
