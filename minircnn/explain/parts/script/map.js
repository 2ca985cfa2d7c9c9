"use strict";
// The numbered grid of feature cells, and boxes on it that can be dragged with a pointer or the arrow keys.
// A coordinate x, in cells, is drawn at (x + ½) · CELL: so a corner lies in the very cell that it is rounded to, and a
// box of whole numbers runs through the middles of cells. Numbers stand below the middle, handles beside the corner.

const CELL = 48;
const EDGE = 1.0 * CELL; // room for a RoI that leaves the map
const BEYOND = 1; // cells beyond the map that a box may reach

function at(coordinate) {
  return (coordinate + 0.5) * CELL;
}

/**
 * The grid: `cell(row, column)` gives { text, style, attributes } of each. `above` is drawn over it, and `boxes`, which
 * `dragBox` takes, with their sides under the numbers, so that no dash runs through a digit. `group`: attributes of it.
 */
function gridOf(H, W, { label, cell, below = [], boxes = [], above = [], edge = EDGE, baseline = 18, group = {} }) {
  const box = [-edge, -edge, W * CELL + 2 * edge, H * CELL + 2 * edge];
  const rows = Array.from({ length: H }, (_, row) => row);
  const columns = Array.from({ length: W }, (_, column) => column);
  return h(
    "svg",
    { class: "map", viewBox: box.join(" "), role: "group", "aria-label": label, ...group },
    h(
      "g",
      {},
      rows.map((row) =>
        columns.map((column) => {
          const { style = "", attributes = {} } = cell(row, column);
          return h("rect", {
            class: `cell ${style}`,
            x: column * CELL,
            y: row * CELL,
            width: CELL,
            height: CELL,
            "data-place": `cell ${row} ${column}`,
            ...attributes,
          });
        }),
      ),
    ),
    h("g", {}, below, boxes.map(outlineOf)),
    h(
      "g",
      { class: "ruler", "aria-hidden": "true" },
      columns.map((column) => h("text", { x: at(column), y: -8 }, column)),
      rows.map((row) => h("text", { x: -14, y: at(row) + 5 }, row)),
    ),
    h(
      "g",
      {},
      rows.map((row) =>
        columns.map((column) => {
          const { text = null, textStyle = "", style = "", attributes = {} } = cell(row, column);
          const place = { class: `value ${textStyle}`, x: at(column), y: at(row) + baseline };
          const value = text ? text(place) : h("text", place);
          const wide = (textStyle ? 7.2 : 9) * value.children.join("").length;
          if (!wide) return value;
          const paper = { x: at(column) - wide / 2, y: place.y - 14, width: wide, height: 18, rx: 4 };
          // Under a gradient lies its cell's colour once more, above the lines; it is half transparent, so on paper.
          const colour = { ...paper, class: `cell ${style} unframed`, style: attributes.style };
          return [h("rect", { ...paper, class: "behind" }), textStyle ? h("rect", colour) : null, value];
        }),
      ),
    ),
    h("g", {}, boxes.map(dragBox), above),
  );
}

/** The cells [h1, h2) × [w1, w2) as a rectangle, drawn `inset` units smaller. */
function cellsRect({ h1, h2, w1, w2 }, style, inset = 0) {
  const [width, height] = [(w2 - w1) * CELL - 2 * inset, (h2 - h1) * CELL - 2 * inset];
  return h("rect", {
    class: style,
    x: w1 * CELL + inset,
    y: h1 * CELL + inset,
    width: Math.max(width, 0),
    height: Math.max(height, 0),
  });
}

/** The sides of a box in image pixels, dashed. */
function outlineOf({ box, scale, style }) {
  const [x1, y1, x2, y2] = box.map((corner) => at(corner * scale));
  const sides = { x: x1, y: y1, width: Math.max(x2 - x1, 0), height: Math.max(y2 - y1, 0) };
  return h("g", { class: `box ${style}` }, h("rect", { class: "outline", ...sides }));
}

