/**
 * Makes an element. Text is always set as text, never read as HTML.
 *
 * @param {string} tag
 * @param {{class?: string, text?: string, on?: Record<string, EventListener>, [attribute: string]: unknown}} [options]
 *   `class`, `text`, listeners in `on`; all else are attributes (false and null: left out, true: empty).
 * @param {...(Node|string|null)} children
 * @returns {HTMLElement}
 */
export function el(tag, options = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(options)) {
    if (name === "class") element.className = String(value);
    else if (name === "text") element.textContent = String(value);
    else if (name === "on") Object.entries(value).forEach(([kind, listener]) => element.addEventListener(kind, listener));
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, String(value));
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

/** @param {string} id @returns {any} the element of index.html with this id */
export function byId(id) {
  const element = document.getElementById(id);
  if (!element) throw new Error(`the page has no element #${id}`);
  return element;
}

/** Sets text only where it changed, so that selections and screen readers are left in peace. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Whether the user is typing: single keys must then stay letters. */
export function isTyping(target) {
  return target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));
}
