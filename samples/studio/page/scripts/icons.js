const SVG = "http://www.w3.org/2000/svg";

const PATHS = {
  add: ["M12 5v14", "M5 12h14"],
  adapting: ["M12 3a9 9 0 1 0 9 9"],
  bad: ["M12 8v5", "M12 16.500v.01", "M10.300 4.200 2.700 17.500a2 2 0 0 0 1.700 3h15.200a2 2 0 0 0 1.700-3L13.700 4.200a2 2 0 0 0-3.400 0z"],
  close: ["M6 6l12 12", "M18 6 6 18"],
  dark: ["M20 14.500A8.500 8.500 0 0 1 9.500 4 8.500 8.500 0 1 0 20 14.500z"],
  done: ["M5 12.500l4.500 4.500L19 7.500"],
  down: ["M6 9l6 6 6-6"],
  download: ["M12 4v11", "M7.500 11l4.500 4.500 4.500-4.500", "M5 20h14"],
  hint: ["M12 11v5", "M12 8v.01", "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18z"],
  keys: ["M3.500 6.500h17a1 1 0 0 1 1 1v9a1 1 0 0 1-1 1h-17a1 1 0 0 1-1-1v-9a1 1 0 0 1 1-1z", "M6.500 10v.01", "M10.200 10v.01", "M13.800 10v.01", "M17.500 10v.01", "M8 14h8"],
  light: ["M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8z", "M12 2.500v2", "M12 19.500v2", "M2.500 12h2", "M19.500 12h2", "M5.300 5.300l1.400 1.400", "M17.300 17.300l1.400 1.400", "M5.300 18.700l1.400-1.400", "M17.300 6.700l1.400-1.400"],
  load: ["M4 12a8 8 0 1 0 2.500-5.800", "M4 4v4.500h4.500"],
  pencil: ["M4 20l1-4L16.500 4.500a2 2 0 0 1 3 3L8 19l-4 1z"],
  remove: ["M4.500 7h15", "M9.500 7V4.500h5V7", "M6.500 7l1 13h9l1-13", "M10.200 11v5", "M13.800 11v5"],
  restart: ["M4 12a8 8 0 1 0 2.500-5.800", "M4 4v4.500h4.500"],
  stale: ["M12 7.500V12l3 2", "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18z"],
  system: ["M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18z", "M12 3v18", "M12 7.500h5.800", "M12 12h9", "M12 16.500h5.800"],
  undo: ["M9 14 4.500 9.500 9 5", "M4.500 9.500H14a5.500 5.500 0 0 1 0 11h-3"],
  upload: ["M12 16V5", "M7.500 9.500 12 5l4.500 4.500", "M5 20h14"],
};

/**
 * @param {keyof typeof PATHS} name
 * @returns {SVGElement} hidden from screen readers: the button around it has the name
 */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  for (const d of PATHS[name]) {
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("d", d);
    svg.append(path);
  }
  return svg;
}
