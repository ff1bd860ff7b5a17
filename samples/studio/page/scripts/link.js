const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 8000;
/** A device without power or network says no goodbye; after so long without a word it is asked whether it is there. */
const SILENT_MS = 6000;
const PROBE_EVERY_MS = 2000;
const PROBE_PATIENCE_MS = 4000;

/**
 * The WebSocket to the server: comes back by itself, and asks for a picture only when the last one was drawn.
 *
 * Events: "state", "camera" and "saved" (detail: the message), "live" (detail: {live, jpeg}), "up", "down".
 */
export class Link extends EventTarget {
  #socket = /** @type {WebSocket|null} */ (null);
  #pauseMs = FIRST_PAUSE_MS;
  #timer = 0;
  #awaitsPicture = /** @type {any} */ (null);
  #view = { compare: false, map: false };
  #heardMs = 0;

  constructor() {
    super();
    setInterval(() => this.#probe(), PROBE_EVERY_MS);
  }

  open() {
    clearTimeout(this.#timer);
    const address = new URL("api/live", document.baseURI);
    address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(address);
    socket.binaryType = "arraybuffer";
    this.#socket = socket;
    socket.addEventListener("open", () => this.#opened());
    socket.addEventListener("message", (event) => this.#received(event.data));
    socket.addEventListener("close", () => this.#closed(socket));
  }

  /** Tries at once, without waiting for the pause to end. */
  openNow() {
    if (this.#socket === null) this.open();
  }

  /** Asks for the next picture; while the page is hidden none is wanted. */
  ready() {
    if (!document.hidden) this.#send({ type: "ready" });
  }

  /** @param {{compare: boolean, map: boolean}} view what this window shows */
  setView(view) {
    if (view.compare === this.#view.compare && view.map === this.#view.map) return;
    this.#view = view;
    this.#send({ type: "view", ...view });
  }

  #send(message) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  #opened() {
    this.#pauseMs = FIRST_PAUSE_MS;
    this.#heardMs = performance.now();
    this.#send({ type: "view", ...this.#view });
    this.ready();
    this.dispatchEvent(new Event("up"));
  }

  #received(data) {
    this.#heardMs = performance.now();
    if (data instanceof ArrayBuffer) {
      const live = this.#awaitsPicture;
      this.#awaitsPicture = null;
      if (live) this.dispatchEvent(new CustomEvent("live", { detail: { live, jpeg: data } }));
      return;
    }
    const message = JSON.parse(data);
    if (message.type === "live") this.#awaitsPicture = message;
    else this.dispatchEvent(new CustomEvent(message.type, { detail: message }));
  }

  async #probe() {
    const socket = this.#socket;
    const isOpen = socket?.readyState === WebSocket.OPEN;
    if (document.hidden || !isOpen || performance.now() - this.#heardMs < SILENT_MS) return;
    try {
      await fetch("api/state", { cache: "no-store", signal: AbortSignal.timeout(PROBE_PATIENCE_MS) });
      this.#heardMs = performance.now(); // It is there, and only its camera gives nothing.
    } catch {
      socket.close();
      this.#closed(socket);
    }
  }

  #closed(socket) {
    if (socket !== this.#socket) return;
    this.#socket = null;
    this.dispatchEvent(new Event("down"));
    this.#timer = setTimeout(() => this.open(), this.#pauseMs);
    this.#pauseMs = Math.min(this.#pauseMs * 2, LONGEST_PAUSE_MS);
  }
}
