import { byId, el } from "./dom.js";
import { icon } from "./icons.js";
import { Announcer } from "./announcer.js";
import { duration, percent } from "./format.js";

/** @param {import("./types.js").Adaptation} adaptation @returns {[string, string]|null} icon and words */
function words({ status, adapt_ms: ms }) {
  switch (status) {
    case "ready":
      return ["done", ms === null ? "Adapted" : `Adapted in ${duration(ms)}`];
    case "adapting":
      return ["adapting", "Adapting…"];
    case "stale":
      return ["stale", "Not adapted to the last change"];
    case "failed":
      return ["bad", "Could not adapt"];
    default:
      return null;
  }
}

const announcer = new Announcer("adaptation-said"); // While a button is held the chip changes several times a second.

/** Shows how the adaptation stands, and how much better it is. @param {import("./types.js").State} state */
export function showAdaptation({ adaptation, waiting_shots: waiting }) {
  const chip = byId("adaptation");
  const [iconName, text] = words(adaptation) ?? ["", ""];
  const said = waiting > 2 ? `${text}${text && ", "}${waiting} shots waiting` : text;
  if (chip.dataset.status !== adaptation.status || chip.textContent !== said) {
    chip.dataset.status = adaptation.status;
    chip.replaceChildren(...(text ? [icon(iconName)] : []), said);
  }
  announcer.hear(text);
  byId("accuracy").replaceChildren(...accuracyWords(adaptation));
}

function accuracyWords({ status, adapt_ms: ms, accuracy_before: before, accuracy_after: after, step_size: step }) {
  if (status === "ready" && ms === null) return ["Loaded from a file: how many shots are right is measured at the next change."];
  if (before === null || after === null) return ["Of each shot left out in turn: needs two shots of a thing."];
  if (step === 0) {
    const words = " of your shots are right when each is left out in turn. Adapting would not have helped, so the model stayed as it was.";
    return [el("b", { text: percent(before) }), words];
  }
  return [
    el("b", { text: percent(before) }),
    " → ",
    el("b", { class: after > before ? "is-better" : "", text: percent(after) }),
    " of your shots are right when each is left out in turn",
  ];
}
