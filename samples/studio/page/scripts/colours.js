const N_COLOURS = 12;

/** Shapes of the map's marks; with the colours they give 72 different marks. */
export const SHAPES = ["circle", "square", "triangle", "diamond", "cross", "ring"];

/** @param {number} index of a class, as the server counts @returns {string} the name of its CSS property */
export const colourProperty = (index) => `--class-${index % N_COLOURS}`;

/** Gives an element and all in it the class's colour. */
export function paint(element, index) {
  element.style.setProperty("--class-colour", index === null ? "var(--unknown)" : `var(${colourProperty(index)})`);
}

/** @param {number} index @returns {string} one of `SHAPES`; neighbours differ, and so do the rounds of colours */
export const shapeOf = (index) => SHAPES[(index + Math.floor(index / N_COLOURS)) % SHAPES.length];

/**
 * Traces a mark around (x, y).
 *
 * @param {string} shape one of `SHAPES`
 * @param {number} r half of its size
 * @returns {string} an SVG path, which Path2D reads too
 */
export function markPath(shape, x, y, r) {
  const circle = (radius) => `M${x - radius} ${y}a${radius} ${radius} 0 1 0 ${2 * radius} 0a${radius} ${radius} 0 1 0 ${-2 * radius} 0z`;
  switch (shape) {
    case "square":
      return `M${x - 0.85 * r} ${y - 0.85 * r}h${1.7 * r}v${1.7 * r}h${-1.7 * r}z`;
    case "triangle":
      return `M${x} ${y - 1.1 * r}l${1.08 * r} ${1.9 * r}h${-2.16 * r}z`;
    case "diamond":
      return `M${x} ${y - 1.2 * r}l${1.2 * r} ${1.2 * r}l${-1.2 * r} ${1.2 * r}l${-1.2 * r} ${-1.2 * r}z`;
    case "cross": {
      const a = 0.36 * r, b = 1.05 * r, c = b - a;
      return `M${x - a} ${y - b}h${2 * a}v${c}h${c}v${2 * a}h${-c}v${c}h${-2 * a}v${-c}h${-c}v${-2 * a}h${c}z`;
    }
    case "ring":
      return `${circle(1.05 * r)}${circle(0.5 * r)}`;
    default:
      return circle(r);
  }
}
