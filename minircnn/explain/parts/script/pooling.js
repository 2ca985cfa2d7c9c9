"use strict";
// Three ways to make a RoI's cells into PH×PW numbers, by the rules of minircnn/kernels/roi_pool.py, roi_average.py and
// roi_align.py, for one channel. Whatever the way, a bin's value is Σ share · cell, and backward gives each cell its
// share of the bin's gradient: 1 for the winner, 1/n for each of n cells, a sample's nearness to it.

const POOLINGS = ["pool", "average", "align"];
const SAMPLES = 2; // of RoIAlign, along each side of a bin

/** By a name of POOLINGS → for every RoI { cells, bins }; a bin has its `shares`: { row, column, share }. */
function pool(pooling, features, rois, size, scale, rules = RULES) {
  if (pooling === "align") return rois.map((roi) => alignForward(features, roi, size, scale));
  const pooled = roiPoolForward(features, rois, size, scale, binEdges, rules);
  return pooling === "average" ? pooled.map((each) => averaged(each, features)) : pooled;
}

/** The same bins, and of each the mean. */
function averaged({ cells, bins }, features) {
  return {
    cells,
    bins: bins.map((bin) => {
      const inside = [];
      for (let row = bin.h1; row < bin.h2; row++)
        for (let column = bin.w1; column < bin.w2; column++) inside.push([row, column]);
      const shares = inside.map(([row, column]) => ({ row, column, share: 1 / inside.length }));
      return { ...bin, winner: -1, shares, value: valueOf(shares, features) };
    }),
  };
}

function valueOf(shares, features) {
  return shares.reduce((sum, { row, column, share }) => sum + share * features[row][column], 0);
}

/** The shares that are any: a sample on a cell's own place takes nothing of the next. */
function taken(shares) {
  return shares.filter(({ share }) => share !== 0);
}

/** RoIAlign: nothing is rounded. Each bin is read at 2×2 places, each place between the four cells around it. */
function alignForward(features, [x1, y1, x2, y2], [PH, PW], scale) {
  const rows = alignSide(y1, y2, PH, scale, features.length);
  const columns = alignSide(x1, x2, PW, scale, features[0].length);
  const bins = rows.flatMap((along, ph) =>
    columns.map((across, pw) => {
      const shares = along.parts.flatMap((row) =>
        across.parts.map((column) => ({
          row: row.cell,
          column: column.cell,
          share: row.share * column.share,
          slopes: [
            row.share * column.slopes[0], // of x1
            row.slopes[0] * column.share, // of y1
            row.share * column.slopes[1], // of x2
            row.slopes[1] * column.share, // of y2
          ],
        })),
      );
      const edges = { h1: along.from, h2: along.to, w1: across.from, w2: across.to };
      const places = along.places.flatMap((y) => across.places.map((x) => [y, x]));
      return { ph, pw, ...edges, places, winner: -1, shares, value: valueOf(shares, features) };
    }),
  );
  return { cells: null, bins };
}

/**
 * One direction of RoIAlign: for every bin where it begins and ends, where it is read, and { cell, share, slopes } of
 * the cells it is read from: what a pixel's change of the lower coordinate, and of the higher one, changes of the share.
 */
function alignSide(low, high, bins, scale, limit) {
  const start = low * scale - 0.5; // a cell's value stands at its middle
  const size = high * scale - 0.5 - start;
  return Array.from({ length: bins }, (_, p) => {
    const parts = new Map();
    const give = (cell, share, slopes) => {
      const part = parts.get(cell) ?? { cell, share: 0, slopes: [0, 0] };
      part.share += share / SAMPLES;
      part.slopes = part.slopes.map((slope, side) => slope + slopes[side] / SAMPLES);
      parts.set(cell, part);
    };
    const places = Array.from({ length: SAMPLES }, (_, i) => start + (p + (i + 0.5) / SAMPLES) * (size / bins));
    places.forEach((x, i) => {
      if (x < -1 || x > limit) return; // off the map: it adds nothing
      const { first, second, nearness, moves } = neighbours(x, limit);
      const along = (p + (i + 0.5) / SAMPLES) / bins; // 0 at the lower coordinate, 1 at the higher
      const shifts = moves ? [scale * (1 - along), scale * along] : [0, 0];
      give(
        first,
        1 - nearness,
        shifts.map((shift) => -shift),
      );
      give(second, nearness, shifts);
    });
    const from = start + p * (size / bins);
    return { from, to: from + size / bins, places, parts: [...parts.values()].sort((a, b) => a.cell - b.cell) };
  });
}

/** The cells around a place, how near it is to the second, and whether it may move between them; held at the edges. */
function neighbours(x, limit) {
  const inside = Math.max(x, 0);
  const first = Math.floor(inside);
  if (first >= limit - 1) return { first: limit - 1, second: limit - 1, nearness: 0, moves: false };
  return { first, second: first + 1, nearness: inside - first, moves: x > 0 };
}

/** The shares of a single sample at (x, y): its four cells. */
function sampleShares(x, y, H, W) {
  const [along, across] = [neighbours(y, H), neighbours(x, W)];
  const four = [
    [along.first, across.first, (1 - along.nearness) * (1 - across.nearness)],
    [along.first, across.second, (1 - along.nearness) * across.nearness],
    [along.second, across.first, along.nearness * (1 - across.nearness)],
    [along.second, across.second, along.nearness * across.nearness],
  ];
  return four.map(([row, column, share]) => ({ row, column, share }));
}

/** Backward. dpooled [R][PH·PW] → dfeatures [H][W]: each cell gets its share of each bin's gradient, added. */
function poolBackward(dpooled, pooled, H, W, { add } = RULES) {
  const dfeatures = zeros(H, W);
  pooled.forEach(({ bins }, r) => {
    bins.forEach(({ shares }, i) => {
      for (const { row, column, share } of shares) {
        dfeatures[row][column] = add(dfeatures[row][column], share * dpooled[r][i]);
      }
    });
  });
  return dfeatures;
}

/** dpooled [PH·PW] of one RoI of RoIAlign → the gradient of its x1, y1, x2, y2; the others have none. */
function alignBackwardToRoi(dpooled, { bins }, features) {
  return [0, 1, 2, 3].map((side) =>
    bins.reduce(
      (sum, { shares }, i) =>
        sum +
        shares.reduce((own, { row, column, slopes }) => own + dpooled[i] * features[row][column] * slopes[side], 0),
      0,
    ),
  );
}
