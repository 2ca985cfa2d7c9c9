"use strict";
// Beside screen 4's map, where bins are rounded to cells: from pixels to cells, the bins, and what disjoint ones change.

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

function binTable(cells, bins, W, r, disjoint, pooling) {
  const PH = Math.max(...bins.map(({ ph }) => ph)) + 1;
  const PW = Math.max(...bins.map(({ pw }) => pw)) + 1;
  const which = disjoint ? "disjoint" : "bin";
  const mean = pooling === "average";
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
      [
        words("bin"),
        words("rows"),
        words("columns"),
        ...(mean ? [words("cells"), words("mean")] : [words("winner"), words("maximum")]),
      ],
      bins.map((bin, i) => {
        const name = (part) => `${which} ${r} ${i} ${part}`;
        const empty = bin.shares.length === 0;
        return tableRow(
          empty ? "soft" : "",
          `(${bin.ph}, ${bin.pw})`,
          span(name("h1"), bin.h1, name("h2"), bin.h2),
          span(name("w1"), bin.w1, name("w2"), bin.w2),
          mean
            ? num(name("count"), bin.shares.length, 0)
            : empty
              ? words("empty")
              : place(name("winner"), bin.winner, W),
          strong(num(name("value"), bin.value, mean ? 3 : 1)),
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
