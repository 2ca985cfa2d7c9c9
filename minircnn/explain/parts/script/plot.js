"use strict";
// A small line chart: a frame, ticks, and functions that put data coordinates on the drawing.

function chartOf({ x: [x0, x1], y: [y0, y1], xTicks, yTicks, label, height = 190 }, draw) {
  const [WIDTH, LEFT, RIGHT, TOP, BOTTOM] = [420, 46, 12, 12, 28];
  const px = (x) => LEFT + ((x - x0) / (x1 - x0 || 1)) * (WIDTH - LEFT - RIGHT);
  const py = (y) => height - BOTTOM - ((y - y0) / (y1 - y0 || 1)) * (height - TOP - BOTTOM);
  return h(
    "svg",
    { class: "chart", viewBox: `0 0 ${WIDTH} ${height}`, role: "img", "aria-label": label },
    h(
      "g",
      { class: "frame" },
      xTicks.map((x) => h("line", { x1: px(x), x2: px(x), y1: TOP, y2: height - BOTTOM })),
      yTicks.map((y) => h("line", { x1: LEFT, x2: WIDTH - RIGHT, y1: py(y), y2: py(y) })),
      xTicks.map((x) => h("text", { x: px(x), y: height - 10, class: "x" }, tickText(x))),
      yTicks.map((y) => h("text", { x: LEFT - 6, y: py(y) + 4, class: "y" }, tickText(y))),
    ),
    draw(px, py),
  );
}

function tickText(value) {
  return written(value, decimals(Number(value.toFixed(3))));
}

/** A line through points [x, y]. */
function lineOf(points, px, py, style) {
  return h("polyline", { class: `curve ${style}`, points: points.map(([x, y]) => `${px(x)},${py(y)}`).join(" ") });
}

/** Values from `from` to `to` in `count` steps. */
function ramp(from, to, count) {
  return Array.from({ length: count + 1 }, (_, i) => from + ((to - from) * i) / count);
}

/** About four round numbers within [low, high]. */
function roundTicks(low, high) {
  const rough = (high - low) / 4 || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough);
  const first = Math.ceil(low / step);
  return Array.from({ length: Math.floor(high / step) - first + 1 }, (_, i) => (first + i) * step);
}
