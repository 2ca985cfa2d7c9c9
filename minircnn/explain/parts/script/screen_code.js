"use strict";
// Screen 8: the project's own lines, step by step through the journey, and what they did to the RoI that is watched.

figure("code", ({ scenario, code: wanted, language, roi, sent }, found) => {
  const steps = DATA.code.filter(({ poolings: [...of] }) => of.length === 0 || of.includes(scenario.pooling));
  const last = steps.length - 1;
  const code = Math.min(wanted, last);
  const { name, title, note, file, first, lines, lit } = steps[code];
  const go = (to) => change({ code: clamp(to, 0, last) });
  return [
    h("div", { class: "row" }, roiChoice(), sentChoice(), poolingChoice()),
    h(
      "div",
      { class: "stepper" },
      h(
        "button",
        { type: "button", onclick: () => go(code - 1), disabled: code === 0, "aria-label": words("back") },
        "◀",
      ),
      h(
        "button",
        { type: "button", onclick: () => go(code + 1), disabled: code === last, "aria-label": words("next") },
        "▶",
      ),
      h(
        "label",
        {},
        h("span", { class: "soft" }, `${words("step")} `),
        h(
          "select",
          {
            value: code,
            "data-field": "code",
            onchange: (event) => go(Number(event.target.value)),
          },
          steps.map((each, i) => h("option", { value: i }, `${i + 1}. ${each.title[language]}`)),
        ),
      ),
    ),
    h("h3", {}, `${code + 1}. ${title[language]}`),
    h("p", {}, note[language]),
    HERE[name]
      ? h(
          "p",
          { class: "note" },
          h("b", {}, words("code.here", { name: roiName(roi) })),
          " ",
          HERE[name](scenario, found, roi, sent),
        )
      : null,
    h("p", { class: "soft" }, h("code", {}, `${file}:${lit[0]}`)),
    h(
      "pre",
      { class: "source" },
      lines.map((line, i) =>
        h(
          "span",
          { class: lit.includes(first + i) ? "lit" : "" },
          h("span", { class: "soft line-number" }, String(first + i).padStart(4)),
          "  ",
          line,
          "\n",
        ),
      ),
    ),
  ];
});

/** [name, value, …] with commas between. */
function listed(entries) {
  return entries.flatMap((entry, i) => [i === 0 ? "" : ", ", ...entry]);
}

