"use strict";
// Screen 6: the RoI's own coordinates have no slope; what moves the box is the weights.

const SIDE = 0.01; // cells to the left and right between which the slope is taken
const TINY = 1e-5; // pixels, by which x1 is nudged where nothing is rounded
const RATE = 0.1; // learning rate of the page's SGD
const MOST_STEPS = 40;

/** The loss as RoI's left edge sweeps over the map: steps, flat between them; a slope where nothing is rounded. */
figure("stairs", ({ scenario, roi, left }, found) => {
  const { rois, scale } = scenario;
  const x2 = rois[roi][2] * scale;
  const here = left ?? rois[roi][0] * scale;
  const lossAt = (x1) => {
    const moved = [x1 / scale, ...rois[roi].slice(1)];
    const [own] = pool(scenario.pooling, scenario.features, [moved], scenario.outputSize, scale);
    const [classLoss, boxLoss] = lossesOf(scenario, replaced(found.pooled, roi, own), found.targets);
    return classLoss + boxLoss;
  };
  const exact = scenario.pooling === "align";
  const range = [-BEYOND, Math.max(x2, 0)];
  const points = exact ? ramp(...range, 120).map((x) => [x, lossAt(x)]) : stairsOf(range, lossAt);
  const values = points.map(([, y]) => y);
  const bounds = [Math.min(...values) - 0.05, Math.max(...values) + 0.05];
  const [low, high] = [lossAt(here - SIDE), lossAt(here + SIDE)];
  const chart = chartOf(
    {
      x: range,
      y: bounds,
      xTicks: roundTicks(...range),
      yTicks: roundTicks(...bounds),
      label: words("stairs.chart"),
    },
    (px, py) => [
      lineOf(points, px, py, ""),
      h("line", { class: "here", x1: px(here), x2: px(here), y1: py(bounds[0]), y2: py(bounds[1]) }),
      h("circle", { class: `dot roi${roi % 3}`, cx: px(here), cy: py(lossAt(here)), r: 5 }),
    ],
  );
  return [
    h("div", { class: "row" }, roiChoice(), poolingChoice()),
    h(
      "div",
      { class: "columns" },
      h(
        "figure",
        {},
        chart,
        h(
          "label",
          { class: "slide" },
          `x1 `,
          h("input", {
            type: "range",
            min: range[0],
            max: range[1],
            step: 0.05,
            value: here,
            "data-field": "left",
            oninput: (event) => change({ left: Number(event.target.value) }),
          }),
          h("b", {}, num("left", here, 2)),
          h("span", { class: "soft" }, ` ${words("cells")}`),
        ),
        h("figcaption", {}, words(exact ? "stairs.ramp" : "stairs.caption", { name: roiName(roi) })),
      ),
      h(
        "div",
        {},
        table(
          "sum",
          words("stairs.slope", { name: roiName(roi) }),
          null,
          tableRow("", `L(x1 − ${SIDE})`, num(`stairs.low ${roi}`, low, 6)),
          tableRow("", `L(x1 + ${SIDE})`, num(`stairs.high ${roi}`, high, 6)),
          tableRow("total", words("stairs.difference"), num(`stairs.difference ${roi}`, high - low, 6)),
        ),
        exact
          ? coordinates(scenario, found, roi, here)
          : h("p", {}, words(high === low ? "stairs.flat" : "stairs.jump")),
      ),
    ),
  ];
});

/** Between two rounding edges the loss is one number: a step. */
function stairsOf([low, high], lossAt) {
  const first = Math.floor(low + 0.5) + 0.5;
  const edges = Array.from({ length: Math.max(0, Math.ceil(high - first)) }, (_, i) => first + i);
  const ends = [low, ...edges.filter((edge) => low < edge && edge < high), high];
  return ends.slice(1).flatMap((end, i) => {
    const loss = lossAt((ends[i] + end) / 2);
    return [
      [ends[i], loss],
      [end, loss],
    ];
  });
}

/** RoIAlign: the slope by nudging, the gradient that `backward_to_rois` gives all four coordinates, and who takes it. */
function coordinates(scenario, found, r, here) {
  const { rois, scale } = scenario;
  const moved =
    here === rois[r][0] * scale
      ? found
      : journey({ ...scenario, rois: replaced(rois, r, [here / scale, ...rois[r].slice(1)]) }, found.targets);
  const own = moved.back.both.drois[r];
  return [
    table(
      "sum",
      words("stairs.coordinates", { name: roiName(r) }),
      ["x1", "y1", "x2", "y2"],
      tableRow(
        "",
        ...own.map((value, i) =>
          i === 0 ? strong(num(`drois ${r} ${i}`, value, 6)) : num(`drois ${r} ${i}`, value, 6),
        ),
      ),
    ),
    h(
      "p",
      {},
      words("stairs.numeric"),
      " ",
      h("b", {}, num(`stairs.slope ${r}`, slopeOfSide(scenario, found, r, here), 6)),
      ". ",
      words("stairs.taken"),
    ),
  ];
}

