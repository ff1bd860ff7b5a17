import { el, setText } from "./dom.js";
import { paint } from "./colours.js";
import { percent } from "./format.js";

const MOST = 6;
const REORDER_MS = 700;

/** Bars of one answer: each thing's probability, and whether the answer is "unknown". */
export class Bars {
  #rows = /** @type {Map<string, any>} */ (new Map());
  #shown = /** @type {string[]} */ ([]);
  #shownSince = 0;
  #list = el("ul", { class: "bars__list" });
  #rest = el("p", { class: "bars__rest", hidden: true });
  #detail = el("small");
  #title;
  #unknown = newRow("bar bar--unknown", "?", "unknown");

  /** @param {string} title */
  constructor(title) {
    this.#title = el("h3", { class: "bars__title" }, el("span", { text: title }), this.#detail);
    this.element = el("div", { class: "bars" }, this.#title, this.#list, this.#rest);
  }

  /** @param {boolean} shown whether the title is needed @param {string} detail a few words beside it */
  setTitle(shown, detail) {
    this.#title.hidden = !shown;
    setText(this.#detail, detail);
  }

  /**
   * @param {import("./types.js").Answer|null} answer null: none yet
   * @param {Map<string, {name: string, number: number, colour_index: number}>} things by class id
   */
  show(answer, things) {
    const scores = answer?.scores ?? {};
    this.#choose(scores, things);
    for (const id of this.#shown) {
      const row = this.#rows.get(id), thing = things.get(id);
      paint(row.element, thing.colour_index);
      setText(row.badge, String(thing.number));
      setText(row.name, thing.name);
      row.name.title = thing.name;
      setBar(row, scores[id] ?? 0, id in scores ? percent(scores[id]) : "–");
      row.element.classList.toggle("is-answer", Boolean(answer) && !answer.unknown && answer.class_id === id);
    }
    const isUnknown = Boolean(answer?.unknown);
    setBar(this.#unknown, isUnknown ? 1 : 0, isUnknown ? "yes" : "no");
    this.#unknown.element.classList.toggle("is-answer", isUnknown);
  }

  /** Keeps all things in their order while there are few; of many, the most probable, reordered now and then. */
  #choose(scores, things) {
    const all = [...things.keys()];
    const isStale = this.#shown.some((id) => !things.has(id)) || this.#shown.length !== Math.min(all.length, MOST);
    if (all.length > MOST) {
      const now = performance.now();
      if (!isStale && now - this.#shownSince < REORDER_MS) return;
      this.#shownSince = now;
      all.sort((a, b) => (scores[b] ?? 0) - (scores[a] ?? 0));
    }
    const chosen = all.slice(0, MOST);
    if (!isStale && chosen.join() === this.#shown.join() && this.#list.children.length) return;
    this.#shown = chosen;
    for (const id of chosen) if (!this.#rows.has(id)) this.#rows.set(id, newRow("bar", "", ""));
    this.#list.replaceChildren(...chosen.map((id) => this.#rows.get(id).element), this.#unknown.element);
    for (const id of this.#rows.keys()) if (!things.has(id)) this.#rows.delete(id);
    this.#rest.hidden = things.size <= MOST;
    setText(this.#rest, `and ${things.size - MOST} less probable`);
  }
}

function newRow(className, badgeText, nameText) {
  const badge = el("span", { class: "badge bar__badge", "aria-hidden": "true", text: badgeText });
  const name = el("span", { class: "bar__name", text: nameText });
  const fill = el("div", { class: "bar__fill" });
  const share = el("span", { class: "bar__share" });
  const element = el("li", { class: className }, badge, name, el("div", { class: "bar__track", "aria-hidden": "true" }, fill), share);
  return { element, badge, name, fill, share };
}

function setBar(row, share, text) {
  row.fill.style.transform = `scaleX(${Math.min(Math.max(share, 0), 1)})`;
  setText(row.share, text);
}
