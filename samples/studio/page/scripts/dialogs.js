import { el } from "./dom.js";

function open(dialog) {
  document.body.append(dialog);
  dialog.addEventListener("close", () => dialog.remove());
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog && isOutside(dialog, event)) dialog.close();
  });
  dialog.showModal();
}

function isOutside(dialog, event) {
  const box = dialog.getBoundingClientRect();
  return event.clientX < box.left || event.clientX > box.right || event.clientY < box.top || event.clientY > box.bottom;
}

/**
 * Asks before something that cannot be undone.
 *
 * @param {{title: string, text: string, yes: string}} question
 * @returns {Promise<boolean>}
 */
export function confirmed({ title, text, yes }) {
  return new Promise((resolve) => {
    const dialog = el(
      "dialog",
      { class: "dialog", "aria-labelledby": "dialog-title" },
      el("form", { method: "dialog" },
        el("h2", { id: "dialog-title", text: title }),
        el("p", { text }),
        el("div", { class: "dialog__buttons" },
          el("button", { class: "button", value: "no", text: "Cancel" }),
          el("button", { class: "button button--main", value: "yes", text: yes }))),
    );
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"));
    open(dialog);
  });
}

const KEYS = [
  [["1", "…", "9"], "hold: record into that thing; tap: one shot"],
  [["n"], "new thing"],
  [["u"], "undo the last change"],
  [["b"], "before, both, after adapting"],
  [["s"], "save"],
  [["Enter"], "on a name: rename it; on a record button: hold to record"],
  [["Delete"], "on a shot: delete it"],
  [["←", "→"], "from shot to shot"],
  [["?"], "this list"],
];

export function showKeys() {
  open(el(
    "dialog",
    { class: "dialog", "aria-labelledby": "keys-title" },
    el("form", { method: "dialog" },
      el("h2", { id: "keys-title", text: "Keys" }),
      el("dl", { class: "keys" }, ...KEYS.flatMap(([keys, does]) => [
        el("dt", {}, ...keys.map((key) => el(key === "…" ? "span" : "kbd", { text: key }))),
        el("dd", { text: does }),
      ])),
      el("div", { class: "dialog__buttons" }, el("button", { class: "button button--main", text: "Close" }))),
  ));
}
