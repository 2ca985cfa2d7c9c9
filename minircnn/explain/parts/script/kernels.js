"use strict";
// The rules of minircnn/kernels/roi_pool.py, minircnn/losses.py and minircnn/boxes.py, once more, for one
// channel, so that the page can follow a dragged box. A browser test holds every number to those kernels.

/** 1.5 → 2, 2.5 → 3, −1.5 → −2: half away from zero, as C rounds. */
function roundHalfAway(value) {
  return value >= 0 ? Math.floor(value + 0.5) : Math.ceil(value - 0.5) + 0; // + 0: no negative zero
}

/** The rules that a reader may break on screen 7; whoever does not say which has these. */
const RULES = {
  round: roundHalfAway,
  noWinner: -1, // an empty bin's argmax
  add: (sum, value) => sum + value, // of a cell's gradients
  average: (labels) => labels.length, // what the box loss is divided by: all sampled RoIs
  boxes: (offsets) => offsets, // what follows bbox_pred: nothing
  centre: (offset, mean) => offset - mean, // before it is divided by the spread
};

/** The corners of a RoI in cells before rounding: the product is float32, as in the kernel. */
function scaledCorners(roi, scale) {
  return roi.map((corner) => Math.fround(Math.fround(corner) * Math.fround(scale)));
}

/** The cells that a RoI is snapped to; both ends belong to it, so a size is x2 − x1 + 1, and at least 1. */
function snapRoi(roi, scale, { round } = RULES) {
  const [x1, y1, x2, y2] = scaledCorners(roi, scale).map(round);
  return { x1, y1, x2, y2, width: Math.max(x2 - x1 + 1, 1), height: Math.max(y2 - y1 + 1, 1) };
}

/** Cells [first, last) of bin p, clipped to the map: floor and ceil let neighbours overlap. Float32 throughout. */
function binEdges(start, size, bins, p, limit) {
  const step = Math.fround(Math.fround(size) / Math.fround(bins));
  const first = Math.floor(Math.fround(p * step)) + start;
  const last = Math.ceil(Math.fround((p + 1) * step)) + start;
  return [clamp(first, 0, limit), clamp(last, 0, limit)];
}

/** The same as many tutorials draw it: bins that do not overlap. Not what Fast R-CNN does. */
function disjointEdges(start, size, bins, p, limit) {
  const first = Math.floor((p * size) / bins) + start;
  const last = Math.floor(((p + 1) * size) / bins) + start;
  return [clamp(first, 0, limit), clamp(last, 0, limit)];
}

function clamp(value, low, high) {
  return Math.min(Math.max(value, low), high);
}

/**
 * RoI pooling forward. features [H][W], rois [R][4] → for every RoI its snapped cells and its bins in the order
 * (ph, pw): { ph, pw, h1, h2, w1, w2, value, winner, shares }, winner = h·W + w, or −1 where the bin is empty; all of
 * the bin is the winner's share.
 */
function roiPoolForward(features, rois, [PH, PW], scale, edges = binEdges, rules = RULES) {
  const H = features.length;
  const W = features[0].length;
  return rois.map((roi) => {
    const cells = snapRoi(roi, scale, rules);
    const bins = [];
    for (let ph = 0; ph < PH; ph++) {
      const [h1, h2] = edges(cells.y1, cells.height, PH, ph, H);
      for (let pw = 0; pw < PW; pw++) {
        const [w1, w2] = edges(cells.x1, cells.width, PW, pw, W);
        const bin = { ph, pw, h1, h2, w1, w2, value: 0, winner: -1 };
        for (let h = h1; h < h2; h++) {
          for (let w = w1; w < w2; w++) {
            if (bin.winner < 0 || features[h][w] > bin.value) {
              // strict: the first of equals wins
              bin.value = features[h][w];
              bin.winner = h * W + w;
            }
          }
        }
        if (bin.winner < 0) bin.winner = rules.noWinner;
        const shares = bin.winner < 0 ? [] : [{ row: Math.floor(bin.winner / W), column: bin.winner % W, share: 1 }];
        bins.push({ ...bin, shares });
      }
    }
    return { cells, bins };
  });
}

