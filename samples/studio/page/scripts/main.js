import { byId, setText } from "./dom.js";
import { icon } from "./icons.js";
import { api } from "./api.js";
import { showAdaptation } from "./adaptation.js";
import { Answers } from "./answers.js";
import { showKeys } from "./dialogs.js";
import { Edits } from "./edits.js";
import { setUpKeys } from "./keys.js";
import { Link } from "./link.js";
import { MapPanel } from "./map-panel.js";
import { Picture } from "./picture.js";
import { Recorder } from "./recorder.js";
import { Saved } from "./saved.js";
import { Score } from "./score.js";
import { Stage } from "./stage.js";
import { setUpTheme } from "./theme.js";
import { Things } from "./things.js";
import { banner } from "./toasts.js";
import { ViewChoice } from "./view-choice.js";

const link = new Link();
const view = new ViewChoice();
const picture = new Picture();
const answers = new Answers(picture, view);
const map = new MapPanel(view);
const recorder = new Recorder();
const edits = new Edits((next) => next.version >= (state?.version ?? 0) && showState(next));
const things = new Things({ recorder, edits });
const saved = new Saved((next) => showState(next));
const stage = new Stage();
const score = new Score();
/** @type {import("./types.js").State|null} */
let state = null;

function showState(next) {
  state = next;
  setText(byId("model"), `${state.model.name}, ${state.model.backend}`);
  byId("model").title = state.model.notes.join("\n");
  byId("undo").disabled = !state.can_undo;
  byId("start-over").disabled = state.classes.length === 0;
  edits.showState(state);
  things.update(state);
  picture.showCamera(state.camera);
  answers.showState(state, things.byId);
  showAdaptation(state);
  map.showState(state);
  saved.showState(state);
  score.showState(state, stage.things);
  tellView();
  stage.setRendered(state.camera.is_rendered);
  if (state.camera.is_rendered && !isStageKnown) askStage();
}

let isStageKnown = false;
async function askStage() {
  isStageKnown = true;
  await stage.load();
  score.showState(state, stage.things);
}

function tellView() {
  link.setView({ compare: view.value !== "after", map: map.isVisible && !byId("change").hidden });
}

async function showLive({ live, jpeg }) {
  try {
    picture.draw(await Picture.decode(jpeg));
  } catch {
    // A picture that does not decode is skipped; its answer still counts.
  }
  const answer = answers.showLive(live, things.byId);
  if (!recording) things.markSeen(answer && !answer.unknown ? answer.class_id : null);
  if (answer) score.add(answer, live.truth);
  picture.showSpeed(live);
  stage.mark(live.truth);
  map.showLive(live);
  link.ready();
}

let recording = null;
function showRecording({ type, detail: { thing, count } }) {
  if (type !== "start" && recording !== thing) return; // Answered after the button was let go.
  if (recording && recording !== thing) recording.showRecording(false);
  recording = type === "stop" ? null : thing;
  thing.showRecording(recording !== null);
  picture.showRecording(recording && { name: thing.name.value, colour_index: thing.colourIndex }, count);
}

for (const kind of ["start", "shot", "stop"]) recorder.addEventListener(kind, showRecording);
link.addEventListener("state", ({ detail }) => showState(detail.state));
link.addEventListener("camera", ({ detail }) => {
  if (state) state.camera = detail.camera;
  picture.showCamera(detail.camera);
});
link.addEventListener("saved", () => saved.refresh());
link.addEventListener("live", ({ detail }) => showLive(detail));
link.addEventListener("up", () => {
  banner(null);
  isStageKnown = false; // The studio may have been started again with another camera.
  saved.refresh();
});
link.addEventListener("down", () => {
  recorder.stop();
  banner("The connection to the studio is lost. Trying again…", { name: "Try now", run: () => link.openNow() });
  api.state().catch(() => {}); // Reloads the page when it was the token that is refused.
});
view.addEventListener("change", () => {
  if (state) showState(state);
});
map.addEventListener("visibility", tellView);
document.addEventListener("visibilitychange", () => link.ready());
for (const kind of ["dragover", "drop"]) addEventListener(kind, (event) => event.preventDefault()); // A missed card must not open the file.

function label(id, iconName, text) {
  const words = document.createElement("span");
  words.className = "button__text";
  words.textContent = text;
  byId(id).append(icon(iconName), words);
}

label("undo", "undo", "Undo");
label("start-over", "restart", "Start over");
label("add", "add", "Add a thing");
byId("show-keys").append(icon("keys"));
byId("show-keys").setAttribute("aria-label", "Keys");
byId("show-keys").title = "Keys";
for (const [id, name] of [["undo", "Undo"], ["start-over", "Start over"]]) byId(id).setAttribute("aria-label", name);
byId("undo").addEventListener("click", () => edits.undo());
byId("start-over").addEventListener("click", () => edits.clear());
byId("add").addEventListener("click", () => things.add());
byId("show-keys").addEventListener("click", showKeys);
view.addSwitch(byId("answers-view"), "Answers before or after adapting");
view.addSwitch(byId("map-view"), "Map before or after adapting");
setUpTheme(() => map.redraw());
setUpKeys({ things, recorder, edits, view });
link.open();
