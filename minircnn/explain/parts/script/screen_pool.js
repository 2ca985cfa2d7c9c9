"use strict";
// Screen 4: RoI pooling forward.

/** The map with all RoIs, and the pooled cells of one RoI beside it, an arrow from each winner. */
figure("pool", ({ scenario, roi, disjoint }, found) => {
  const {
    features,
    rois,
    scale,
    outputSize: [PH, PW],
  } = scenario;
  const [H, W] = [features.length, features[0].length];
  const edges = disjoint ? disjointEdges : binEdges;
  const { cells, bins } = roiPoolForward(features, rois, [PH, PW], scale, edges)[roi];
  const style = `roi${roi % 3}`;
  const snapped = { h1: cells.y1, h2: cells.y1 + cells.height, w1: cells.x1, w2: cells.x1 + cells.width };
  const winners = new Set(bins.map(({ winner }) => winner));
  const map = gridOf(H, W, {
    label: words("map.features"),
    cell: (row, column) => ({
      text: (place) => svgNumber(`features ${row} ${column}`, features[row][column], place, 1),
    }),
    below: [
      cellsRect(snapped, `snapped ${style}`),
      bins.map((bin) => cellsRect(bin, `bin ${style}`, 3)),
      [...winners].filter((winner) => winner >= 0).map((winner) => cellsRect(cellOf(winner, W), "won", 5)),
    ],
    boxes: rois.map((box, r) => ({
      name: `roi ${r}`,
      label: roiName(r),
      box,
      scale,
      size: [H, W],
      style: `roi${r % 3}${r === roi ? " chosen" : ""}`,
      onmove: (moved) => change({ roi: r, scenario: { ...scenario, rois: replaced(scenario.rois, r, moved) } }),
    })),
  });
  return [
    h(
      "div",
      { class: "row" },
      roiChoice(),
      scaleChoice(scenario),
      choice(
        words("bins"),
        [
          { value: false, text: words("bins.true") },
          { value: true, text: words("bins.disjoint") },
        ],
        disjoint,
        (value) => change({ disjoint: value }),
      ),
      startAgain(),
    ),
    h(
      "div",
      { class: "columns" },
      h(
        "figure",
        { class: "wide" },
        h(
          "div",
          { class: "flight" },
          map,
          pooledCells(bins, PW, roi, disjoint),
          overlay(
            bins.flatMap(({ winner }, i) =>
              winner < 0 ? [] : [{ from: `cell ${Math.floor(winner / W)} ${winner % W}`, to: `pooled ${i}`, style }],
            ),
          ),
        ),
        h("figcaption", {}, words("pool.caption")),
      ),
      h("div", {}, rounding(rois[roi], scale, cells, roi), binTable(cells, bins, W, roi, disjoint)),
    ),
    disjoint ? difference(scenario, found, roi, bins) : null,
  ];
});

/** The cell h·W + w as a rectangle of one cell. */
function cellOf(index, W) {
  const [h1, w1] = [Math.floor(index / W), index % W];
  return { h1, h2: h1 + 1, w1, w2: w1 + 1 };
}

/** The RoI's pooled values, where the arrows end. */
function pooledCells(bins, PW, r, disjoint) {
  return h(
    "div",
    { class: "sources" },
    h(
      "div",
      { class: `sender roi${r % 3}` },
      h("b", {}, `pooled[${r}]`),
      h(
        "div",
        { class: "bins", style: `--columns: ${PW}` },
        bins.map(({ value, winner }, i) =>
          h(
            "span",
            { class: `pooled ${winner < 0 ? "soft" : ""}`, "data-place": `pooled ${i}` },
            num(`${disjoint ? "disjoint" : "bin"} ${r} ${i} value`, value, 1),
          ),
        ),
      ),
    ),
  );
}

