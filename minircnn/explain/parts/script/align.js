"use strict";
// Screen 4 where nothing is rounded: RoIAlign's bins, where they are read, and the shares of the cells around.

/** The region and its bins as they are, and the cells that the chosen bin is read from, deeper where its share is more. */
function alignBelow(bins, one, style) {
  const [first, last] = [bins[0], bins.at(-1)];
  const most = Math.max(...bins[one].shares.map(({ share }) => share), 1e-12);
  return [
    taken(bins[one].shares).map(({ row, column, share }) => {
      const cell = cellsRect({ h1: row, h2: row + 1, w1: column, w2: column + 1 }, "won", 3);
      return {
        ...cell,
        attributes: { ...cell.attributes, "fill-opacity": (0.25 + (0.75 * share) / most).toFixed(3) },
      };
    }),
    lyingAt({ ...first, h2: last.h2, w2: last.w2 }, `snapped ${style}`),
    bins.map((bin, i) => lyingAt(bin, `bin ${style}${i === one ? " lit" : ""}`)),
  ];
}

/** A rectangle between places: a cell's own place is its middle. */
function lyingAt({ h1, h2, w1, w2 }, style) {
  const [x, y, width, height] = [at(Math.min(w1, w2)), at(Math.min(h1, h2)), Math.abs(w2 - w1), Math.abs(h2 - h1)];
  return h("rect", { class: style, x, y, width: width * CELL, height: height * CELL });
}

/** Where the bins are read. */
function placesOf(bins, one, style) {
  return bins.map(({ places }, i) =>
    places.map(([y, x]) =>
      h("circle", {
        class: `sample ${style}${i === one ? " lit" : ""}`,
        cx: at(x),
        cy: at(y),
        r: i === one ? 5 : 3.5,
      }),
    ),
  );
}

/** Corner by corner: pixels, times the scale, half a cell back; and nothing more. */
function corners(roi, scale, r) {
  return table(
    "sum",
    words("align.corners", { name: roiName(r) }),
    ["", words("pool.pixels"), "× spatial_scale", "− ½"],
    ["x1", "y1", "x2", "y2"].map((name, i) =>
      tableRow(
        "",
        name,
        num(`roi ${r} ${i}`, roi[i], decimals(roi[i])),
        num(`exact ${r} ${i}`, roi[i] * scale, decimals(roi[i] * scale)),
        strong(num(`placed ${r} ${i}`, roi[i] * scale - 0.5, decimals(roi[i] * scale - 0.5))),
      ),
    ),
  );
}

function alignBins(bins, r) {
  const from = (i, name, value) => num(`bin ${r} ${i} ${name}`, value, 3);
  return table(
    "sum",
    words("align.bins"),
    [words("bin"), words("rows"), words("columns"), words("mean")],
    bins.map((bin, i) =>
      tableRow(
        "",
        `(${bin.ph}, ${bin.pw})`,
        [from(i, "h1", bin.h1), " … ", from(i, "h2", bin.h2)],
        [from(i, "w1", bin.w1), " … ", from(i, "w2", bin.w2)],
        strong(from(i, "value", bin.value)),
      ),
    ),
  );
}

/** The chosen bin as the sum that it is: each cell times its share. */
function sharesOf(bins, one, features, r) {
  const { ph, pw, shares, value } = bins[one];
  return table(
    "sum written",
    words("shares", { bin: `(${ph}, ${pw})` }),
    [words("cell"), words("value"), words("share"), words("product")],
    taken(shares).map(({ row, column, share }) =>
      tableRow(
        "",
        `(${row}, ${column})`,
        num(`features ${row} ${column}`, features[row][column], 1),
        ["× ", num(`share ${r} ${one} ${row} ${column}`, share, 4)],
        plus(`read ${r} ${one} ${row} ${column}`, share * features[row][column], 4),
      ),
    ),
    tableRow("total", words("sum"), "", "", num(`bin ${r} ${one} value`, value, 4)),
  );
}

/** A single sample, which can be dragged: one arrow becomes four. */
function oneSample(features, [x, y]) {
  const [H, W] = [features.length, features[0].length];
  const shares = sampleShares(x, y, H, W);
  const moveTo = (dx, dy) => {
    const tenth = (value, most) => Math.round(clamp(value, 0, most) * 20) / 20;
    change({ sample: [tenth(x + dx, W - 1), tenth(y + dy, H - 1)] });
  };
  const map = gridOf(H, W, {
    label: words("sample.map"),
    cell: (row, column) => ({
      text: (place) => svgNumber(`features ${row} ${column}`, features[row][column], place, 1),
    }),
    below: shares.map(({ row, column, share }) => {
      const cell = cellsRect({ h1: row, h2: row + 1, w1: column, w2: column + 1 }, "won", 3);
      return { ...cell, attributes: { ...cell.attributes, "fill-opacity": (0.2 + 0.8 * share).toFixed(3) } };
    }),
    above: [
      shares.map(({ row, column }) => arrow([at(column), at(row)], [at(x), at(y)], "roi0")),
      handle(
        "sample",
        words("sample.drag"),
        [at(x), at(y)],
        moveTo,
        true,
        h("circle", { class: "corner roi0", cx: at(x), cy: at(y), r: 6 }),
      ),
    ],
    edge: 0.6 * CELL,
  });
  return h(
    "div",
    { class: "columns" },
    h("figure", {}, map, h("figcaption", {}, words("sample.caption"))),
    h(
      "div",
      {},
      table(
        "sum written",
        [words("sample.title"), " x = ", num("sample.x", x, 2), ", y = ", num("sample.y", y, 2)],
        [words("cell"), words("value"), words("share"), words("product")],
        shares.map(({ row, column, share }, i) =>
          tableRow(
            "",
            `(${row}, ${column})`,
            num(`features ${row} ${column}`, features[row][column], 1),
            ["× ", num(`sample.share ${i}`, share, 2)],
            plus(`sample.read ${i}`, share * features[row][column], 3),
          ),
        ),
        tableRow("total", words("sum"), "", "", num("sample.value", valueOf(shares, features), 3)),
      ),
      h("p", { class: "note" }, words("sample.note")),
    ),
  );
}
