// Runs before the first paint, so that a dark page never flashes white. scripts/theme.js does the rest.
"use strict";
(() => {
  let chosen = null;
  try {
    chosen = localStorage.getItem("hyperflow-studio-theme");
  } catch {
    // Storage is blocked: the system's choice holds.
  }
  const dark = chosen === "dark" || (chosen !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
  document.documentElement.dataset.theme = dark ? "dark" : "light";
})();
