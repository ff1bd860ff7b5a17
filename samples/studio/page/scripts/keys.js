import { byId, isTyping } from "./dom.js";
import { showKeys } from "./dialogs.js";

/**
 * Keys of the whole page: number keys are held to record, letters act once.
 *
 * @param {{things: import("./things.js").Things, recorder: import("./recorder.js").Recorder,
 *   edits: import("./edits.js").Edits, view: import("./view-choice.js").ViewChoice}} parts
 */
export function setUpKeys({ things, recorder, edits, view }) {
  const acts = {
    n: () => things.add(),
    u: () => edits.undo(),
    b: () => view.next(),
    s: () => byId("save-name").focus(),
    "?": showKeys,
  };
  const held = /** @type {Map<string, object>} */ (new Map());
  addEventListener("keydown", (event) => {
    if (event.defaultPrevented || isTyping(event.target) || document.querySelector("dialog[open]")) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if ((event.ctrlKey || event.metaKey) && key === "z" && !event.shiftKey) acts.u();
    else if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    else if (/^[1-9]$/.test(key)) {
      const card = things.at(Number(key));
      if (!card) return;
      held.set(event.code, card);
      recorder.start(card);
    } else if (acts[key]) acts[key]();
    else return;
    event.preventDefault();
  });
  addEventListener("keyup", (event) => {
    const card = held.get(event.code);
    held.delete(event.code);
    if (card) recorder.stop(card);
  });
}