/** (L(x1 + δ) − L(x1)) / δ for a small δ, in pixels. To the right alone: a sample on a cell's own place is at a bend. */
function slopeOfSide(scenario, found, r, here) {
  const { rois, scale } = scenario;
  const [moved, still] = [TINY, 0].map((by) => {
    const roi = [here / scale + by, ...rois[r].slice(1)];
    const [classLoss, boxLoss] = losses({ ...scenario, rois: replaced(rois, r, roi) }, found.targets);
    return classLoss + boxLoss;
  });
  return (moved - still) / TINY;
}

/** The two output layers after `steps` of plain SGD on both losses; the layers below are held. */
function trained(scenario, steps, rules = RULES) {
  let now = scenario;
  for (let step = 0; step < steps; step++) {
    const { h7, dclsScore, dbboxPred } = journey(now, null, rules);
    const weights = { ...now.weights };
    const biases = { ...now.biases };
    for (const [name, dy] of [
      ["cls_score", dclsScore],
      ["bbox_pred", dbboxPred],
    ]) {
      // dweight = h7ᵀ · dy, dbias = Σ dy
      weights[name] = weights[name].map((row, i) =>
        row.map((value, o) => value - RATE * h7.reduce((sum, each, r) => sum + each[i] * dy[r][o], 0)),
      );
      biases[name] = biases[name].map((value, o) => value - RATE * dy.reduce((sum, each) => sum + each[o], 0));
    }
    now = { ...now, weights, biases };
  }
  return now;
}

figure("sgd", ({ scenario, steps }) => {
  const { features, rois, truth, labels, scale } = scenario;
  const now = trained(scenario, steps);
  const found = journey(now);
  const foreground = rois.map((_, r) => r).filter((r) => labels[r] > 0);
  const rect = (box, style) => {
    const [x1, y1, x2, y2] = box.map((corner) => at(corner * scale));
    return h("rect", { class: style, x: x1, y: y1, width: Math.max(x2 - x1, 0), height: Math.max(y2 - y1, 0) });
  };
  const map = gridOf(features.length, features[0].length, {
    label: words("sgd.map"),
    cell: () => ({ style: "blank", text: (place) => h("text", place) }),
    above: foreground.map((r) =>
      h(
        "g",
        { class: `box roi${r % 3}` },
        rect(rois[r], "outline"),
        rect(truth[r], "truth-box"),
        rect(predictedBox(scenario, r, found.own[r]), "predicted-box"),
      ),
    ),
  });
  return [
    h(
      "div",
      { class: "columns" },
      h("figure", {}, map, h("figcaption", {}, words("sgd.caption"))),
      h(
        "div",
        {},
        h(
          "label",
          { class: "slide" },
          `${words("sgd.steps")} `,
          h("input", {
            type: "range",
            min: 0,
            max: MOST_STEPS,
            step: 1,
            value: steps,
            "data-field": "steps",
            oninput: (event) => change({ steps: Number(event.target.value) }),
          }),
          h("b", {}, num("steps", steps, 0)),
        ),
        table(
          "sum",
          null,
          ["", ...OFFSETS, "IoU"],
          foreground.flatMap((r) => [
            tableRow(
              "",
              h("th", { scope: "row", class: `roi${r % 3}` }, `${roiName(r)} t`),
              ...found.own[r].map((t, i) => num(`sgd.own ${steps} ${r} ${i}`, t, 3)),
              num(`sgd.iou ${steps} ${r}`, overlapOf(predictedBox(scenario, r, found.own[r]), truth[r]), 3),
            ),
            tableRow(
              "soft",
              `${roiName(r)} t*`,
              ...found.targets[r].map((t, i) => num(`targets ${r} ${i}`, t, 3)),
              "",
            ),
          ]),
        ),
        h(
          "p",
          {},
          words("sgd.losses"),
          " ",
          num(`sgd.class ${steps}`, found.classLoss),
          " + ",
          num(`sgd.box ${steps}`, found.boxLoss),
          ". ",
          h("span", { class: "soft" }, words("sgd.rule", { rate: RATE })),
        ),
      ),
    ),
  ];
});
