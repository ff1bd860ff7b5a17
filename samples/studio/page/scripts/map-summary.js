/**
 * How well a map keeps things apart.
 *
 * @param {{class_id: string, x: number, y: number}[]} points
 * @returns {number} points whose nearest neighbour is of the same class
 */
export function nBesideTheirOwn(points) {
  let count = 0;
  for (const point of points) {
    let nearest = null, least = Infinity;
    for (const other of points) {
      const distance = (other.x - point.x) ** 2 + (other.y - point.y) ** 2;
      if (other !== point && distance < least) [nearest, least] = [other, distance];
    }
    if (nearest?.class_id === point.class_id) count += 1;
  }
  return count;
}
