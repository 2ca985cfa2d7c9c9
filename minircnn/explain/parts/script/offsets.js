"use strict";
// Below the sum of screen 1: which columns the box loss reads, and what a ReLU after bbox_pred would do to them.

/** Which columns the box loss reads. */
function reads(label) {
  const K1 = CLASSES.length;
  if (label === 0) return h("p", { class: "note" }, words("heads.reads.none"));
  return h(
    "p",
    { class: "note" },
    words("heads.reads", {
      class: className(label),
      first: 4 * label,
      last: 4 * label + 3,
      all: 4 * K1,
      rest: 4 * K1 - 4,
    }),
  );
}

/** What a ReLU after bbox_pred would do to this RoI's four offsets, and to their gradients. */
function silenced(found, r, label) {
  if (label === 0) return h("p", { class: "note" }, words("heads.reads.none"));
  return table(
    "sum",
    words("heads.silenced"),
    ["", "t", "relu(t)", "∂L/∂t", words("heads.passes")],
    OFFSETS.map((name, i) => {
      const column = 4 * label + i;
      const t = found.bboxPred[r][column];
      const gradient = smoothL1Slope(Math.max(t, 0) - found.targets[r][i]) / found.h7.length;
      return tableRow(
        t > 0 ? "" : "shut",
        name,
        num(`bbox_pred ${r} ${column}`, t, 3),
        num(`relu.bbox_pred ${r} ${column}`, Math.max(t, 0), 3),
        num(`relu.gradient ${r} ${i}`, gradient),
        strong(num(`relu.passed ${r} ${i}`, t > 0 ? gradient : 0)),
      );
    }),
  );
}
