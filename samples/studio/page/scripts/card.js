import { el, setText } from "./dom.js";
import { icon } from "./icons.js";
import { api } from "./api.js";
import { counted } from "./format.js";
import { paint } from "./colours.js";
import { showProblem } from "./toasts.js";
import { NameField } from "./name-field.js";
import { recordButton } from "./record-button.js";
import { Shots } from "./shots.js";
import { Uploads } from "./uploads.js";

/**
 * One thing. A card may stand before its class exists (a draft): the first name, shot or file then makes the class.
 */
export class Card {
  /** @type {string|null} */
  id = null;
  number = 0;
  colourIndex = 0;
  /** @type {Promise<string>|null} the class being made */
  making = null;
  #badge = el("span", { class: "badge", "aria-hidden": "true" });
  #count = el("span", { class: "card__count" });
  #head = el("div", { class: "card__head" });

  /**
   * @param {{recorder: import("./recorder.js").Recorder, edits: import("./edits.js").Edits, mostBytes: () => number,
   *   discard: (card: Card) => void}} around
   */
  constructor({ recorder, edits, mostBytes, discard }) {
    const press = () => recorder.start(this);
    const release = () => recorder.stop(this);
    this.record = recordButton(press, release);
    this.name = new NameField(this.#head, (name) => this.#rename(name));
    this.shots = new Shots(api.shotImage, (id) => edits.deleteShot(id, this.name.value));
    this.uploads = new Uploads(() => this.ensureId(), mostBytes);
    this.#edits = edits;
    this.#discard = discard;
    this.#open = this.#tool("down", () => this.setOpen(this.#open.getAttribute("aria-expanded") !== "true"), "card__open");
    this.#delete = this.#tool("remove", () => (this.id ? edits.deleteClass(this.id, this.name.value) : discard(this)), "");
    this.#head.append(this.#badge, this.name.element, this.#count,
      el("div", { class: "card__tools" }, this.#open, this.uploads.button, this.#delete));
    this.element = el("li", { class: "card is-draft" }, this.#head, this.record, this.shots.element, this.uploads.note, this.uploads.input);
    this.setOpen(false);
    this.#acceptDrops();
  }

  #edits;
  #discard;
  #open;
  #delete;

  #tool(iconName, click, extra) {
    return el("button", { type: "button", class: `button button--icon ${extra}`, on: { click } }, icon(iconName));
  }

  /** Shows what the server knows of it. @param {import("./types.js").Thing} thing @param {number} number its place, from 1 */
  update(thing, number) {
    this.id = thing.id;
    this.element.classList.remove("is-draft");
    this.#show(thing.name, number, thing.colour_index, thing.shots);
    setText(this.#count, thing.shots.length ? counted(thing.shots.length, "shot") : "");
    this.#delete.hidden = false;
  }

  /** Shows it as a thing that is still to be made. @param {boolean} canGo whether it can be thrown away */
  updateDraft(name, number, colourIndex, canGo) {
    this.#show(name, number, colourIndex, []);
    this.#delete.hidden = !canGo;
  }

  #show(name, number, colourIndex, shots) {
    this.number = number;
    this.colourIndex = colourIndex;
    paint(this.element, colourIndex);
    setText(this.#badge, String(number));
    this.name.set(name);
    this.shots.update(shots, name);
    this.uploads.setName(name);
    this.record.setAttribute("aria-label", `Hold to record ${name}`);
    if (number <= 9) this.record.setAttribute("aria-keyshortcuts", String(number));
    else this.record.removeAttribute("aria-keyshortcuts");
    this.#delete.setAttribute("aria-label", `Delete ${name}`);
    this.#delete.title = "Delete this thing";
    this.#open.setAttribute("aria-label", `Shots of ${name}`);
    this.#open.title = "Show the shots";
  }

  setOpen(isOpen) {
    this.element.classList.toggle("is-open", isOpen);
    this.#open.setAttribute("aria-expanded", String(isOpen));
  }

  showRecording(isOn) {
    this.record.classList.toggle("is-recording", isOn);
    setText(this.record.querySelector(".record__text"), isOn ? "Release to stop" : "Hold to record");
  }

  /** @returns {Promise<string>} the class's id, once it exists */
  ensureId() {
    if (this.id !== null) return Promise.resolve(this.id);
    this.making ??= this.#make(this.name.value).finally(() => {
      this.making = null;
    });
    return this.making;
  }

  async #make(name) {
    const thing = await api.addClass(name);
    this.id ??= thing.id;
    return this.id;
  }

  async #rename(name) {
    try {
      if (this.id !== null) await this.#edits.rename(this.id, name);
      else {
        this.name.set(name);
        await this.ensureId();
      }
    } catch (problem) {
      showProblem(problem);
      throw problem;
    }
  }

  #acceptDrops() {
    const mark = (isOn) => this.element.classList.toggle("is-drop-target", isOn);
    this.element.addEventListener("dragover", (event) => {
      event.preventDefault();
      event.dataTransfer.dropEffect = "copy";
      mark(true);
    });
    this.element.addEventListener("dragleave", (event) => {
      if (!this.element.contains(event.relatedTarget)) mark(false);
    });
    this.element.addEventListener("drop", (event) => {
      event.preventDefault();
      mark(false);
      this.uploads.add([...event.dataTransfer.files]);
    });
  }
}
