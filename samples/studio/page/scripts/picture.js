import { byId, el, setText } from "./dom.js";
import { duration, percent } from "./format.js";
import { paint } from "./colours.js";

/** What a view calls its answers, where more than the answer after adapting is shown. */
export const WHEN = { before: "Before adapting", after: "After adapting" };

/** The live picture, the answers written on it, and the line below it. */
export class Picture {
  #canvas = byId("canvas");
  #context = this.#canvas.getContext("2d", { alpha: false });
  #labels = byId("labels");
  #lines = /** @type {Record<string, any>} */ ({});
  #shape = "";

  /** @param {ArrayBuffer} jpeg @returns {Promise<ImageBitmap>} */
  static decode(jpeg) {
    return createImageBitmap(new Blob([jpeg], { type: "image/jpeg" }));
  }

  /** @param {ImageBitmap} bitmap freed here */
  draw(bitmap) {
    if (this.#canvas.width !== bitmap.width || this.#canvas.height !== bitmap.height) {
      this.#canvas.width = bitmap.width;
      this.#canvas.height = bitmap.height;
    }
    this.#context.drawImage(bitmap, 0, 0);
    bitmap.close();
  }

  /**
   * Writes the answers on the picture.
   *
   * @param {{when: "before"|"after", answer: import("./types.js").Answer}[]} answers none: nothing to say yet
   * @param {boolean} named whether each needs to say when it is from
   * @param {Map<string, {name: string, number: number, colour_index: number}>} things by class id
   */
  label(answers, named, things) {
    const shape = answers.map(({ when }) => when).join() + named;
    if (shape !== this.#shape) {
      this.#shape = shape;
      this.#lines = {};
      this.#labels.replaceChildren(...answers.map(({ when }) => this.#newAnswer(when, named)));
    }
    for (const { when, answer } of answers) this.#write(this.#lines[when], answer, things);
  }

  #newAnswer(when, named) {
    const line = {
      badge: el("span", { class: "badge", "aria-hidden": "true" }),
      name: el("span", { class: "answer__name" }),
      guess: el("span", { class: "answer__guess" }),
      share: el("span", { class: "answer__share" }),
    };
    line.whole = el("div", { class: "answer", "data-when": when },
      named ? el("p", { class: "answer__when", text: WHEN[when] }) : null,
      el("p", { class: "answer__line" }, line.badge, line.name, line.guess, line.share));
    this.#lines[when] = line;
    return line.whole;
  }

  #write(line, answer, things) {
    const best = things.get(bestOf(answer.scores) ?? "");
    const thing = answer.unknown ? undefined : things.get(answer.class_id ?? "");
    line.whole.classList.toggle("is-unknown", answer.unknown);
    line.badge.hidden = !thing;
    if (thing) {
      paint(line.badge, thing.colour_index);
      setText(line.badge, String(thing.number));
    }
    setText(line.name, answer.unknown ? "unknown" : (thing?.name ?? answer.label ?? ""));
    setText(line.guess, answer.unknown && best ? `most like ${best.name}` : "");
    setText(line.share, answer.unknown ? "" : percent(answer.probability));
  }

  /** @param {import("./types.js").Live} live */
  showSpeed(live) {
    const parts = [];
    if (live.ready) parts.push(`${duration(live.latency_ms)} lens to label`);
    parts.push(`${Math.round(live.fps)} fps`);
    setText(byId("speed"), parts.join(" · "));
  }

  /** @param {import("./types.js").Camera} camera */
  showCamera(camera) {
    const isLive = camera.state === "live";
    const size = camera.width ? ` · ${camera.width} × ${camera.height}` : "";
    setText(byId("camera-name"), `${camera.description}${size}`);
    byId("camera-name").classList.toggle("is-live", isLive);
    this.#canvas.setAttribute("aria-label", `Live picture of ${camera.description}`);
    const trouble = byId("camera-problem");
    byId("picture").classList.toggle("is-troubled", !isLive && camera.state !== "ended");
    trouble.hidden = isLive;
    if (!isLive) trouble.replaceChildren(...troubleOf(camera));
  }

  /** @param {{name: string, colour_index: number}|null} thing what is being recorded, and how many shots so far */
  showRecording(thing, count = 0) {
    const picture = byId("picture");
    picture.classList.toggle("is-recording", thing !== null);
    byId("recording").hidden = thing === null;
    if (thing === null) return;
    paint(picture, thing.colour_index);
    setText(byId("recording"), `${thing.name} · ${count}`);
  }
}

/** @param {Record<string, number>} scores @returns {string|null} id of the most probable class */
export function bestOf(scores) {
  let best = null;
  for (const id of Object.keys(scores)) if (best === null || scores[id] > scores[best]) best = id;
  return best;
}

const TROUBLES = {
  connecting: "Opening the camera…",
  reconnecting: "The camera is gone. Trying again…",
  ended: "The recording is over.",
  failed: "The camera does not work.",
  closed: "The camera is closed.",
};

function troubleOf(camera) {
  const isLate = camera.state === "connecting" && camera.last_error;
  const what = isLate ? "The camera does not open. Trying again…" : (TROUBLES[camera.state] ?? `The camera is ${camera.state}.`);
  const lines = [el("b", { text: what })];
  if (camera.last_error) lines.push(el("span", { text: camera.last_error }));
  return lines;
}
