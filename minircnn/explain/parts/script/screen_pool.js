"use strict";
// Screen 4: a RoI's cells become PH×PW numbers: the largest of each bin, its mean, or RoIAlign's.

/** The map with all RoIs, and the pooled cells of one RoI beside it, an arrow from each cell that they are read from. */
figure("pool", ({ scenario, roi, disjoint, bin: chosen, sample }, found) => {
  const {
    features,
    rois,
    scale,
    outputSize: [PH, PW],
    pooling,
  } = scenario;
  const [H, W] = [features.length, features[0].length];
  const drawn = pooling === "pool" && disjoint;
  const { cells, bins } = drawn
    ? roiPoolForward(features, rois, [PH, PW], scale, disjointEdges)[roi]
    : found.pooled[roi];
  const style = `roi${roi % 3}`;
  const one = Math.min(chosen, bins.length - 1);
  const map = gridOf(H, W, {
    label: words("map.features"),
    cell: (row, column) => ({
      text: (place) => svgNumber(`features ${row} ${column}`, features[row][column], place, 1),
    }),
    below: pooling === "align" ? alignBelow(bins, one, style) : roundedBelow(cells, bins, one, style, pooling),
    boxes: rois.map((box, r) => ({
      name: `roi ${r}`,
      label: roiName(r),
      box,
      scale,
      size: [H, W],
      style: `roi${r % 3}${r === roi ? " chosen" : ""}`,
      reachable: r === roi,
      onmove: (moved) => change({ roi: r, scenario: { ...scenario, rois: replaced(scenario.rois, r, moved) } }),
    })),
    above: pooling === "align" ? placesOf(bins, one, style) : [],
  });
  return [
    h(
      "div",
      { class: "row" },
      roiChoice(),
      poolingChoice(),
      scaleChoice(scenario),
      pooling === "pool" ? edgesChoice(disjoint) : null,
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
          pooledCells(bins, PW, roi, drawn, pooling === "pool" ? null : one),
          overlay(arrowsInto(bins, pooling === "pool" ? null : one, style)),
        ),
        h("figcaption", {}, words(`pool.caption.${pooling}`)),
      ),
      pooling === "align"
        ? h("div", {}, corners(rois[roi], scale, roi), alignBins(bins, roi), sharesOf(bins, one, features, roi))
        : h(
            "div",
            {},
            rounding(rois[roi], scale, cells, roi),
            binTable(cells, bins, W, roi, drawn, pooling),
            pooling === "average" ? sharesOf(bins, one, features, roi) : null,
          ),
    ),
    drawn ? difference(scenario, found, roi, bins) : null,
    pooling === "align" ? oneSample(features, sample) : null,
  ];
});

/** The largest, the mean, or RoIAlign. */
function poolingChoice() {
  const { scenario } = state;
  const options = POOLINGS.map((value) => ({ value, text: words(`pooling.${value}`) }));
  return choice(words("pooling"), options, scenario.pooling, (pooling) => changeScenario({ pooling }));
}

function edgesChoice(disjoint) {
  const options = [
    { value: false, text: words("bins.true") },
    { value: true, text: words("bins.disjoint") },
  ];
  return choice(words("bins"), options, disjoint, (value) => change({ disjoint: value }));
}

/** The cells that the RoI is rounded to, its bins, and the winners, or the cells that the chosen bin averages. */
function roundedBelow(cells, bins, one, style, pooling) {
  const snapped = { h1: cells.y1, h2: cells.y1 + cells.height, w1: cells.x1, w2: cells.x1 + cells.width };
  return [
    cellsRect(snapped, `snapped ${style}`),
    bins.map((bin) => cellsRect(bin, `bin ${style}`, 3)),
    distinct(pooling === "pool" ? bins : [bins[one]]).map((cell) => cellsRect(cell, "won", 5)),
  ];
}

/** The cells that bins are read from, each once, as rectangles of one cell. */
function distinct(bins) {
  const cells = new Map();
  for (const { row, column } of bins.flatMap(({ shares }) => shares)) {
    cells.set(`${row} ${column}`, { h1: row, h2: row + 1, w1: column, w2: column + 1 });
  }
  return [...cells.values()];
}

/** Arrows from the cells that the bins are read from: of all of them where one cell wins, else of the chosen one. */
function arrowsInto(bins, one, style) {
  return bins.flatMap(({ shares }, i) =>
    one === null || i === one
      ? taken(shares).map(({ row, column }) => ({ from: `cell ${row} ${column}`, to: `pooled ${i}`, style }))
      : [],
  );
}

/** The RoI's pooled values, where the arrows end; where a bin is read from many cells, one is chosen to see them. */
function pooledCells(bins, PW, r, disjoint, chosen) {
  const value = (bin, i) =>
    num(`${disjoint ? "disjoint" : "bin"} ${r} ${i} value`, bin.value, chosen === null ? 1 : 3);
  const cell = (bin, i) =>
    chosen === null
      ? h("span", { class: `pooled ${bin.shares.length ? "" : "soft"}`, "data-place": `pooled ${i}` }, value(bin, i))
      : h(
          "button",
          {
            type: "button",
            class: "pooled",
            "data-place": `pooled ${i}`,
            "aria-pressed": String(i === chosen),
            ...item(i === chosen),
            onclick: () => change({ bin: i }),
          },
          value(bin, i),
        );
  return h(
    "div",
    { class: "sources" },
    h(
      "div",
      { class: `sender roi${r % 3}` },
      h("b", {}, `pooled[${r}]`),
      h("div", { class: "bins", style: `--columns: ${PW}`, "data-rove": "choose" }, bins.map(cell)),
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
