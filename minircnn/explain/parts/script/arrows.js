"use strict";
// Arrows between parts of a figure that stand beside each other, drawn over it once everything has its place.

/** A place for arrows, over the figure it is the last child of: { from, to, style, flies } name `data-place`s. */
function overlay(arrows) {
  return h("svg", { class: "overlay", "aria-hidden": "true", "data-arrows": JSON.stringify(arrows) });
}

function drawArrows() {
  for (const svg of document.querySelectorAll("svg.overlay")) {
    const frame = svg.parentElement.getBoundingClientRect();
    const arrows = JSON.parse(svg.dataset.arrows).map(({ from, to, style, flies }) => {
      const ends = [from, to].map((name) => svg.parentElement.querySelector(`[data-place="${name}"]`));
      if (ends.includes(null)) return null;
      const [start, end] = ends.map((element) => element.getBoundingClientRect());
      return between(start, end, frame, style, flies);
    });
    patch(
      svg,
      arrows.filter((each) => each !== null),
    );
  }
}

/** From the edge of one rectangle to the edge of another, with what flies along it. */
function between(start, end, frame, style, flies) {
  const middle = ({ x, y, width, height }) => [x + width / 2 - frame.x, y + height / 2 - frame.y];
  const [from, to] = [middle(start), middle(end)];
  const [dx, dy] = [to[0] - from[0], to[1] - from[1]];
  const leave = ({ width, height }) =>
    Math.min(1, Math.min(width / 2 / Math.abs(dx || 1e-9), height / 2 / Math.abs(dy || 1e-9)));
  const [a, b] = [leave(start), 1 - 0.8 * leave(end)];
  if (b <= a) return null;
  const point = (share) => [from[0] + share * dx, from[1] + share * dy];
  return h(
    "g",
    { class: style },
    arrow(point(a), point(b), ""),
    flies
      ? h(
          "text",
          {
            class: `flying ${flies.turn % 2 ? "odd" : "even"}`,
            x: to[0],
            y: to[1],
            style: `--dx: ${-dx}px; --dy: ${-dy}px`,
            ...exactly(flies.of, flies.value),
          },
          signed(flies.value, 4),
        )
      : null,
  );
}

afterRedraw.push(drawArrows);
addEventListener("resize", drawArrows, { passive: true });