function scaleChoice(scenario) {
  const options = [1, 0.5, 0.0625].map((scale) => ({ value: scale, text: scale === 1 ? "1" : `1/${1 / scale}` }));
  return choice("spatial_scale", options, scenario.scale, (scale) => {
    const resize = (boxes) => boxes.map((box) => box.map((corner) => (corner * scenario.scale) / scale));
    changeScenario({ scale, rois: resize(scenario.rois), truth: resize(scenario.truth) });
  });
}

/** Corner by corner: pixels, times the scale, rounded. */
function rounding(roi, scale, cells, r) {
  const products = scaledCorners(roi, scale);
  return table(
    "sum",
    words("pool.rounding", { name: roiName(r) }),
    ["", words("pool.pixels"), "× spatial_scale", words("pool.cell")],
    ["x1", "y1", "x2", "y2"].map((name, i) =>
      tableRow(
        "",
        name,
        num(`roi ${r} ${i}`, roi[i], decimals(roi[i])),
        num(`scaled ${r} ${i}`, products[i], decimals(products[i])),
        strong(num(`snapped ${r} ${name}`, cells[name], 0)),
      ),
    ),
  );
}

function binTable(cells, bins, W, r, disjoint) {
  const PH = Math.max(...bins.map(({ ph }) => ph)) + 1;
  const PW = Math.max(...bins.map(({ pw }) => pw)) + 1;
  const which = disjoint ? "disjoint" : "bin";
  const size = (name, value, count) => [
    num(`snapped ${r} ${name}`, value, 0),
    ` / ${count} = `,
    num(`step ${r} ${name}`, Math.fround(value / count), decimals(Math.fround(value / count))),
  ];
  return [
    h("p", {}, words("pool.size"), " ", size("width", cells.width, PW), " · ", size("height", cells.height, PH)),
    table(
      "sum",
      words(disjoint ? "pool.bins.disjoint" : "pool.bins.true"),
      [words("bin"), words("rows"), words("columns"), words("winner"), words("maximum")],
      bins.map((bin, i) => {
        const name = (part) => `${which} ${r} ${i} ${part}`;
        const empty = bin.winner < 0;
        return tableRow(
          empty ? "soft" : "",
          `(${bin.ph}, ${bin.pw})`,
          span(name("h1"), bin.h1, name("h2"), bin.h2),
          span(name("w1"), bin.w1, name("w2"), bin.w2),
          empty ? words("empty") : place(name("winner"), bin.winner, W),
          strong(num(name("value"), bin.value, 1)),
        );
      }),
    ),
  ];
}

/** Cells first … last of a bin. */
function span(firstName, first, endName, end) {
  if (end <= first) return words("none");
  if (end === first + 1) return num(firstName, first, 0);
  return [
    num(firstName, first, 0),
    " – ",
    h("span", { class: "number", ...exactly(`${endName} − 1`, end - 1) }, end - 1),
  ];
}

/** The winner's row and column. */
function place(of, winner, W) {
  return h("span", { class: "number", ...exactly(of, winner) }, `(${Math.floor(winner / W)}, ${winner % W})`);
}

/** What disjoint bins would change: pooled values, and what the most wanted cell collects. */
function difference(scenario, found, r, drawn) {
  const bins = found.pooled[r].bins;
  const changed = bins.filter((bin, i) => bin.winner !== drawn[i].winner).length;
  const W = scenario.features[0].length;
  const wins = (list, winner) => list.filter((bin) => bin.winner === winner).length;
  const best = bins.reduce((most, bin) => (wins(bins, bin.winner) > wins(bins, most.winner) ? bin : most), bins[0]);
  if (best.winner < 0) return null;
  return h(
    "p",
    { class: "note" },
    words("pool.changed.before"),
    " ",
    h("b", {}, num(`changed ${r}`, changed, 0)),
    ` / ${bins.length}. `,
    words("pool.wins.before"),
    " ",
    place(`most ${r}`, best.winner, W),
    ": ",
    h("b", {}, num(`wins ${r}`, wins(bins, best.winner), 0)),
    " → ",
    h("b", {}, num(`wins.disjoint ${r}`, wins(drawn, best.winner), 0)),
    ". ",
    words("pool.wins.after"),
  );
}
