/**
 * The axes of a principal component analysis may point anywhere, so two maps of the same shots can be turned or mirrored
 * against each other. These functions turn one until its shots lie as near as they can to those of the other.
 *
 * @typedef {[number, number, number, number]} Turn a 2 x 2 rotation or reflection, row by row
 */

/** @type {Turn} */
export const UNTURNED = [1, 0, 0, 1];

/** @param {Turn} turn @param {number} x @param {number} y @returns {[number, number]} */
export const turned = ([a, b, c, d], x, y) => [a * x + b * y, c * x + d * y];

/**
 * Orthogonal Procrustes in two dimensions.
 *
 * @param {{x: number, y: number}[]} points to be turned
 * @param {{x: number, y: number}[]} targets one for each point
 * @returns {Turn}
 */
export function bestTurn(points, targets) {
  let xx = 0, xy = 0, yx = 0, yy = 0;
  points.forEach((point, index) => {
    const target = targets[index];
    xx += point.x * target.x;
    xy += point.x * target.y;
    yx += point.y * target.x;
    yy += point.y * target.y;
  });
  const rotated = Math.hypot(xx + yy, xy - yx);
  const mirrored = Math.hypot(xx - yy, xy + yx);
  if (Math.max(rotated, mirrored) < 1e-12) return UNTURNED;
  if (rotated >= mirrored) {
    const cos = (xx + yy) / rotated, sin = (xy - yx) / rotated;
    return [cos, -sin, sin, cos];
  }
  const cos = (xx - yy) / mirrored, sin = (xy + yx) / mirrored;
  return [cos, sin, sin, -cos];
}
