/**
 * What the server sends; the shapes of its API.
 *
 * @typedef {{id: number}} Shot
 * @typedef {{id: string, name: string, shots: Shot[], colour_index: number}} Thing a class
 * @typedef {"none"|"stale"|"adapting"|"ready"|"failed"} AdaptStatus
 * @typedef {{status: AdaptStatus, adapt_ms: number|null, step_size: number|null, accuracy_before: number|null,
 *   accuracy_after: number|null, notes: string[], error: string|null}} Adaptation
 * @typedef {{state: string, description: string, width: number, height: number, fps: number,
 *   last_error: string|null, is_rendered: boolean}} Camera
 * @typedef {{max_ways: number, max_support: number, upload_bytes: number, upload_pixels: number}} Limits
 * @typedef {{version: number, classes: Thing[], adaptation: Adaptation, can_undo: boolean, waiting_shots: number,
 *   limits: Limits, camera: Camera, model: {name: string, backend: string, notes: string[]},
 *   adaptation_name: string|null}} State
 * @typedef {{label: string|null, class_id: string|null, unknown: boolean, probability: number,
 *   scores: Record<string, number>}} Answer
 * @typedef {Answer & {index: number, ready?: boolean, direct: Answer|null, truth: string|null, latency_ms: number,
 *   timings_ms: Record<string, number>, fps: number,
 *   map: {before: [number, number]|null, after: [number, number]|null}|null}} Live
 * @typedef {{shot_id: number, class_id: string, x: number, y: number}} MapPoint
 * @typedef {{points: MapPoint[], explained: [number, number]}} ShotMap
 * @typedef {{before: ShotMap|null, after: ShotMap|null}} Maps
 * @typedef {"before"|"both"|"after"} View
 */

export {};
