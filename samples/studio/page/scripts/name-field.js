import { el, setText } from "./dom.js";
import { icon } from "./icons.js";

/**
 * A name that becomes a field when it is clicked: Enter or leaving it keeps the new name, Escape the old one. What is
 * being typed is never overwritten by what others do.
 */
export class NameField {
  #name = "";
  #text = el("span", { class: "card__name-text" });
  #button = el("button", { type: "button", class: "card__name" }, this.#text, icon("pencil"));
  #field = /** @type {any} */ (null);

  /** @param {HTMLElement} head gets "is-editing" @param {(name: string) => Promise<void>} commit throws to go on editing */
  constructor(head, commit) {
    this.#head = head;
    this.#commit = commit;
    this.element = el("h3", { class: "card__title" }, this.#button);
    this.#button.addEventListener("click", () => this.edit());
  }

  #head;
  #commit;

  get value() {
    return this.#field?.value.trim() || this.#name;
  }

  /** @param {string} name as the server has it */
  set(name) {
    this.#name = name;
    setText(this.#text, name);
    this.#button.title = name;
    this.#button.setAttribute("aria-label", `${name}: rename`);
  }

  edit() {
    if (this.#field) return this.#field.select();
    this.#field = el("input", {
      class: "card__name-field",
      "aria-label": `New name of ${this.#name}`,
      maxlength: 80,
      autocomplete: "off",
      spellcheck: "false",
      enterkeyhint: "done",
    });
    this.#field.value = this.#name;
    this.#field.addEventListener("keydown", (event) => {
      event.stopPropagation();
      if (event.isComposing) return; // This Enter or Escape is for the input method.
      if (event.key === "Enter") this.#keep(true);
      if (event.key === "Escape") this.#end(true);
    });
    this.#field.addEventListener("blur", () => this.#keep(false));
    this.#head.classList.add("is-editing");
    this.element.replaceChildren(this.#field);
    this.#field.focus();
    this.#field.select();
  }

  async #keep(focusAfter) {
    const field = this.#field;
    if (!field || field.dataset.sent) return;
    const name = field.value.trim();
    if (name && name !== this.#name) {
      field.dataset.sent = "yes";
      try {
        await this.#commit(name);
        this.set(name);
      } catch {
        delete field.dataset.sent;
        if (focusAfter) return field.focus();
      }
    }
    this.#end(focusAfter);
  }

  #end(focusAfter) {
    if (!this.#field) return;
    this.#field = null;
    this.#head.classList.remove("is-editing");
    this.element.replaceChildren(this.#button);
    if (focusAfter) this.#button.focus();
  }
}
