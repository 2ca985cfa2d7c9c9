"use strict";
// Screen 7: a cell nudged up and down, the whole forward run both times; and a tie, where no slope exists.

figure("nudge", ({ scenario, sent, cell, nudged }, found) => {
  const { features } = scenario;
  const [H, W] = [features.length, features[0].length];
  const [row, column] = cell;
  const name = `${sent} ${row} ${column} ${nudged}`;
  const [up, down, numeric] = slopeAt(scenario, found, sent, cell, nudged);
  const analytic = found.back[sent].dfeatures[row][column];
  const map = gridOf(H, W, {
    label: words("nudge.map"),
    cell: (i, j) => ({
      style: `pick ${found.back[sent].dfeatures[i][j] === 0 ? "" : "winner"}`,
      attributes: {
        tabindex: i === row && j === column ? 0 : -1,
        role: "button",
        "data-cell": `${i} ${j}`,
        "aria-label": `${words("cell")} (${i}, ${j}), ${features[i][j]}`,
        onclick: () => change({ cell: [i, j] }),
        onkeydown: walkCells,
      },
      text: (place) => svgNumber(`features ${i} ${j}`, features[i][j], place, 1),
    }),
    above: [cellsRect({ h1: row, h2: row + 1, w1: column, w2: column + 1 }, "watched")],
    edge: 0.6 * CELL,
    baseline: 5,
  });
  return [
    h(
      "div",
      { class: "row" },
      sentChoice(),
      poolingChoice(),
      choice(
        "ε",
        [0.1, 0.01, 0.001, 0.0001].map((value) => ({ value, text: value })),
        nudged,
        (value) => change({ nudged: value }),
      ),
    ),
    h(
      "div",
      { class: "columns" },
      h("figure", {}, map, h("figcaption", {}, words("nudge.caption"))),
      h(
        "div",
        {},
        table(
          "sum ledger",
          words("nudge.title", { cell: `(${row}, ${column})` }),
          null,
          tableRow("", "L(+ε)", num(`nudge.up ${name}`, up, 9)),
          tableRow("", "L(−ε)", num(`nudge.down ${name}`, down, 9)),
          tableRow("", words("nudge.numeric"), num(`nudge.numeric ${name}`, numeric, 6)),
          tableRow("", words("nudge.analytic"), num(`${sent}.dfeatures ${row} ${column}`, analytic, 6)),
          tableRow("total", words("nudge.difference"), power(`nudge.difference ${name}`, numeric - analytic)),
        ),
        h("p", {}, words(changesWinner(scenario, cell, nudged) ? "nudge.kink" : "nudge.smooth")),
        valueField(features, cell),
      ),
    ),
  ];
});

/** Another value for the chosen cell: who wins then? */
function valueField(features, [row, column]) {
  const set = (event) => {
    const value = Number(event.target.value);
    if (event.target.value === "" || !Number.isFinite(value)) return;
    changeScenario({ features: replaced(features, row, replaced(features[row], column, value)) });
  };
  return h(
    "label",
    { class: "choice" },
    h("span", {}, words("nudge.value", { cell: `(${row}, ${column})` })),
    h("input", { type: "number", step: 0.1, value: features[row][column], "data-field": "value", onchange: set }),
  );
}

/** The features with one cell changed by `by`. */
function nudgedFeatures(features, [row, column], by) {
  return replaced(features, row, replaced(features[row], column, features[row][column] + by));
}

function slopeAt(scenario, found, sent, cell, e) {
  const [up, down] = [e, -e].map((by) =>
    lossOf(sent, losses({ ...scenario, features: nudgedFeatures(scenario.features, cell, by) }, found.targets)),
  );
  return [up, down, (up - down) / (2 * e)];
}

/** Whether another cell wins a bin, or a gate changes, somewhere between −ε and +ε: there the slope is no slope. */
function changesWinner(scenario, cell, e) {
  const look = (by) => {
    const at = journey({ ...scenario, features: nudgedFeatures(scenario.features, cell, by) });
    const winners = at.pooled.map(({ bins }) => bins.map(({ winner }) => winner));
    return JSON.stringify([
      winners,
      [at.z6, at.z7].map((z) => z.map((row) => row.map((value) => value > 0))),
      at.d.map((four) => four.map((d) => Math.abs(d) < 1)),
    ]);
  };
  return look(e) !== look(0) || look(-e) !== look(0);
}

/** Arrow keys walk over the cells. */
function walkCells(event) {
  const ways = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
  if (!ways[event.key]) return;
  event.preventDefault();
  const { features } = state.scenario;
  const row = clamp(state.cell[0] + ways[event.key][0], 0, features.length - 1);
  const column = clamp(state.cell[1] + ways[event.key][1], 0, features[0].length - 1);
  const svg = event.currentTarget.ownerSVGElement;
  change({ cell: [row, column] });
  svg.querySelector(`[data-cell="${row} ${column}"]`).focus();
}

/** One bin of two by two cells, two of them equal: what nudging says, and what the rule says. */
figure("tie", ({ tied }) => {
  const cells = [
    [9, tied ? 9 : 8],
    [1, 2],
  ];
  const whole = [[0, 0, 1, 1]];
  const output = (features) => roiPoolForward(features, whole, [1, 1], 1)[0].bins[0].value;
  const pooled = roiPoolForward(cells, whole, [1, 1], 1);
  const rule = poolBackward([[1]], pooled, 2, 2);
  const e = 0.001;
  const rows = [
    [0, 0],
    [0, 1],
  ].map(([row, column]) => {
    const [up, down] = [e, -e].map((by) => output(nudgedFeatures(cells, [row, column], by)));
    const of = (part) => `tie.${part} ${tied ? 1 : 0} ${column}`;
    return tableRow(
      "",
      `(${row}, ${column})`,
      num(of("value"), cells[row][column], 0),
      num(of("up"), up, 3),
      num(of("down"), down, 3),
      num(of("numeric"), (up - down) / (2 * e), 2),
      strong(num(of("rule"), rule[row][column], 0)),
    );
  });
  return [
    h(
      "div",
      { class: "row" },
      choice(
        words("tie.cells"),
        [
          { value: true, text: "9, 9, 1, 2" },
          { value: false, text: "9, 8, 1, 2" },
        ],
        tied,
        (value) => change({ tied: value }),
      ),
    ),
    table(
      "sum",
      null,
      [words("cell"), words("value"), `max(+${e})`, `max(−${e})`, words("nudge.numeric"), words("tie.rule")],
      rows,
    ),
  ];
});
