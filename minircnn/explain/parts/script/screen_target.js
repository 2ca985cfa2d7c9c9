"use strict";
// Screen 2: from a proposal and a true box to four targets, their differences, the loss and its slope.

figure("target", ({ scenario, roi, tried, average }, found) => {
  const label = scenario.labels[roi];
  return [
    h(
      "div",
      { class: "row" },
      roiChoice(),
      choice(
        words("target.is"),
        [
          { value: true, text: words("background") },
          { value: false, text: label === 0 ? words("foreground") : className(label) },
        ],
        label === 0,
        (background) => setBackground(scenario, roi, background),
      ),
    ),
    h(
      "div",
      { class: "columns" },
      h(
        "figure",
        { class: "wide" },
        field(scenario, found, roi),
        h("figcaption", {}, words("target.caption"), " ", overlapWords(scenario, roi)),
      ),
      h("div", {}, targetTable(scenario, found, roi), curves(found.d[roi], label), tryOne(tried, average)),
    ),
  ];
});

/** "background" takes the true box away, "foreground" gives back a class. */
function setBackground(scenario, roi, background) {
  const label = background ? 0 : DATA.scenario.labels[roi] || 5;
  if (background === (scenario.labels[roi] === 0)) return;
  changeScenario({ labels: replaced(scenario.labels, roi, label) });
}

function field(scenario, found, r) {
  const { features, rois, truth, scale, labels } = scenario;
  const size = [features.length, features[0].length];
  const predicted = predictedBox(scenario, r, found.own[r]).map((corner) => at(corner * scale));
  const [x1, y1, x2, y2] = predicted;
  const foreground = labels[r] > 0;
  return gridOf(...size, {
    label: words("target.field"),
    cell: () => ({ style: "blank", text: (place) => h("text", place) }),
    below: foreground ? [h("rect", { class: "predicted", x: x1, y: y1, width: x2 - x1, height: y2 - y1 })] : [],
    boxes: [
      ...(foreground
        ? [
            {
              name: `truth ${r}`,
              label: "G",
              box: truth[r],
              scale,
              size,
              style: "truth chosen",
              reachable: false,
              onmove: (moved) => changeScenario({ truth: replaced(state.scenario.truth, r, moved) }),
            },
          ]
        : []),
      {
        name: `proposal ${r}`,
        label: "P",
        box: rois[r],
        scale,
        size,
        style: `roi${r % 3} chosen`,
        onmove: (moved) => changeScenario({ rois: replaced(state.scenario.rois, r, moved) }),
      },
    ],
  });
}

function overlapWords({ rois, truth, labels }, r) {
  if (labels[r] === 0) return words("target.nobox");
  const overlap = overlapOf(rois[r], truth[r]);
  return h(
    "span",
    {},
    "IoU(P, G) = ",
    num(`iou ${r}`, overlap, 3),
    ". ",
    words(overlap >= 0.5 ? "target.enough" : "target.toolittle"),
  );
}

function targetTable(scenario, found, r) {
  const { labels, std, rois } = scenario;
  const [label, R] = [labels[r], rois.length];
  const off = label === 0;
  const heads = ["", words("target.offset"), "÷ σ", "t*", "t", "d = t − t*", words("loss"), `∂L/∂t = clip(d) / ${R}`];
  const rows = OFFSETS.map((name, i) => {
    const d = found.d[r][i];
    return tableRow(
      off ? "waiting" : "",
      name,
      num(`offsets ${r} ${i}`, found.offsets[r][i], 3),
      h("td", { class: "soft" }, num(`std ${i}`, std[i], 1)),
      num(`targets ${r} ${i}`, found.targets[r][i], 3),
      num(`own ${r} ${i}`, found.own[r][i], 3),
      num(`d ${r} ${i}`, d, 3),
      num(`smooth_l1 ${r} ${i}`, smoothL1(d), 4),
      strong(num(`gradient ${r} ${i}`, off ? 0 : smoothL1Slope(d) / R)),
    );
  });
  return [
    h("div", { class: "scroll" }, table("sum targets", null, heads, rows)),
    h("p", { class: "soft" }, off ? words("target.off") : words("target.on", { count: R })),
  ];
}

/** The loss and, below it, its slope; a mark for each of the four differences. */
function curves(d, label) {
  const marks = label === 0 ? [] : d.map((each, i) => ({ at: clamp(each, -3, 3), d: each, name: "xywh"[i] }));
  const draw = (f, style) => (px, py) => [
    lineOf(
      ramp(-3, 3, 120).map((x) => [x, f(x)]),
      px,
      py,
      style,
    ),
    marks.map(({ at: x, name }) =>
      h(
        "g",
        { class: "mark" },
        h("circle", { cx: px(x), cy: py(f(x)), r: 8 }),
        h("text", { x: px(x), y: py(f(x)) + 4 }, name),
      ),
    ),
  ];
  const ticks = [-3, -2, -1, 0, 1, 2, 3];
  return h(
    "div",
    { class: "charts" },
    h(
      "figure",
      {},
      chartOf(
        { x: [-3, 3], y: [0, 2.6], xTicks: ticks, yTicks: [0, 1, 2], label: "smooth-L1", height: 150 },
        draw(smoothL1, ""),
      ),
      h("figcaption", {}, words("target.curve")),
    ),
    h(
      "figure",
      {},
      chartOf(
        { x: [-3, 3], y: [-1.3, 1.3], xTicks: ticks, yTicks: [-1, 0, 1], label: "clip(d, −1, 1)", height: 150 },
        draw(smoothL1Slope, ""),
      ),
      h("figcaption", {}, words("target.slope")),
    ),
  );
}

/** Any difference, and any N. */
function tryOne(d, N) {
  return h(
    "div",
    { class: "try" },
    h(
      "label",
      { class: "slide" },
      words("target.try"),
      " d = ",
      h("b", {}, num("tried", d, 1)),
      h("input", {
        type: "range",
        min: -4,
        max: 4,
        step: 0.1,
        value: d,
        "data-field": "tried",
        oninput: (event) => change({ tried: Number(event.target.value) }),
      }),
    ),
    choice(
      "N",
      [3, 128].map((value) => ({ value, text: value })),
      N,
      (average) => change({ average }),
    ),
    h(
      "p",
      {},
      words("loss"),
      " ",
      num("tried.loss", smoothL1(d), 3),
      ", ∂L/∂t = ",
      num("tried.slope", smoothL1Slope(d), 1),
      ` / ${N} = `,
      h("b", {}, num("tried.gradient", smoothL1Slope(d) / N, 7)),
    ),
  );
}
