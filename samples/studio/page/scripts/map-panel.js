import { byId, el } from "./dom.js";
import { api } from "./api.js";
import { colourProperty, markPath, shapeOf } from "./colours.js";
import { counted } from "./format.js";
import { bestTurn, turned, UNTURNED } from "./map-align.js";
import { nBesideTheirOwn } from "./map-summary.js";
import { MapView } from "./map-view.js";
import { WHEN } from "./picture.js";

const SVG = "http://www.w3.org/2000/svg";
const MOST_IN_LEGEND = 14;

/** The maps of the shots before and after adapting; one map that moves from one to the other, or both side by side. */
export class MapPanel extends EventTarget {
  #main = new MapView();
  #second = new MapView();
  #maps = /** @type {Record<"before"|"after", any[]|null>} */ ({ before: null, after: null });
  #turns = { before: UNTURNED, after: UNTURNED };
  #fetchedVersion = -1;
  #isFetching = false;
  #state = /** @type {import("./types.js").State|null} */ (null);
  /** Whether live positions are wanted. */
  isVisible = false;

  /** @param {import("./view-choice.js").ViewChoice} view */
  constructor(view) {
    super();
    this.#view = view;
    view.addEventListener("change", () => this.#show());
    new IntersectionObserver(([entry]) => {
      this.isVisible = entry.isIntersecting;
      this.dispatchEvent(new Event("visibility"));
    }).observe(byId("change"));
  }

  #view;

  /** @param {import("./types.js").State} state */
  showState(state) {
    this.#state = state;
    const isUseful = state.adaptation.status !== "none" && state.classes.filter(({ shots }) => shots.length).length > 1;
    byId("change").hidden = !isUseful;
    this.#legend();
    if (isUseful && state.adaptation.status !== "adapting") this.#fetch();
  }

  async #fetch() {
    if (this.#isFetching || this.#fetchedVersion === this.#state.version) return;
    this.#isFetching = true;
    this.#fetchedVersion = this.#state.version;
    try {
      this.#take(await api.map());
    } catch {
      this.#fetchedVersion = -1; // The next state asks again; the map is no reason to disturb anyone.
    }
    this.#isFetching = false;
    if (this.#fetchedVersion !== -1 && this.#fetchedVersion !== this.#state.version) this.#fetch();
  }

  /** @param {import("./types.js").Maps} maps */
  #take(maps) {
    for (const when of /** @type {const} */ (["before", "after"])) {
      const points = maps[when]?.points ?? null;
      const reference = this.#maps[when] ?? (when === "after" ? this.#maps.before : null);
      this.#turns[when] = points && reference ? turnTo(points, reference) : UNTURNED;
      this.#maps[when] = points?.map((point) => {
        const [x, y] = turned(this.#turns[when], point.x, point.y);
        return { ...point, x, y };
      }) ?? null;
    }
    this.#show();
  }

  redraw() {
    this.#main.draw();
    this.#second.draw();
    this.#legend();
  }

  #show() {
    const isBoth = this.#view.value === "both";
    byId("maps").classList.toggle("is-both", isBoth);
    const wanted = isBoth ? [this.#main.element, this.#second.element] : [this.#main.element];
    if (byId("maps").children.length !== wanted.length) byId("maps").replaceChildren(...wanted);
    const first = isBoth ? "before" : /** @type {"before"|"after"} */ (this.#view.value);
    this.#fill(this.#main, first, isBoth || first === "before");
    if (isBoth) this.#fill(this.#second, "after", true);
    byId("map-summary").textContent = this.#summary();
  }

  #fill(view, when, titled) {
    const points = this.#maps[when] ?? [];
    const colours = new Map(this.#state?.classes.map(({ id, colour_index: index }) => [id, index]));
    view.show(points.map((point) => ({ ...point, colour_index: colours.get(point.class_id) ?? 0 })));
    view.setTitle(titled ? WHEN[when] : "", `Map of ${counted(points.length, "shot")} ${WHEN[when].toLowerCase()}: ${this.#beside(when)}`);
  }

  #beside(when) {
    const points = this.#maps[when] ?? [];
    return `${nBesideTheirOwn(points)} of ${points.length} lie next to a shot of the same thing`;
  }

  #summary() {
    const { before, after } = this.#maps;
    if (!before || !after) return "";
    const n = { before: nBesideTheirOwn(before), after: nBesideTheirOwn(after) };
    const than = n.before === n.after ? "as many as before" : `before: ${n.before}`;
    return `Each mark is a shot, the ring is what the camera sees. ${n.after} of ${after.length} lie next to a shot of the same thing (${than}).`;
  }

  /** @param {import("./types.js").Live} live */
  showLive(live) {
    const place = (when) => {
      const position = live.map?.[when];
      return position ? turned(this.#turns[when], ...position) : null;
    };
    if (this.#view.value === "both") {
      this.#main.showLive(place("before"));
      this.#second.showLive(place("after"));
    } else this.#main.showLive(place(this.#view.value));
  }

  #legend() {
    const classes = this.#state?.classes.filter(({ shots }) => shots.length) ?? [];
    const items = classes.slice(0, MOST_IN_LEGEND).map(({ name, colour_index: index }) => el("li", {}, mark(index), el("span", { text: name })));
    if (classes.length > MOST_IN_LEGEND) items.push(el("li", { text: `and ${classes.length - MOST_IN_LEGEND} more` }));
    byId("legend").replaceChildren(...items);
  }
}

/** Turns points to the map shown before, by the shots that are in both. */
function turnTo(points, reference) {
  const known = new Map(reference.map((point) => [point.shot_id, point]));
  const shared = points.filter(({ shot_id: id }) => known.has(id));
  return bestTurn(shared, shared.map(({ shot_id: id }) => known.get(id)));
}

function mark(index) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 14 14");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", markPath(shapeOf(index), 7, 7, 5));
  path.setAttribute("fill-rule", "evenodd");
  path.style.fill = `var(${colourProperty(index)})`;
  svg.append(path);
  return svg;
}
