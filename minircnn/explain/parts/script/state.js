"use strict";
// What the page shows at the moment, and the one way to change it.

const DATA = JSON.parse(document.getElementById("data").textContent);
const CLASSES = DATA.classes;
const ROI_NAMES = "ABCDEFGHIJ";
const SMALLEST = 0.25; // cells: how small a box may be dragged, and how far an arrow key moves it

const state = {
  scenario: structuredClone(DATA.scenario),
  language: DATA.language,
  roi: 0, // which RoI the screens look at
  sent: "both", // which loss is sent back
  output: { kind: "box", column: 4 * DATA.scenario.labels[0] }, // the output whose sum is written out
  reluOnBoxes: false,
  sum: { layer: "dpooled", i: 0 }, // the gradient whose sum is written out on screen 3
  average: 3, // RoIs that the loss is divided by, where the reader tries one
  tried: 0.4, // and the difference that is tried
  disjoint: false,
  bin: 0, // whose shares are shown where no cell wins
  sample: [1.3, 2.6], // x, y of the one that is dragged
  tick: 0,
  playing: false,
  paper: false, // whether all is drawn for paper
  answers: [], // on the path of one number: "right" or "shown"
  tries: 0, // wrong answers to the question that is asked
  cell: [2, 3], // the cell that is watched
  nudged: 1e-3,
  left: null, // where the left edge of the RoI stands on screen 6; null where the RoI is
  tied: true,
  system: "fast", // whose strip stands at the top
  fault: "none", // that is planted
  steps: 0,
  code: 0,
  region: DATA.model.first, // which RoI of the photograph is looked at
};

let found = journey(state.scenario);
const afterRedraw = []; // what waits until all elements have their places
const screens = []; // { name, draw(state, found) → wanted children }

/** A screen's figure: `draw` is called whenever anything changes. */
function figure(name, draw) {
  screens.push({ name, draw });
}

/** Change the state and redraw. */
function change(difference) {
  const others = difference.scenario || ("roi" in difference && difference.roi !== state.roi);
  if (others && !("answers" in difference)) Object.assign(state, { answers: [], tries: 0 }); // they were of other numbers
  Object.assign(state, difference);
  if (("roi" in difference || "scenario" in difference) && !("left" in difference)) state.left = null; // where the RoI is
  if (difference.scenario) {
    found = journey(state.scenario);
    const [H, W] = [state.scenario.features.length, state.scenario.features[0].length];
    state.cell = [Math.min(state.cell[0], H - 1), Math.min(state.cell[1], W - 1)];
    state.roi = Math.min(state.roi, state.scenario.rois.length - 1);
    state.tick = Math.min(state.tick, ticksOf(state.scenario));
  }
  redraw();
}

function ticksOf({ rois, outputSize }) {
  return rois.length * outputSize[0] * outputSize[1];
}

/** Change a part of the scenario: its RoIs, features, labels … */
function changeScenario(difference) {
  change({ scenario: { ...state.scenario, ...difference } });
}

/** A copy of `list` with another entry at `index`. */
function replaced(list, index, entry) {
  return list.map((own, i) => (i === index ? entry : own));
}

function redraw() {
  for (const { name } of screens) drawScreen(name);
  for (const then of afterRedraw) then();
}

function drawScreen(name) {
  const { draw } = screens.find((each) => each.name === name);
  for (const root of document.querySelectorAll(`[data-figure="${name}"]`)) {
    if (!dragging || isInSight(root)) patch(root, h("div", {}, draw(state, found)).children);
  }
}

let dragging = false; // while a pointer moves a box, what is out of sight waits until it is let go

/** Whether a reader may see any of an element. */
function isInSight(element) {
  const { top, bottom } = element.getBoundingClientRect();
  return bottom > -innerHeight / 4 && top < 1.25 * innerHeight;
}

/** A pointer takes hold of something, or lets go of it. */
function drag(begins) {
  dragging = begins;
  if (!begins) redraw();
}

/** Words in the page's language; {name} is filled in. */
function words(key, values = {}) {
  const text = DATA.words[key][state.language];
  return text.replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

function className(label) {
  return CLASSES[label][state.language];
}

function roiName(r) {
  return ROI_NAMES[r];
}

/** Buttons of which one is pressed. */
function choice(label, options, chosen, onchoose) {
  return h(
    "div",
    { class: "choice", role: "radiogroup", "aria-label": label, "data-rove": "choose" },
    h("span", { class: "soft", "aria-hidden": "true" }, label),
    options.map(({ value, text, style }) =>
      h(
        "button",
        {
          type: "button",
          class: style ?? "",
          role: "radio",
          "aria-checked": String(value === chosen),
          ...item(value === chosen),
          onclick: () => onchoose(value),
        },
        text,
      ),
    ),
  );
}

/** RoI A, B or C. */
function roiChoice() {
  const options = state.scenario.rois.map((_, r) => ({ value: r, text: roiName(r), style: `roi${r % 3}` }));
  return choice(words("roi"), options, state.roi, (roi) => change({ roi }));
}

/** Class loss, box loss or both. */
function sentChoice() {
  const options = SENT.map((sent) => ({ value: sent, text: words(`sent.${sent}`) }));
  return choice(words("sent"), options, state.sent, (sent) => change({ sent }));
}

/** Back to the built-in example. Always there, so that nothing jumps when a drag begins. */
function startAgain() {
  const disabled = JSON.stringify(state.scenario) === JSON.stringify(DATA.scenario);
  const attributes = { type: "button", class: "again", disabled, "aria-label": words("again") };
  const again = () => change({ scenario: structuredClone(DATA.scenario) });
  return h("button", { ...attributes, onclick: again }, "↺ ", h("span", {}, words("again")));
}
