"use strict";
// One RoI of screen 9: in words, its four numbers, the winners of its bins, its own gradient; and all of them as a list.

function regionChoice(model, chosen) {
  const options = model.regions.map(({ index }, i) =>
    h(
      "option",
      { value: i },
      `${index}: ${nameIn(model, model.labels[index])}, IoU ${written(model.overlap[index], 2)}`,
    ),
  );
  const choose = (event) => change({ region: Number(event.target.value) });
  return h(
    "label",
    { class: "choice" },
    h("span", { class: "soft" }, words("roi")),
    h("select", { "data-field": "region", value: chosen, onchange: choose }, options),
  );
}

/** What the chosen RoI is, and what the model says that it is. */
function regionInWords(model, { index, best, bestProbability }) {
  const label = model.labels[index];
  const own = nameIn(model, label);
  return h(
    "p",
    {},
    h("b", {}, `${words("roi")} ${index}: ${own}. `),
    words(label ? "model.is" : "model.isbackground", { class: own }),
    " IoU ",
    num(`model.overlap ${index}`, model.overlap[index], 3),
    ". ",
    words("model.says", { class: nameIn(model, best) }),
    " p = ",
    num(`model.best ${index}`, bestProbability, 3),
    best === label ? null : [", ", words("model.right", { class: own }), " p = ", probabilityOf(model, index)],
    ".",
  );
}

function probabilityOf({ probability }, r) {
  return num(`model.probability ${r}`, probability[r], 3);
}

/** The four numbers that move the RoI, what they should have been, and what comes back to them. */
function fourNumbers(model, { index, four }) {
  if (!four) return h("p", { class: "note" }, words("model.nofour"));
  const of = (part, i) => `model.${part} ${index} ${i}`;
  const rows = OFFSETS.map((name, i) =>
    tableRow(
      "",
      name,
      num(of("t", i), four.t[i], 3),
      num(of("target", i), four.target[i], 3),
      num(of("d", i), four.t[i] - four.target[i], 3),
      strong(num(of("gradient", i), four.gradient[i], 5)),
    ),
  );
  const heads = ["", "t", "t*", "d = t − t*", `∂L/∂t = clip(d) / ${model.rois.length}`];
  return [
    h("div", { class: "scroll" }, table("sum", words("model.four", { roi: index }), heads, rows)),
    h(
      "p",
      {},
      words("model.moves"),
      " ",
      num(`model.before ${index}`, four.before, 3),
      " → ",
      h("b", {}, num(`model.after ${index}`, four.after, 3)),
      ".",
    ),
  ];
}

/** Bins and winners in the channel that hears most, the number of bins that a cell has won in it. */
function winnersFigure(model, { index, won }) {
  if (!won) return h("figure", {}, h("p", { class: "note" }, words("model.nowinners")));
  const [H, W] = model.cells;
  const [width, height] = [model.size[0] / W, model.size[1] / H];
  const line = thin(model);
  const cell = ([h1, h2], [w1, w2], style, stroke) =>
    boxOn([w1 * width, h1 * height, w2 * width, h2 * height], style, stroke);
  const bins = won.rows.flatMap((rows) => won.columns.map((columns) => cell(rows, columns, "real-bin", 0.8 * line)));
  const counts = new Map();
  for (const winner of won.winners) if (winner >= 0) counts.set(winner, (counts.get(winner) ?? 0) + 1);
  const winners = [...counts].map(([winner, count]) => {
    const [row, column] = [Math.floor(winner / W), winner % W];
    return h(
      "g",
      { class: "real-winner" },
      cell([row, row + 1], [column, column + 1], "", 0.6 * line),
      h(
        "text",
        { x: (column + 0.5) * width, y: (row + 0.5) * height + 2.6 * line, "font-size": 7.5 * line },
        count > 1 ? count : null,
      ),
    );
  });
  const most = [...counts].reduce((a, b) => (b[1] > a[1] ? b : a), [-1, 0]);
  return h(
    "figure",
    {},
    photoOf(model, true, words("winner"), bins, winners, boxOn(model.rois[index], "picked", 2 * line)),
    h(
      "figcaption",
      {},
      words("model.winners", {
        bins: won.winners.length,
        channel: won.channel,
        channels: won.channels,
        cells: counts.size,
      }),
      " ",
      mostWins(won, most, W, index),
    ),
  );
}

/** The cell that won most bins, and the sum that comes to it. */
function mostWins({ winners, gradients }, [winner, count], W, index) {
  if (count === 0) return null;
  const own = gradients.filter((_, i) => winners[i] === winner);
  const sum = own.reduce((total, value) => total + value, 0);
  return [
    words("model.mostwins", { cell: `(${Math.floor(winner / W)}, ${winner % W})`, count }),
    " ",
    power(`model.won ${index} ${winner}`, sum),
    ".",
  ];
}

/** What this RoI alone sends to the feature map. */
function ownHeat(model, { index, heat }, sent) {
  const { most } = heat[sent];
  return h(
    "figure",
    {},
    photoOf(
      model,
      true,
      words("map.gradient"),
      heatOver(model, heat[sent]),
      boxOn(model.rois[index], "picked", 2 * thin(model)),
    ),
    colourScale(`model.most ${sent} ${index}`, most),
    h(
      "figcaption",
      {},
      words(most > 0 ? "model.ownheat" : "model.ownnothing", { roi: index, sent: words(`sent.${sent}`) }),
    ),
  );
}

/** All RoIs in words. */
function everyRegion(model) {
  const heads = [words("roi"), words("class"), "p", "IoU"];
  const rows = model.labels.map((label, r) =>
    tableRow(
      label ? "" : "soft",
      r,
      nameIn(model, label),
      probabilityOf(model, r),
      num(`model.overlap ${r}`, model.overlap[r], 3),
    ),
  );
  return h(
    "details",
    { class: "every" },
    h("summary", {}, words("model.every", { rois: model.rois.length })),
    h(
      "div",
      { class: "quarters" },
      [0, 1, 2, 3].map((quarter) => {
        const own = rows.slice(Math.ceil((quarter * rows.length) / 4), Math.ceil(((quarter + 1) * rows.length) / 4));
        return own.length ? table("sum", null, heads, own) : null;
      }),
    ),
  );
}
