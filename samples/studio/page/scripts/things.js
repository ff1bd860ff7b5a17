import { byId, setText } from "./dom.js";
import { counted } from "./format.js";
import { Card } from "./card.js";
import { showHints } from "./hints.js";

const N_STARTERS = 2;
const COMPACT_FROM = 13;

/** The cards: one for each class of the server, in its order, then the drafts. */
export class Things {
  #cards = /** @type {Map<string, Card>} */ (new Map());
  #drafts = /** @type {{card: Card, name: string, isStarter: boolean}[]} */ ([]);
  #list = byId("cards");
  #state = /** @type {import("./types.js").State|null} */ (null);
  /** Name, number and colour of each class, by id. */
  byId = new Map();

  /** @param {{recorder: import("./recorder.js").Recorder, edits: import("./edits.js").Edits}} around */
  constructor({ recorder, edits }) {
    this.#around = {
      recorder, edits,
      mostBytes: () => this.#state?.limits.upload_bytes ?? 0,
      discard: (card) => this.#discard(card),
    };
    byId("filter-text").addEventListener("input", () => this.#filter());
  }

  #around;

  /** @param {import("./types.js").State} state */
  update(state) {
    this.#state = state;
    const wanted = new Set(state.classes.map(({ id }) => id));
    for (const [id, card] of this.#cards) if (!wanted.has(id)) this.#remove(id, card);
    state.classes.forEach((thing, index) => this.#cardOf(thing).update(thing, index + 1));
    this.#updateDrafts();
    this.byId = new Map(state.classes.map(({ id, name, colour_index }, index) => [id, { name, number: index + 1, colour_index }]));
    this.#arrange();
  }

  #cardOf(thing) {
    let card = this.#cards.get(thing.id);
    if (!card) {
      const isIts = ({ card: draft }) => draft.id === thing.id || (draft.id === null && draft.making && draft.name.value === thing.name);
      const index = this.#drafts.findIndex(isIts);
      card = index >= 0 ? this.#drafts.splice(index, 1)[0].card : new Card(this.#around);
      this.#cards.set(thing.id, card);
    }
    return card;
  }

  #remove(id, card) {
    this.#cards.delete(id);
    const next = card.element.nextElementSibling ?? card.element.previousElementSibling;
    const hadFocus = card.element.contains(document.activeElement);
    card.element.remove();
    if (hadFocus) (next?.querySelector(".record") ?? byId("add")).focus();
  }

  #updateDrafts() {
    const n = this.#state.classes.length;
    const isIdle = ({ card }) => !card.making && !card.element.contains(document.activeElement);
    const startsOver = n === 0 && this.byId.size > 0;
    this.#drafts = this.#drafts.filter((draft) => {
      const goes = draft.isStarter && isIdle(draft) && (startsOver || n + this.#drafts.length > N_STARTERS);
      if (goes) draft.card.element.remove();
      return !goes;
    });
    while (n + this.#drafts.length < N_STARTERS) this.#newDraft(true);
    const colours = this.#state.classes.map((thing) => thing.colour_index);
    this.#drafts.forEach((draft, index) => {
      const name = draft.card.name.value || draft.name;
      draft.card.updateDraft(name, n + index + 1, Math.max(-1, ...colours) + 1 + index, !draft.isStarter);
    });
  }

  #newDraft(isStarter) {
    const taken = new Set([...this.#state.classes.map(({ name }) => name), ...this.#drafts.map(({ card }) => card.name.value)]);
    let number = taken.size + 1;
    while (taken.has(`Thing ${number}`)) number += 1;
    const draft = { card: new Card(this.#around), name: `Thing ${number}`, isStarter };
    draft.card.name.set(draft.name);
    this.#drafts.push(draft);
    return draft;
  }

  #discard(card) {
    this.#drafts = this.#drafts.filter((draft) => draft.card !== card);
    card.element.remove();
    byId("add").focus();
  }

  /** Adds a card and lets the user type its name. */
  add() {
    if (!this.#state) return;
    byId("filter-text").value = "";
    this.#filter();
    const { card } = this.#newDraft(false);
    this.#updateDrafts();
    this.#arrange();
    card.element.scrollIntoView({ block: "nearest" });
    card.name.edit();
  }

  /** @param {number} number from 1 @returns {Card|undefined} */
  at(number) {
    return [...this.#cards.values(), ...this.#drafts.map(({ card }) => card)].find((card) => card.number === number);
  }

  /** Marks the card of the class that is seen now. @param {string|null} id */
  markSeen(id) {
    for (const [cardId, card] of this.#cards) card.element.classList.toggle("is-seen", cardId === id);
  }

  #arrange() {
    const { classes } = this.#state;
    const inOrder = [...classes.map(({ id }) => this.#cards.get(id)), ...this.#drafts.map(({ card }) => card)];
    this.#place(inOrder.map(({ element }) => element));
    const nShots = classes.reduce((sum, { shots }) => sum + shots.length, 0);
    setText(byId("things-count"), nShots ? counted(nShots, "shot") : "");
    this.#list.classList.toggle("is-compact", inOrder.length >= COMPACT_FROM);
    byId("filter").hidden = inOrder.length < COMPACT_FROM;
    byId("steps").hidden = nShots > 0;
    const isFull = inOrder.length >= this.#state.limits.max_ways;
    byId("add").disabled = isFull;
    byId("add").title = isFull ? `This model tells at most ${this.#state.limits.max_ways} things apart` : "";
    showHints(byId("hints"), this.#state);
    this.#filter();
  }

  /** Puts cards in order around the one in use: to be moved would take the focus, and the held button, from it. */
  #place(elements) {
    const inUse = elements.findIndex((element) => element.contains(document.activeElement) || element.querySelector(".is-recording"));
    for (let index = inUse - 1; index >= 0; index -= 1) {
      if (elements[index].nextElementSibling !== elements[index + 1]) elements[index + 1].before(elements[index]);
    }
    for (let index = inUse + 1; index < elements.length; index += 1) {
      const before = elements[index - 1] ?? null;
      if (elements[index].parentElement === this.#list && elements[index].previousElementSibling === before) continue;
      if (before) before.after(elements[index]);
      else this.#list.prepend(elements[index]);
    }
  }

  #filter() {
    const wanted = byId("filter").hidden ? "" : byId("filter-text").value.trim().toLowerCase();
    for (const card of [...this.#cards.values(), ...this.#drafts.map(({ card: draft }) => draft)]) {
      card.element.hidden = !card.name.value.toLowerCase().includes(wanted);
    }
  }
}
