import { byId, el } from "./dom.js";
import { icon } from "./icons.js";
import { api } from "./api.js";
import { moment, size } from "./format.js";
import { confirmed } from "./dialogs.js";
import { showProblem, toast } from "./toasts.js";

const SUFFIX = ".adaptation";
const NOTHING = "Nothing saved yet. A saved adaptation is one small file; load it here or on another device with the same model.";

/** What was saved: save, load, delete, download, upload. */
export class Saved {
  #name = byId("save-name");
  #problem = byId("save-problem");
  #loaded = /** @type {string|null} */ (null);
  #known = "";

  /** @param {(state: import("./types.js").State) => void} onState for answers that carry the new state */
  constructor(onState) {
    this.#onState = onState;
    byId("save").textContent = "Save";
    byId("save-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#save(false);
    });
    this.#name.addEventListener("input", () => this.#showProblem(null));
    const file = byId("upload-adaptation-file");
    byId("upload-adaptation").append(icon("upload"), "Upload");
    byId("upload-adaptation").addEventListener("click", () => file.click());
    file.addEventListener("change", () => {
      if (file.files.length) this.#upload(file.files[0]);
      file.value = "";
    });
  }

  #onState;

  /** @param {import("./types.js").State} state */
  showState(state) {
    byId("save").disabled = state.adaptation.status !== "ready";
    if (state.adaptation_name !== this.#loaded) {
      this.#loaded = state.adaptation_name;
      this.#known = "";
      this.refresh();
    }
  }

  async refresh() {
    let saved;
    try {
      saved = await api.adaptations();
    } catch (problem) {
      showProblem(problem);
      return;
    }
    const known = JSON.stringify([saved, this.#loaded]);
    if (known === this.#known) return;
    this.#known = known;
    const items = saved.map((adaptation) => this.#item(adaptation));
    byId("saved-list").replaceChildren(...(items.length ? items : [el("li", { class: "saved__none", text: NOTHING })]));
  }

  async #save(overwrite) {
    const name = this.#name.value.trim();
    if (!name) {
      this.#name.focus();
      return this.#showProblem("Write a name first.");
    }
    try {
      await api.save(name, overwrite);
      this.#name.value = "";
      this.#showProblem(null);
      toast(`Saved as “${name}”.`);
      await this.refresh();
    } catch (problem) {
      const exists = problem.status === 409 && !overwrite && this.#known.includes(JSON.stringify(name));
      this.#showProblem(problem.message, exists ? { name: "Replace it", run: () => this.#save(true) } : undefined);
    }
  }

  #showProblem(text, action) {
    this.#problem.hidden = text === null;
    this.#name.toggleAttribute("aria-invalid", text !== null);
    if (text === null) return;
    this.#problem.replaceChildren(el("span", { text }),
      ...(action ? [el("button", { type: "button", class: "button", text: action.name, on: { click: action.run } })] : []));
  }

  #item({ name, size_bytes: bytes, saved_at: at, classes, problem: unusable }) {
    const details = [unusable ?? classes.join(", "), moment(at), size(bytes)].filter(Boolean).join(" · ");
    const isLoaded = name === this.#loaded;
    return el("li", { class: "saved__item" },
      el("div", { class: "saved__text" },
        el("h3", { class: "saved__name", title: name }, name, isLoaded ? el("small", { text: "in use" }) : null),
        el("p", { class: "saved__details", text: details, title: details })),
      el("button", {
        type: "button", class: "button", "aria-label": `Load ${name}`, text: "Load", disabled: Boolean(unusable),
        on: { click: () => this.#load(name) },
      }),
      el("a", {
        class: "button button--icon", href: api.adaptationFile(name), download: `${name}${SUFFIX}`,
        "aria-label": `Download ${name}`, title: "Download",
      }, icon("download")),
      el("button", {
        type: "button", class: "button button--icon", "aria-label": `Delete ${name}`, title: "Delete",
        on: { click: () => this.#delete(name) },
      }, icon("remove")));
  }

  async #load(name) {
    try {
      this.#onState(await api.load(name));
      toast(`Loaded “${name}”.`);
    } catch (problem) {
      showProblem(problem);
    }
  }

  async #delete(name) {
    const yes = await confirmed({ title: `Delete “${name}”?`, text: "The file is removed from this device. This cannot be undone.", yes: "Delete" });
    if (!yes) return;
    try {
      await api.deleteAdaptation(name);
      await this.refresh();
    } catch (problem) {
      showProblem(problem);
    }
  }

  async #upload(file, overwrite = false) {
    const name = file.name.endsWith(SUFFIX) ? file.name.slice(0, -SUFFIX.length) : file.name;
    try {
      await api.uploadAdaptation(name, file, overwrite);
      toast(`Uploaded “${name}”.`, { action: { name: "Load", run: () => this.#load(name) } });
      await this.refresh();
    } catch (problem) {
      if (problem.status !== 409 || overwrite) return showProblem(problem);
      toast(problem.message, { bad: true, action: { name: "Replace it", run: () => this.#upload(file, true) } });
    }
  }
}