/** What a box in image pixels is dragged by: a tag to move it, a corner to stretch it. */
function dragBox({ name, label, box, scale, size: [H, W], style, onmove, reachable = true }) {
  const cells = box.map((corner) => corner * scale);
  const [x1, y1, x2, y2] = cells.map(at);
  const limits = [-BEYOND, -BEYOND, W - 1 + BEYOND, H - 1 + BEYOND];
  const moved = (dx, dy) => onmove(shifted(cells, dx, dy, limits).map((corner) => corner / scale));
  const stretched = (dx, dy) => onmove(grown(cells, dx, dy, limits).map((corner) => corner / scale));
  return h(
    "g",
    { class: `box ${style}` },
    handle(
      `${name} move`,
      words("drag.move", { name: label }),
      [x1 - 11, y1 - 11],
      moved,
      reachable,
      h("rect", { class: "tag", x: x1 - 22, y: y1 - 22, width: 22, height: 22, rx: 4 }),
      h("text", { class: "tag-name", x: x1 - 11, y: y1 - 6 }, label),
    ),
    handle(
      `${name} size`,
      words("drag.size", { name: label }),
      [x2 + 9, y2 - 2],
      stretched,
      false,
      h("circle", { class: "corner", cx: x2 + 9, cy: y2 - 2, r: 7.5 }),
    ),
  );
}

/** What can be dragged; `onmove(dx, dy)` is called with steps of whole quarters of a cell. */
function handle(name, label, [x, y], onmove, reachable, ...shapes) {
  return h(
    "g",
    {
      class: "handle",
      tabindex: reachable ? 0 : -1, // the tab key comes to one of a map's handles, Enter goes on to the next
      role: "button",
      "aria-label": label,
      "data-handle": name,
      onpointerdown: (event) => startDrag(event),
      ontouchstart: (event) => event.preventDefault(), // a finger drags the box, not the page
      onkeydown: (event) => keyDrag(event, onmove),
      ondrag: onmove,
    },
    h("circle", { class: "reach", cx: x, cy: y, r: 20 }),
    shapes,
  );
}

function keyDrag(event, onmove) {
  if (event.key === "Enter") {
    const handles = [...event.currentTarget.ownerSVGElement.querySelectorAll(".handle")];
    event.preventDefault();
    handles[(handles.indexOf(event.currentTarget) + 1) % handles.length].focus();
    return;
  }
  const step = event.shiftKey ? 1 : SMALLEST;
  const ways = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] };
  if (!ways[event.key]) return;
  event.preventDefault();
  onmove(...ways[event.key]);
}

/** Follow the pointer until it is lifted. The handle's newest `ondrag` is asked each time: the box moves meanwhile. */
function startDrag(event) {
  const element = event.currentTarget;
  const svg = element.ownerSVGElement;
  let last = svgPoint(svg, event);
  element.focus({ preventScroll: true });
  element.setPointerCapture(event.pointerId);
  drag(true);
  event.preventDefault();
  element.onpointermove = (move) => {
    const now = svgPoint(svg, move);
    const [dx, dy] = [now.x - last.x, now.y - last.y].map((way) => quarters(way / CELL));
    if (!dx && !dy) return;
    last = { x: last.x + dx * CELL, y: last.y + dy * CELL };
    element.ondrag(dx, dy);
  };
  element.onpointerup = element.onpointercancel = () => {
    element.onpointermove = element.onpointerup = element.onpointercancel = null;
    drag(false);
  };
}

function svgPoint(svg, event) {
  return new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
}

function quarters(way) {
  return Math.trunc(way / SMALLEST) * SMALLEST;
}

function shifted([x1, y1, x2, y2], dx, dy, [left, top, right, bottom]) {
  const [mx, my] = [clamp(dx, left - x1, right - x2), clamp(dy, top - y1, bottom - y2)];
  return [x1 + mx, y1 + my, x2 + mx, y2 + my];
}

function grown([x1, y1, x2, y2], dx, dy, [, , right, bottom]) {
  return [x1, y1, clamp(x2 + dx, x1 + SMALLEST, right), clamp(y2 + dy, y1 + SMALLEST, bottom)];
}

/** An arrow between two points of a drawing. */
function arrow([x1, y1], [x2, y2], style) {
  const angle = Math.atan2(y2 - y1, x2 - x1);
  const wing = (turn) => `${x2 - 9 * Math.cos(angle + turn)},${y2 - 9 * Math.sin(angle + turn)}`;
  return h(
    "g",
    { class: `arrow ${style}` },
    h("line", { x1, y1, x2, y2 }),
    h("polyline", { points: `${wing(0.45)} ${x2},${y2} ${wing(-0.45)}` }),
  );
}
