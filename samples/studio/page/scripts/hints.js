import { el } from "./dom.js";
import { icon } from "./icons.js";

const FEW_SHOTS = 3;

/** @param {string[]} names @returns {string} at most three of them */
function listed(names) {
  return names.length > 3 ? `${names.slice(0, 3).join(", ")} and ${names.length - 3} more` : names.join(", ").replace(/, ([^,]*)$/, " and $1");
}

const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/** @param {import("./types.js").State} state @returns {string|null} what to do next */
function nextMove({ classes, adaptation }) {
  const taught = classes.filter(({ shots }) => shots.length > 0);
  if (taught.length === 0) return null;
  if (taught.length === 1) {
    return "Add a second thing, or the empty background: with one thing alone there is nothing to tell apart.";
  }
  const few = taught.filter(({ shots }) => shots.length < FEW_SHOTS).map(({ name }) => name);
  if (few.length === 0 || adaptation.notes.length) return null; // The adaptation's own notes say more.
  return `Record a few more shots of ${listed(few)}, from other sides and in other light.`;
}

/** @param {HTMLElement} place @param {import("./types.js").State} state */
export function showHints(place, state) {
  const { status, error, notes } = state.adaptation;
  const line = (kind, iconName, text) => el("li", { class: `hint ${kind}` }, icon(iconName), el("span", { text: sentence(text) }));
  const hints = status === "ready" ? notes.map((note) => line("hint--note", "hint", note)) : [];
  const move = nextMove(state);
  if (move) hints.unshift(line("", "hint", move));
  if (status === "failed" && error) hints.unshift(line("hint--bad", "bad", error));
  const text = hints.map((hint) => hint.textContent).join();
  if (place.dataset.text === text) return;
  place.dataset.text = text;
  place.replaceChildren(...(hints.length ? [el("ul", { class: "hints", "aria-label": "What to do next" }, ...hints)] : []));
}