/** What each step's lines did in the example, by the step's name in minircnn/explain/steps.py. */
const HERE = {
  snap: (_, { pooled }, r) =>
    listed(
      ["x1", "y1", "x2", "y2", "width", "height"].map((name) => [
        `${name} = `,
        num(`snapped ${r} ${name}`, pooled[r].cells[name], 0),
      ]),
    ),
  round: ({ rois, scale }, { pooled }, r) => {
    const products = scaledCorners(rois[r], scale);
    return listed(
      ["x1", "y1", "x2", "y2"].map((name, i) => [
        num(`scaled ${r} ${i}`, products[i], decimals(products[i])),
        " → ",
        num(`snapped ${r} ${name}`, pooled[r].cells[name], 0),
      ]),
    );
  },
  edges: ({ outputSize }, { pooled }, r) =>
    pooled[r].bins
      .slice(0, outputSize[1])
      .map(({ pw, w1, w2 }, i) => [
        i === 0 ? "" : "; ",
        `pw = ${pw}: [`,
        num(`bin ${r} ${i} w1`, w1, 0),
        ", ",
        num(`bin ${r} ${i} w2`, w2, 0),
        ")",
      ]),
  max: (_, { pooled }, r) =>
    listed(
      pooled[r].bins.map(({ ph, pw, value, winner }, i) => [
        `(${ph}, ${pw}): `,
        num(`bin ${r} ${i} value`, value, 1),
        ", argmax ",
        num(`bin ${r} ${i} winner`, winner, 0),
      ]),
    ),
  build: ({ weights }) => [
    "cls_score.weight ",
    shapeOf(weights.cls_score),
    ", bbox_pred.weight ",
    shapeOf(weights.bbox_pred),
  ],
  outputs: (_, { h7, clsScore, bboxPred }, r) => [
    "hidden7 = [",
    listed(h7[r].map((value, i) => [num(`h7 ${r} ${i}`, value, 3)])),
    "]; ",
    "cls_score ",
    shapeOf(clsScore),
    ", bbox_pred ",
    shapeOf(bboxPred),
  ],
  targets: (_, { offsets }, r) =>
    listed(OFFSETS.map((name, i) => [`${name}* = `, num(`offsets ${r} ${i}`, offsets[r][i], 3)])),
  class: ({ labels }, { dclsScore }, r) => [
    `dscores[${r}, ${labels[r]}] = `,
    num(`dcls_score ${r} ${labels[r]}`, dclsScore[r][labels[r]]),
  ],
  box: ({ labels }, { dbboxPred }, r) =>
    listed(
      OFFSETS.map((_, i) => [
        `dpred[${r}, ${4 * labels[r] + i}] = `,
        num(`dbbox_pred ${r} ${4 * labels[r] + i}`, dbboxPred[r][4 * labels[r] + i]),
      ]),
    ),
  "average-snap": (scenario, found, r) => HERE.snap(scenario, found, r),
  "align-place": ({ rois, scale }, _, r) =>
    listed(
      ["x1", "y1", "x2", "y2"].map((name, i) => [
        `${name} = `,
        num(`placed ${r} ${i}`, rois[r][i] * scale - 0.5, decimals(rois[r][i] * scale - 0.5)),
      ]),
    ),
  "align-share": (_, { pooled }, r) => sharesIn(pooled[r].bins[0], r, 0),
  "average-mean": (_, { pooled }, r) => binValues(pooled, r),
  "align-mean": (_, { pooled }, r) => binValues(pooled, r),
  "average-add": (_, { pooled, back }, r, sent) => givenBy(pooled[r].bins[0], back[sent].dpooled[r][0], r, sent),
  "align-add": (_, { pooled, back }, r, sent) => givenBy(pooled[r].bins[0], back[sent].dpooled[r][0], r, sent),
  "align-rois": (_, { back }, r, sent) =>
    listed(
      ["x1", "y1", "x2", "y2"].map((name, i) => [
        `${name}: `,
        num(`${sent}.drois ${r} ${i}`, back[sent].drois[r][i]),
      ]),
    ),
  meet: (_, { back }, r) =>
    listed(
      back.class.dh7[r].map((_value, i) => [
        num(`class.dh7 ${r} ${i}`, back.class.dh7[r][i]),
        " + ",
        num(`box.dh7 ${r} ${i}`, back.box.dh7[r][i]),
      ]),
    ),
  linear: (_, { back }, r, sent) => [
    "fc7: dx = [",
    listed(back[sent].dh6[r].map((value, i) => [num(`${sent}.dh6 ${r} ${i}`, value)])),
    "]",
  ],
  relu: (_, { back }, r, sent) => [
    "fc7: ",
    listed(
      back[sent].dh7[r].map((value, i) => [
        num(`${sent}.dh7 ${r} ${i}`, value),
        " → ",
        num(`${sent}.dz7 ${r} ${i}`, back[sent].dz7[r][i]),
      ]),
    ),
  ],
  add: (_, { pooled, back }, r, sent) =>
    listed(
      pooled[r].bins.map(({ winner }, i) => [
        "cells[0, ",
        num(`bin ${r} ${i} winner`, winner, 0),
        ", 0] += ",
        num(`${sent}.dpooled ${r} ${i}`, back[sent].dpooled[r][i]),
      ]),
    ),
  convolutions: (_, { back }, _r, sent) => [
    "dfeatures ",
    shapeOf(back[sent].dfeatures),
    ", Σ = ",
    num(
      `${sent}.sum`,
      back[sent].dfeatures.flat().reduce((sum, value) => sum + value, 0),
    ),
  ],
};

/** Where a bin's value is read: the shares of its cells. */
function sharesIn({ shares }, r, i) {
  return listed(
    taken(shares).map(({ row, column, share }) => [
      `(${row}, ${column}): `,
      num(`share ${r} ${i} ${row} ${column}`, share, 4),
    ]),
  );
}

function binValues(pooled, r) {
  return listed(
    pooled[r].bins.map(({ ph, pw, value }, i) => [`(${ph}, ${pw}): `, num(`bin ${r} ${i} value`, value, 3)]),
  );
}

/** What the first bin of a RoI gives to its cells. */
function givenBy({ shares }, value, r, sent) {
  const index = r * state.scenario.outputSize[0] * state.scenario.outputSize[1];
  return listed(
    taken(shares).map(({ row, column, share }) => [
      `(${row}, ${column}) += `,
      num(`given ${sent} ${index} ${row} ${column}`, share * value),
    ]),
  );
}

function shapeOf(array) {
  return `(${array.length}, ${array[0].length})`;
}
