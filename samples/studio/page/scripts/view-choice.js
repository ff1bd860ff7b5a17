import { el } from "./dom.js";

const VIEWS = /** @type {const} */ ([["before", "Before"], ["both", "Both"], ["after", "After"]]);

/** Before, both or after adapting: one choice, shown by as many switches as the page has. */
export class ViewChoice extends EventTarget {
  /** @type {import("./types.js").View} */
  value = "after";
  #options = [];

  /** @param {HTMLElement} place where a switch is to stand @param {string} name what it is for */
  addSwitch(place, name) {
    const group = el("div", { class: "choice", role: "radiogroup", "aria-label": name });
    for (const [value, text] of VIEWS) {
      const option = el("button", { type: "button", class: "choice__option", role: "radio", "data-value": value, text });
      option.addEventListener("click", () => this.choose(value));
      this.#options.push(option);
      group.append(option);
    }
    group.addEventListener("keydown", (event) => this.#moved(event, group));
    place.append(group);
    this.#show();
  }

  /** @param {import("./types.js").View} value */
  choose(value) {
    this.value = value;
    this.#show();
    this.dispatchEvent(new Event("change"));
  }

  next() {
    const values = VIEWS.map(([value]) => value);
    this.choose(values[(values.indexOf(this.value) + 1) % values.length]);
  }

  #moved(event, group) {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const index = VIEWS.findIndex(([value]) => value === this.value);
    const place = (index + step + VIEWS.length) % VIEWS.length;
    this.choose(VIEWS[place][0]);
    group.children[place].focus();
  }

  #show() {
    for (const option of this.#options) {
      const isChosen = option.dataset.value === this.value;
      option.setAttribute("aria-checked", String(isChosen));
      option.tabIndex = isChosen ? 0 : -1;
    }
  }
}
