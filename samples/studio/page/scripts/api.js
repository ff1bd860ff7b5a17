/** A request that the server refused, or that never reached it. */
export class Problem extends Error {
  /**
   * @param {number} status of HTTP; 0 when the server was not reached
   * @param {string} detail for people
   * @param {number} retryAfterS seconds that the server asks to wait, 0 for none
   */
  constructor(status, detail, retryAfterS = 0) {
    super(detail);
    this.status = status;
    this.retryAfterS = retryAfterS;
  }
}

async function problemOf(response) {
  let detail = `The server answered ${response.status}.`;
  try {
    const body = await response.json();
    detail = String(body.detail ?? body.title ?? detail);
  } catch {
    // Not JSON: the status alone has to do.
  }
  return new Problem(response.status, detail, Number(response.headers.get("Retry-After")) || 0);
}

async function request(method, path, { json, body, type } = {}) {
  const headers = { "X-HyperFlow-Studio": "1" };
  if (json !== undefined) headers["Content-Type"] = "application/json";
  else if (type) headers["Content-Type"] = type;
  let response;
  try {
    response = await fetch(`api/${path}`, { method, headers, body: json === undefined ? body : JSON.stringify(json), cache: "no-store" });
  } catch {
    throw new Problem(0, "The studio's server cannot be reached. It may have been stopped; start it again.");
  }
  if (response.status === 401) location.reload(); // The server then shows the page that asks for the token.
  if (!response.ok) throw await problemOf(response);
  return response.status === 204 ? null : response.json();
}

const part = encodeURIComponent;

/** Every call of the server's API; each throws `Problem`. */
export const api = {
  state: () => request("GET", "state"),
  addClass: (name) => request("POST", "classes", { json: { name } }),
  renameClass: (id, name) => request("PATCH", `classes/${part(id)}`, { json: { name } }),
  deleteClass: (id) => request("DELETE", `classes/${part(id)}`),
  capture: (id) => request("POST", `classes/${part(id)}/capture`),
  upload: (id, file) => request("POST", `classes/${part(id)}/shots`, { body: file, type: file.type || "application/octet-stream" }),
  deleteShot: (id) => request("DELETE", `shots/${id}`),
  shotImage: (id) => `api/shots/${id}/image`,
  undo: () => request("POST", "undo"),
  clear: () => request("POST", "clear"),
  map: () => request("GET", "map"),
  stage: () => request("GET", "stage"),
  show: (choice) => request("POST", "stage", { json: choice }),
  adaptations: () => request("GET", "adaptations"),
  save: (name, overwrite) => request("POST", "adaptations", { json: { name, overwrite } }),
  load: (name) => request("POST", `adaptations/${part(name)}/load`),
  deleteAdaptation: (name) => request("DELETE", `adaptations/${part(name)}`),
  adaptationFile: (name) => `api/adaptations/${part(name)}/file`,
  uploadAdaptation: (name, file, overwrite) =>
    request("PUT", `adaptations/${part(name)}/file?overwrite=${overwrite}`, { body: file, type: "application/octet-stream" }),
};
