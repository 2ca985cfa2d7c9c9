"use strict";
// Pictures of screen 9: the photo, what lies over it, and what a colour of a heat map stands for.

/** The photo, pale where something is drawn over it. `over` is in its pixels. */
function photoOf({ photo: href, size: [W, H] }, pale, label, ...over) {
  return h(
    "svg",
    { class: "photo", viewBox: `0 0 ${W} ${H}`, role: "img", "aria-label": label },
    h("image", { href, width: W, height: H, class: pale ? "under" : "" }),
    over,
  );
}

/** A heat map over the whole photo; cells stay squares. */
function heatOver({ size: [W, H] }, { picture }, cells = true) {
  return h("image", {
    href: picture,
    width: W,
    height: H,
    preserveAspectRatio: "none",
    class: cells ? "cells" : "",
  });
}

/** What the colours stand for: from nothing to the largest norm. */
function colourScale(of, most) {
  return h(
    "p",
    { class: "scale soft" },
    h("span", { class: "number" }, "0"),
    h("span", { class: "ramp", "aria-hidden": "true" }),
    power(of, most),
  );
}

/** A box [x1, y1, x2, y2] of the photo. */
function boxOn([x1, y1, x2, y2], style, width) {
  return h("rect", { class: style, x: x1, y: y1, width: x2 - x1, height: y2 - y1, "stroke-width": width });
}
