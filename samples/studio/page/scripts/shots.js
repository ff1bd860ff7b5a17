import { el } from "./dom.js";
import { icon } from "./icons.js";

/**
 * The strip of a thing's shots, newest first. Each is a button that deletes it; a finger has to tap twice. The strip is
 * one tab stop: arrows go from shot to shot.
 */
export class Shots {
  #shots = /** @type {Map<number, HTMLElement>} */ (new Map());
  #focusable = /** @type {HTMLElement|null} */ (null);

  /** @param {(id: number) => string} imageOf address of a shot's picture @param {(id: number) => void} remove */
  constructor(imageOf, remove) {
    this.#imageOf = imageOf;
    this.#remove = remove;
    this.#empty = el("p", { class: "shots__empty", text: "No shots yet. Hold the button, or drop picture files here." });
    this.element = el("div", { class: "shots", role: "toolbar", "aria-orientation": "horizontal" }, this.#empty);
    this.element.addEventListener("keydown", (event) => this.#key(event));
    this.element.addEventListener("focusin", (event) => this.#makeFocusable(event.target));
  }

  #imageOf;
  #remove;
  #empty;

  /** @param {import("./types.js").Shot[]} shots oldest first @param {string} name of the thing */
  update(shots, name) {
    this.element.setAttribute("aria-label", `Shots of ${name}`);
    const wanted = new Set(shots.map(({ id }) => id));
    const isFirst = this.#shots.size === 0;
    for (const [id, shot] of this.#shots) if (!wanted.has(id)) this.#drop(id, shot);
    shots.forEach(({ id }, index) => {
      let shot = this.#shots.get(id);
      if (!shot) {
        shot = this.#newShot(id, !isFirst || shots.length === 1);
        this.#shots.set(id, shot);
        this.element.prepend(shot);
      }
      shot.setAttribute("aria-label", `Delete shot ${index + 1} of ${name}`);
    });
    this.#empty.hidden = shots.length > 0;
    if (!this.element.contains(document.activeElement)) this.#makeFocusable(this.#buttons[0]);
  }

  get #buttons() {
    return /** @type {HTMLElement[]} */ ([...this.element.querySelectorAll(".shot")]);
  }

  #newShot(id, isNew) {
    const image = el("img", { src: this.#imageOf(id), alt: "", loading: "lazy", decoding: "async", width: 64, height: 64, draggable: "false" });
    const shot = el("button", { type: "button", class: isNew ? "shot is-new" : "shot", tabindex: -1, title: "Delete this shot", "data-shot": id },
      image, el("span", { class: "shot__remove" }, icon("remove")));
    let byTouch = false;
    shot.addEventListener("pointerdown", (event) => {
      byTouch = event.pointerType === "touch";
    });
    shot.addEventListener("click", () => {
      if (byTouch && !shot.classList.contains("is-armed")) {
        this.#buttons.forEach((other) => other.classList.toggle("is-armed", other === shot));
        return;
      }
      this.#remove(id);
    });
    shot.addEventListener("blur", () => shot.classList.remove("is-armed"));
    return shot;
  }

  #drop(id, shot) {
    this.#shots.delete(id);
    const next = [shot.nextElementSibling, shot.previousElementSibling].find((other) => other?.classList.contains("shot"));
    const hadFocus = shot === document.activeElement;
    shot.remove();
    if (hadFocus) (next ?? this.element.closest(".card")?.querySelector(".record"))?.focus();
  }

  #key(event) {
    const buttons = this.#buttons;
    const index = buttons.indexOf(event.target);
    const next = { ArrowRight: index + 1, ArrowLeft: index - 1, Home: 0, End: buttons.length - 1 }[event.key];
    if (next !== undefined) {
      event.preventDefault();
      buttons[Math.min(Math.max(next, 0), buttons.length - 1)]?.focus();
    } else if ((event.key === "Delete" || event.key === "Backspace") && !event.repeat) {
      this.#remove(Number(event.target.dataset.shot));
    }
  }

  #makeFocusable(shot) {
    if (!shot?.classList.contains("shot")) return;
    if (this.#focusable) this.#focusable.tabIndex = -1;
    this.#focusable = shot;
    shot.tabIndex = 0;
  }
}
