"use strict";
// The proof of screen 7: six questions to the page's rules, whole or broken. What the answers must be, the project's
// own kernels have said (minircnn/explain/faults.py); only the slopes are asked of the losses themselves.

/** 2.5 → 2, 3.5 → 4: as Python's round. */
function roundHalfEven(value) {
  const low = Math.floor(value);
  if (value - low !== 0.5) return Math.round(value);
  return low % 2 === 0 ? low : low + 1;
}

/** The rules with one fault; by the names in minircnn/explain/faults.py. */
const BROKEN = {
  none: RULES,
  assign: { ...RULES, add: (_, value) => value },
  foreground: { ...RULES, average: (labels) => labels.filter((label) => label > 0).length },
  halfeven: { ...RULES, round: roundHalfEven },
  argmax0: { ...RULES, noWinner: 0 },
  relu: { ...RULES, boxes: relu },
  mean: { ...RULES, centre: (offset) => offset },
};

const PROOF_STEP = 1e-4; // by which every cell is raised and lowered
const TOLERATED = 1e-6;

/** Six answers: { name, must, is, holds }. Slopes are those of the scenario at hand, the rest of the worked example. */
function proof(scenario, fault) {
  const slopes = largestDifference({ ...scenario, pooling: "pool" }, BROKEN[fault]);
  const answers = [{ name: "slopes", must: 0, is: slopes }, ...(ofTheExample[fault] ??= answersTo(BROKEN[fault]))];
  return answers.map((answer) => ({ ...answer, holds: Math.abs(answer.is - answer.must) <= TOLERATED }));
}

const ofTheExample = {}; // fault → answers, which no dragged box changes

function answersTo(rules) {
  const example = DATA.scenario;
  const { loss, rounding, empty, learned, moved } = DATA.known;
  return [
    { name: "loss", must: loss, is: journey(example, null, rules).boxLoss },
    { name: "rounding", must: rounding.cell, is: rules.round(rounding.pixel * rounding.scale) },
    { name: "empty", must: empty.sum, is: arrivedFrom(example, empty.roi, rules) },
    { name: "learned", must: learned.loss, is: journey(trained(example, learned.steps, rules), null, rules).boxLoss },
    { name: "moved", must: moved.iou, is: thereAndBack(example, moved.mean, rules) },
  ];
}

/** The difference between the numeric slope and the gradient, at the cell where it is largest. */
function largestDifference(scenario, rules) {
  const found = journey(scenario, null, rules);
  let largest = 0;
  scenario.features.forEach((cells, row) =>
    cells.forEach((_, column) => {
      const [up, down] = [PROOF_STEP, -PROOF_STEP].map((by) => {
        const features = nudgedFeatures(scenario.features, [row, column], by);
        return lossOf("both", losses({ ...scenario, features }, found.targets, rules));
      });
      const difference = (up - down) / (2 * PROOF_STEP) - found.back.both.dfeatures[row][column];
      if (Math.abs(difference) > Math.abs(largest)) largest = difference;
    }),
  );
  return largest;
}

/** What comes to the map when every bin of a RoI that lies mostly off it sends back 1. */
function arrivedFrom({ features, outputSize }, roi, rules) {
  const pooled = roiPoolForward(features, [roi], outputSize, 1, binEdges, rules);
  const ones = pooled.map(({ bins }) => bins.map(() => 1));
  return poolBackward(ones, pooled, features.length, features[0].length, rules)
    .flat()
    .reduce((sum, value) => sum + value, 0);
}

/** IoU of RoI A's true box with what detection makes of its target, where the offsets' mean is not 0. */
function thereAndBack({ rois, truth, std }, mean, rules) {
  const target = encodeBox(rois[0], truth[0]).map((offset, i) => rules.centre(offset, mean[i]) / std[i]);
  const back = decodeBox(
    rois[0],
    target.map((t, i) => t * std[i] + mean[i]),
  );
  return overlapOf(back, truth[0]);
}
