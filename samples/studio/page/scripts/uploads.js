import { el, setText } from "./dom.js";
import { icon } from "./icons.js";
import { size } from "./format.js";
import { api } from "./api.js";

const ACCEPTED = "image/jpeg,image/png,image/webp,image/bmp";
const N_AT_ONCE = 2;
const pause = (s) => new Promise((resolve) => setTimeout(resolve, s * 1000));

/** Sends picture files into a thing: progress, then what went wrong with which file. */
export class Uploads {
  #queue = /** @type {File[]} */ ([]);
  #errors = /** @type {[string, string][]} */ ([]);
  #sum = 0;
  #done = 0;
  #nRunning = 0;
  #nListed = 0;
  #errorPlace = el("div", {});
  #input = el("input", { type: "file", accept: ACCEPTED, multiple: true, hidden: true });

  /** @param {() => Promise<string>} ensureId of the class @param {() => number} mostBytes that the server takes a file */
  constructor(ensureId, mostBytes) {
    this.#ensureId = ensureId;
    this.#mostBytes = mostBytes;
    this.note = el("div", { class: "card__note" });
    this.button = el("button", { type: "button", class: "button button--icon", on: { click: () => this.#input.click() } }, icon("upload"));
    this.#input.addEventListener("change", () => {
      this.add([...this.#input.files]);
      this.#input.value = "";
    });
    this.#text = el("span", { role: "status" });
    this.#bar = el("progress", { "aria-label": "Pictures sent" });
    this.#progress = el("div", { class: "card__progress", hidden: true }, this.#text, this.#bar);
    this.note.hidden = true;
    this.note.append(this.#progress, this.#errorPlace);
  }

  #ensureId;
  #mostBytes;
  #text;
  #bar;
  #progress;

  get input() {
    return this.#input;
  }

  /** @param {string} name of the thing */
  setName(name) {
    this.button.setAttribute("aria-label", `Add picture files to ${name}`);
    this.button.title = "Add picture files";
    this.#input.setAttribute("aria-label", `Picture files of ${name}`);
  }

  /** @param {File[]} files */
  async add(files) {
    if (!files.length) return;
    if (!this.#nRunning && !this.#queue.length) this.#sum = this.#done = this.#errors.length = 0;
    this.#queue.push(...files);
    this.#sum += files.length;
    this.#show();
    let id;
    try {
      id = await this.#ensureId();
    } catch (problem) {
      this.#queue.length = 0;
      this.#errors.push(["", problem.message]);
      return this.#show();
    }
    while (this.#nRunning < N_AT_ONCE && this.#queue.length) this.#work(id);
  }

  async #work(id) {
    this.#nRunning += 1;
    for (let file = this.#queue.shift(); file; file = this.#queue.shift()) {
      await this.#send(id, file);
      this.#done += 1;
      this.#show();
    }
    this.#nRunning -= 1;
    this.#show();
  }

  async #send(id, file) {
    const most = this.#mostBytes();
    if (most && file.size > most) {
      this.#errors.push([file.name, `has ${size(file.size)}; the most is ${size(most)}. Send a smaller picture.`]);
      return;
    }
    for (;;) {
      try {
        return await api.upload(id, file);
      } catch (problem) {
        if (problem.status !== 429) return void this.#errors.push([file.name, problem.message ?? String(problem)]);
        await pause(Math.max(problem.retryAfterS, 0.3));
      }
    }
  }

  #show() {
    const isRunning = this.#nRunning > 0 || this.#queue.length > 0;
    setText(this.#text, isRunning ? `Sent ${this.#done} of ${this.#sum}` : "");
    this.#bar.max = Math.max(this.#sum, 1);
    this.#bar.value = this.#done;
    this.#progress.hidden = !isRunning;
    if (this.#errors.length !== this.#nListed) { // A new list is read out from its start, and has no focus.
      this.#nListed = this.#errors.length;
      this.#errorPlace.replaceChildren(...(this.#nListed ? [this.#errorList()] : []));
    }
    this.note.hidden = !isRunning && this.#nListed === 0;
  }

  #errorList() {
    const items = this.#errors.map(([name, reason]) => el("li", {}, el("b", { text: name }), name ? ": " : "", reason));
    const close = () => {
      this.#errors.length = 0;
      this.#show();
    };
    return el("div", { class: "card__errors", role: "alert" }, el("ul", {}, ...items),
      el("button", { type: "button", class: "button button--icon", "aria-label": "Close the list of errors", on: { click: close } }, icon("close")));
  }
}
