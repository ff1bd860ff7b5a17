import { el } from "./dom.js";

const HOLDS = new Set([" ", "Enter"]);

/**
 * A button that acts while it is held: by mouse, finger, pen, Space or Enter. Assistive technology that can only click
 * gets one shot a click.
 *
 * @param {() => void} start
 * @param {() => void} stop
 * @returns {HTMLElement}
 */
export function recordButton(start, stop) {
  const button = el("button", { type: "button", class: "record" },
    el("span", { class: "record__dot", "aria-hidden": "true" }), el("span", { class: "record__text", text: "Hold to record" }));
  let isHeld = false;
  const press = () => {
    isHeld = true;
    start();
  };
  const release = () => {
    if (!isHeld) return;
    isHeld = false;
    stop();
  };
  button.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    button.setPointerCapture(event.pointerId);
    press();
  });
  for (const kind of ["pointerup", "pointercancel", "lostpointercapture", "blur"]) button.addEventListener(kind, release);
  button.addEventListener("keydown", (event) => {
    if (!HOLDS.has(event.key)) return;
    event.preventDefault();
    if (!event.repeat) press();
  });
  button.addEventListener("keyup", (event) => {
    if (!HOLDS.has(event.key)) return;
    event.preventDefault();
    release();
  });
  button.addEventListener("click", (event) => {
    if (event.detail !== 0) return; // A real press came by its pointer events.
    press();
    release();
  });
  button.addEventListener("contextmenu", (event) => event.preventDefault());
  return button;
}
