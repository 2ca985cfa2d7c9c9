"use strict";
// Screen 9: one step of a trained model on a photograph, and one of its RoIs looked at closely.

figure("model", ({ sent, region }) => {
  const { model } = DATA;
  const foreground = model.labels.filter((label) => label > 0).length;
  const stops = model.lowest ? words("model.stops", { layer: model.lowest }) : words("model.everything");
  const chosen = model.regions[region];
  return [
    h("p", {}, words(model.bundled ? "model.bundled" : "model.own"), " ", words(`model.${model.truthFrom}`)),
    h("div", { class: "row" }, sentChoice(), regionChoice(model, region)),
    h(
      "p",
      {},
      words("model.counts", { rois: model.rois.length, foreground }),
      " ",
      words("sgd.losses"),
      " ",
      num("model.loss 0", model.losses[0]),
      " + ",
      num("model.loss 1", model.losses[1]),
      ". ",
      model.normalised ? null : words("model.real"),
    ),
    h(
      "div",
      { class: "columns" },
      h("figure", {}, photoWithBoxes(model, chosen), h("figcaption", {}, words("model.photo"))),
      h("div", {}, regionInWords(model, chosen), fourNumbers(model, chosen)),
    ),
    h("h3", {}, words("model.one", { roi: chosen.index })),
    h("div", { class: "photos" }, winnersFigure(model, chosen), ownHeat(model, chosen, sent)),
    h("h3", {}, words("model.all", { rois: model.rois.length })),
    h(
      "div",
      { class: "photos" },
      h(
        "figure",
        {},
        photoOf(model, true, words("map.gradient"), heatOver(model, model.heat[sent].features), truthOn(model)),
        colourScale(`model.most ${sent} features`, model.heat[sent].features.most),
        h(
          "figcaption",
          {},
          words("model.features", { size: model.cells.join("×"), sent: words(`sent.${sent}`) }),
          " ",
          words("model.reached", reached(model)),
        ),
      ),
      h(
        "figure",
        {},
        photoOf(model, true, words("stage.image"), heatOver(model, model.heat[sent].image, false), truthOn(model)),
        colourScale(`model.most ${sent} image`, model.heat[sent].image.most),
        h("figcaption", {}, words("model.image", { lowest: stops })),
      ),
    ),
    h("h3", {}, words("model.norms")),
    norms(model),
    everyRegion(model),
  ];
});

/** How many cells each loss reaches, for the words. */
function reached({ cells, reached: [cls, box, alone] }) {
  return { all: cells[0] * cells[1], cls, box, alone };
}

/** The line width that is one pixel where the photo is 320 wide. */
function thin({ size }) {
  return Math.max(...size) / 320;
}

/** The true boxes. */
function truthOn(model) {
  return model.truth.map((box) => boxOn(box, "true-box", 1.6 * thin(model)));
}

/** The photo with the true boxes, all RoIs, and the chosen one with the box that it becomes. */
function photoWithBoxes(model, { index, four }) {
  const { rois, labels, probability } = model;
  const line = thin(model);
  const drawn = rois.map((box, r) => {
    const rect = boxOn(box, labels[r] > 0 ? "fg" : "bg", (labels[r] > 0 ? 1.2 : 0.5) * line);
    const name = `${r}: ${nameIn(model, labels[r])}, p = ${written(probability[r], 3)}`;
    return { ...rect, children: [h("title", {}, name)] };
  });
  return photoOf(
    model,
    false,
    words("model.photo"),
    h("g", {}, drawn),
    truthOn(model),
    boxOn(rois[index], "picked", 2.6 * line),
    four ? boxOn(four.box, "becomes", 2.6 * line) : null,
  );
}

/** The class's name as the model has it. */
function nameIn({ classNames }, label) {
  return label ? classNames[label] : words("background");
}
