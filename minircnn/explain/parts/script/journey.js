"use strict";
// The whole way of the worked example, forward and back, as minircnn/explain/scenario.py follows it in Python.

const SENT = ["class", "box", "both"]; // which loss is sent back

/** Everything that happens to a scenario; arrays are named as in scenario.py's `follow`. `held`: targets that stay. */
function journey(scenario, held = null, rules = RULES) {
  const { features, rois, truth, labels, std, scale, outputSize, weights, biases, pooling } = scenario;
  const pooled = pool(pooling, features, rois, outputSize, scale, rules);
  const flat = pooled.map(({ bins }) => bins.map(({ value }) => value));
  const z6 = linear(flat, weights.fc6, biases.fc6);
  const h6 = relu(z6);
  const z7 = linear(h6, weights.fc7, biases.fc7);
  const h7 = relu(z7);
  const clsScore = linear(h7, weights.cls_score, biases.cls_score);
  const bboxPred = rules.boxes(linear(h7, weights.bbox_pred, biases.bbox_pred));
  const offsets = rois.map((roi, r) => (labels[r] > 0 ? encodeBox(roi, truth[r]) : [0, 0, 0, 0]));
  const targets = held ?? offsets.map((four) => four.map((offset, i) => offset / std[i])); // normalised

  const own = bboxPred.map((row, r) => (labels[r] > 0 ? row.slice(4 * labels[r], 4 * labels[r] + 4) : [0, 0, 0, 0]));
  const d = own.map((four, r) => four.map((t, i) => t - targets[r][i]));
  const { loss: classLoss, dscores: dclsScore, probability } = softmaxCrossEntropy(clsScore, labels);
  const R = rois.length;
  const N = rules.average(labels);
  const boxLoss = d.reduce((sum, four) => sum + four.reduce((own, each) => own + smoothL1(each), 0), 0) / N;
  const dbboxPred = zeros(R, bboxPred[0].length);
  d.forEach((four, r) => {
    if (labels[r] > 0) four.forEach((each, i) => (dbboxPred[r][4 * labels[r] + i] = smoothL1Slope(each) / N));
  });

  const fromClass = linearBackward(dclsScore, weights.cls_score);
  const gated = rules.boxes === relu ? reluBackward(dbboxPred, bboxPred) : dbboxPred;
  const fromBox = linearBackward(gated, weights.bbox_pred);
  const back = {};
  for (const sent of SENT) {
    // The two branches meet: fc7 fed both outputs, so its gradient is the sum of what they send back.
    const dh7 = fromClass.map((row, r) =>
      row.map((value, i) => (sent === "box" ? 0 : value) + (sent === "class" ? 0 : fromBox[r][i])),
    );
    const dz7 = reluBackward(dh7, z7);
    const dh6 = linearBackward(dz7, weights.fc7);
    const dz6 = reluBackward(dh6, z6);
    const dpooled = linearBackward(dz6, weights.fc6);
    const dfeatures = poolBackward(dpooled, pooled, features.length, features[0].length, rules);
    const drois = pooling === "align" ? pooled.map((own, r) => alignBackwardToRoi(dpooled[r], own, features)) : null;
    back[sent] = { dh7, dz7, dh6, dz6, dpooled, dfeatures, drois };
  }
  return {
    pooled,
    flat,
    z6,
    h6,
    z7,
    h7,
    clsScore,
    bboxPred,
    probability,
    offsets,
    targets,
    own,
    d,
    classLoss,
    boxLoss,
    dclsScore,
    dbboxPred: gated,
    back,
  };
}

/** The box that normalised offsets `t` make of a RoI. */
function predictedBox(scenario, r, t) {
  return decodeBox(
    scenario.rois[r],
    t.map((each, i) => each * scenario.std[i]),
  );
}

/** Only the losses: [class, box]. Targets are data and stay as they were, wherever the RoI goes. */
function losses(scenario, targets, rules = RULES) {
  const { pooling, features, rois, outputSize, scale } = scenario;
  return lossesOf(scenario, pool(pooling, features, rois, outputSize, scale, rules), targets, rules);
}

/** The same where the pooled RoIs are known. */
function lossesOf({ labels, weights, biases }, pooled, targets, rules = RULES) {
  const h6 = relu(
    linear(
      pooled.map(({ bins }) => bins.map(({ value }) => value)),
      weights.fc6,
      biases.fc6,
    ),
  );
  const h7 = relu(linear(h6, weights.fc7, biases.fc7));
  const clsScore = linear(h7, weights.cls_score, biases.cls_score);
  const bboxPred = rules.boxes(linear(h7, weights.bbox_pred, biases.bbox_pred));
  const boxLoss = labels.reduce((sum, label, r) => {
    if (label === 0) return sum;
    const four = bboxPred[r].slice(4 * label, 4 * label + 4);
    return sum + four.reduce((own, t, i) => own + smoothL1(t - targets[r][i]), 0);
  }, 0);
  return [softmaxCrossEntropy(clsScore, labels).loss, boxLoss / rules.average(labels)];
}

/** The loss that `sent` names, of [class, box]. */
function lossOf(sent, [classLoss, boxLoss]) {
  return (sent === "box" ? 0 : classLoss) + (sent === "class" ? 0 : boxLoss);
}

/**
 * Backward through the RoI layer one bin at a time, in the kernel's order: { r, bin, index, value, given }, with what
 * each cell is given, { row, column, share, amount, total }, total being what it has by then.
 */
function additions(scenario, found, sent) {
  const totals = zeros(scenario.features.length, scenario.features[0].length);
  const ticks = [];
  found.pooled.forEach(({ bins }, r) => {
    bins.forEach((bin, i) => {
      const value = found.back[sent].dpooled[r][i];
      const given = taken(bin.shares).map(({ row, column, share }) => {
        totals[row][column] += share * value;
        return { row, column, share, amount: share * value, total: totals[row][column] };
      });
      ticks.push({ r, bin, index: ticks.length, value, given });
    });
  });
  return ticks;
}
