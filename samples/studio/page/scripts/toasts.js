import { byId, el, setText } from "./dom.js";
import { icon } from "./icons.js";

const SHOWN_MS = 6000;
const PROBLEM_SHOWN_MS = 10000;
const MOST = 4;

/**
 * Shows a message for a while; it stays while pointed at.
 *
 * @param {string} text
 * @param {{bad?: boolean, action?: {name: string, run: () => void}}} [options] `bad`: read out at once
 * @returns {{close: () => void}}
 */
export function toast(text, { bad = false, action } = {}) {
  const list = byId("toasts");
  for (const same of list.children) if (same.dataset.text === text) same.remove();
  while (list.children.length >= MOST) list.firstElementChild.remove();
  const close = () => element.remove();
  const element = el(
    "div",
    { class: bad ? "toast toast--bad" : "toast", role: bad ? "alert" : "status", "data-text": text },
    bad ? icon("bad") : null,
    el("p", { class: "toast__text", text }),
    action ? el("button", { type: "button", class: "button", text: action.name, on: { click: () => (close(), action.run()) } }) : null,
    el("button", { type: "button", class: "button button--icon", "aria-label": "Close this message", on: { click: close } }, icon("close")),
  );
  let timer = 0;
  const stay = () => clearTimeout(timer);
  const goLater = () => {
    stay();
    timer = setTimeout(close, bad ? PROBLEM_SHOWN_MS : SHOWN_MS);
  };
  element.addEventListener("pointerenter", stay);
  element.addEventListener("pointerleave", goLater);
  element.addEventListener("focusin", stay);
  element.addEventListener("focusout", goLater);
  list.append(element);
  goLater();
  return { close };
}

/** Shows what a request failed with; anything else is a fault of this page and goes to the console too. */
export function showProblem(problem) {
  if (problem?.status === undefined) console.error(problem);
  toast(problem?.message || String(problem), { bad: true });
}

/** Shows or hides the line on top of the page. @param {string|null} text @param {{name: string, run: () => void}} [action] */
export function banner(text, action) {
  const element = byId("banner");
  element.hidden = text === null;
  if (text === null) return;
  if (element.firstElementChild?.nextElementSibling) {
    setText(element.children[1], text);
    return;
  }
  element.replaceChildren(
    icon("bad"),
    el("span", { text }),
    action ? el("button", { type: "button", class: "button", text: action.name, on: { click: action.run } }) : "",
  );
}