function zeros(rows, columns) {
  return Array.from({ length: rows }, () => Array.from({ length: columns }, () => 0));
}

/** y = x · weight + bias; x [R][IN], weight [IN][OUT]. */
function linear(x, weight, bias) {
  return x.map((row) => bias.map((b, o) => row.reduce((sum, value, i) => sum + value * weight[i][o], 0) + b));
}

/** dx = dy · weightᵀ. */
function linearBackward(dy, weight) {
  return dy.map((row) => weight.map((to) => row.reduce((sum, value, o) => sum + value * to[o], 0)));
}

function relu(z) {
  return z.map((row) => row.map((value) => Math.max(value, 0)));
}

/** dz = dh where the gate was open, 0 where it was closed. */
function reluBackward(dh, z) {
  return dh.map((row, r) => row.map((value, i) => (z[r][i] > 0 ? value : 0)));
}

function softmax(scores) {
  const top = Math.max(...scores);
  const powers = scores.map((score) => Math.exp(score - top));
  const total = powers.reduce((sum, power) => sum + power, 0);
  return powers.map((power) => power / total);
}

/** Mean of −log p[label] and its gradient (p − onehot) / R. */
function softmaxCrossEntropy(scores, labels) {
  const R = labels.length;
  const probability = scores.map(softmax);
  const loss = probability.reduce((sum, p, r) => sum - Math.log(p[labels[r]]), 0) / R;
  const dscores = probability.map((p, r) => p.map((value, k) => (value - (k === labels[r] ? 1 : 0)) / R));
  return { loss, dscores, probability };
}

/** 0.5 d² within one of zero, |d| − 0.5 beyond. */
function smoothL1(d) {
  return Math.abs(d) < 1 ? 0.5 * d * d : Math.abs(d) - 0.5;
}

/** Its slope: d, held between −1 and 1. */
function smoothL1Slope(d) {
  return clamp(d, -1, 1);
}

/** Offsets (tx, ty, tw, th) that would move `box` onto `truth`; sizes are x2 − x1. */
function encodeBox([x1, y1, x2, y2], [gx1, gy1, gx2, gy2]) {
  const [w, h, gw, gh] = [x2 - x1, y2 - y1, gx2 - gx1, gy2 - gy1];
  const tx = (gx1 + gw / 2 - (x1 + w / 2)) / w;
  const ty = (gy1 + gh / 2 - (y1 + h / 2)) / h;
  return [tx, ty, Math.log(gw / w), Math.log(gh / h)];
}

const MAX_LOG_STRETCH = Math.log(1000 / 16); // a wild tw must not overflow exp

/** The box that the offsets make of `box`. */
function decodeBox([x1, y1, x2, y2], [tx, ty, tw, th]) {
  const [w, h] = [x2 - x1, y2 - y1];
  const [cx, cy] = [x1 + w / 2 + tx * w, y1 + h / 2 + ty * h];
  const [pw, ph] = [w * Math.exp(Math.min(tw, MAX_LOG_STRETCH)), h * Math.exp(Math.min(th, MAX_LOG_STRETCH))];
  return [cx - pw / 2, cy - ph / 2, cx + pw / 2, cy + ph / 2];
}

/** Intersection over union of two boxes. */
function overlapOf(a, b) {
  const width = Math.max(0, Math.min(a[2], b[2]) - Math.max(a[0], b[0]));
  const height = Math.max(0, Math.min(a[3], b[3]) - Math.max(a[1], b[1]));
  const area = ([x1, y1, x2, y2]) => Math.max(0, x2 - x1) * Math.max(0, y2 - y1);
  return (width * height) / (area(a) + area(b) - width * height || 1);
}
