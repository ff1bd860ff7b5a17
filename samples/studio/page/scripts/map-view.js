import { el } from "./dom.js";
import { colourProperty, markPath, shapeOf } from "./colours.js";

const MOVE_MS = 700;
const N_TRAIL = 14;
const MARGIN_PX = 18;
const LARGE = 5.5;
const SMALL = 4;
const still = matchMedia("(prefers-reduced-motion: reduce)");
const eased = (t) => (t < 0.5 ? 4 * t ** 3 : 1 - (2 - 2 * t) ** 3 / 2);

/** One map: a mark for each shot, and the live picture as a ring with a trail. Positions are in -1..1. */
export class MapView {
  #canvas = el("canvas", { class: "map__canvas", role: "img" });
  #title = el("p", { class: "map__title" });
  #marks = /** @type {Map<number, any>} */ (new Map());
  #trail = /** @type {[number, number][]} */ ([]);
  #movingSince = -Infinity;
  #isAsked = false;

  constructor() {
    this.element = el("div", { class: "map" }, this.#title, this.#canvas);
    new ResizeObserver(() => this.draw()).observe(this.#canvas);
  }

  /** @param {string} title empty for none @param {string} summary for those who do not see it */
  setTitle(title, summary) {
    this.#title.hidden = !title;
    this.#title.textContent = title;
    this.#canvas.setAttribute("aria-label", summary);
  }

  /** Moves the marks to new places. @param {{shot_id: number, x: number, y: number, colour_index: number}[]} points */
  show(points) {
    const now = performance.now();
    const old = this.#marks;
    this.#marks = new Map();
    for (const point of points) {
      const mark = old.get(point.shot_id);
      const from = mark ? this.#placeOf(mark, now) : [point.x, point.y];
      this.#marks.set(point.shot_id, { from, to: [point.x, point.y], colour_index: point.colour_index });
    }
    this.#movingSince = still.matches ? -Infinity : now;
    this.#trail = [];
    this.draw();
  }

  /** @param {[number, number]|null} position of the live picture */
  showLive(position) {
    if (position === null) this.#trail = [];
    else this.#trail.push([clamp(position[0]), clamp(position[1])]);
    if (this.#trail.length > N_TRAIL) this.#trail.shift();
    this.draw();
  }

  #placeOf({ from, to }, now) {
    const t = eased(Math.min((now - this.#movingSince) / MOVE_MS, 1));
    return [from[0] + (to[0] - from[0]) * t, from[1] + (to[1] - from[1]) * t];
  }

  /** Draws once in the next frame, however often it is called. */
  draw() {
    if (this.#isAsked) return;
    this.#isAsked = true;
    requestAnimationFrame((now) => {
      this.#isAsked = false;
      this.#paint(now);
      if (now - this.#movingSince < MOVE_MS) this.draw();
    });
  }

  #paint(now) {
    const { clientWidth: width, clientHeight: height } = this.#canvas;
    if (!width || !height) return;
    const ratio = devicePixelRatio || 1;
    this.#canvas.width = Math.round(width * ratio);
    this.#canvas.height = Math.round(height * ratio);
    const context = this.#canvas.getContext("2d");
    context.scale(ratio, ratio);
    const style = getComputedStyle(this.#canvas);
    const at = ([x, y]) => [width / 2 + x * (width / 2 - MARGIN_PX), height / 2 - y * (height / 2 - MARGIN_PX)];
    const size = this.#marks.size > 150 ? SMALL : LARGE;
    for (const mark of this.#marks.values()) {
      const path = new Path2D(markPath(shapeOf(mark.colour_index), ...at(this.#placeOf(mark, now)), size));
      context.fillStyle = style.getPropertyValue(colourProperty(mark.colour_index));
      context.strokeStyle = style.getPropertyValue("--sunken");
      context.lineWidth = 1.5;
      context.stroke(path);
      context.fill(path, "evenodd");
    }
    this.#paintLive(context, at, style);
  }

  #paintLive(context, at, style) {
    if (!this.#trail.length) return;
    context.strokeStyle = style.getPropertyValue("--text");
    context.lineCap = "round";
    for (let i = 1; i < this.#trail.length; i += 1) {
      context.globalAlpha = (0.45 * i) / this.#trail.length;
      context.lineWidth = 2;
      context.beginPath();
      context.moveTo(...at(this.#trail[i - 1]));
      context.lineTo(...at(this.#trail[i]));
      context.stroke();
    }
    context.globalAlpha = 1;
    const [x, y] = at(this.#trail[this.#trail.length - 1]);
    context.lineWidth = 2.5;
    context.beginPath();
    context.arc(x, y, 8, 0, 2 * Math.PI);
    context.stroke();
    context.fillStyle = style.getPropertyValue("--text");
    context.beginPath();
    context.arc(x, y, 2.5, 0, 2 * Math.PI);
    context.fill();
  }
}

const clamp = (value) => Math.min(Math.max(value, -1.03), 1.03);
