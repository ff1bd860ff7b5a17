import { byId } from "./dom.js";
import { icon } from "./icons.js";

const KEY = "hyperflow-studio-theme";
const NEXT = { system: "light", light: "dark", dark: "system" };
const system = matchMedia("(prefers-color-scheme: dark)");

/** @returns {"system"|"light"|"dark"} */
function chosen() {
  try {
    const value = localStorage.getItem(KEY);
    return value === "light" || value === "dark" ? value : "system";
  } catch {
    return "system";
  }
}

/** Connects the theme button: system, light, dark, and again. @param {() => void} onChange */
export function setUpTheme(onChange) {
  const button = byId("theme");
  const show = (choice) => {
    const dark = choice === "dark" || (choice === "system" && system.matches);
    document.documentElement.dataset.theme = dark ? "dark" : "light";
    button.replaceChildren(icon(choice));
    const name = `Theme: ${choice === "system" ? "as the system" : choice}. Change to ${NEXT[choice]}`;
    button.setAttribute("aria-label", name);
    button.title = name;
    onChange();
  };
  let choice = chosen();
  show(choice);
  system.addEventListener("change", () => show(choice));
  button.addEventListener("click", () => {
    choice = NEXT[choice];
    try {
      localStorage.setItem(KEY, choice);
    } catch {
      // Storage is blocked: the choice holds until the page is left.
    }
    show(choice);
  });
}
