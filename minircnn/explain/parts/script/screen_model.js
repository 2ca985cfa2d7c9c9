"use strict";
// Screen 9: one step of a trained model on a photograph, where the page was made with one.

figure("model", ({ sent }) => {
  const { model } = DATA;
  if (!model)
    return [h("p", {}, words("model.none")), h("pre", {}, "minircnn explain --model runs/demo --image photo.jpg")];
  const foreground = model.labels.filter((label) => label > 0).length;
  const stops = model.lowest ? words("model.stops", { layer: model.lowest }) : words("model.everything");
  return [
    h("div", { class: "row" }, sentChoice()),
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
      { class: "photos" },
      h(
        "figure",
        {},
        photo(model, null),
        h("figcaption", {}, words("model.photo", { truth: words(`model.${model.truthFrom}`) })),
      ),
      h(
        "figure",
        {},
        photo(model, model.heat[sent].features, true),
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
        photo(model, model.heat[sent].image),
        h("figcaption", {}, words("model.image", { lowest: stops })),
      ),
    ),
    h("h3", {}, words("model.norms")),
    norms(model),
  ];
});

/** How many cells each loss reaches, for the words. */
function reached({ cells, reached: [cls, box, alone] }) {
  return { all: cells[0] * cells[1], cls, box, alone };
}

/** The photo, with its RoIs, or with a heat map over it. */
function photo({ photo: href, size: [W, H], rois, labels, probability, classNames }, heat, cells = false) {
  const line = Math.max(W, H) / 320;
  const boxes = rois.map(([x1, y1, x2, y2], r) =>
    h(
      "rect",
      {
        class: labels[r] > 0 ? "fg" : "bg",
        x: x1,
        y: y1,
        width: x2 - x1,
        height: y2 - y1,
        "stroke-width": labels[r] > 0 ? 2 * line : line / 2,
      },
      h(
        "title",
        exactly(`model.probability ${r}`, probability[r]),
        `${labels[r] ? classNames[labels[r]] : words("background")}, p = ${written(probability[r], 3)}`,
      ),
    ),
  );
  return h(
    "svg",
    { class: "photo", viewBox: `0 0 ${W} ${H}`, role: "img", "aria-label": words("stage.image") },
    h("image", { href, width: W, height: H, class: heat ? "under" : "" }),
    heat
      ? h("image", { href: heat, width: W, height: H, preserveAspectRatio: "none", class: cells ? "cells" : "" })
      : h("g", {}, boxes),
  );
}

/** From the outputs down: the norm of what arrives, for each loss, as bars on one logarithmic scale. */
function norms({ rows, lowest }) {
  const arrived = rows.filter(({ gradients }) => gradients.length === SENT.length);
  const all = arrived
    .flatMap(({ gradients }) => gradients)
    .filter((norm) => norm > 0)
    .map(Math.log10);
  const [low, high] = [Math.floor(Math.min(...all, 0)), Math.max(...all)];
  const names = rows.map(({ name }) => name);
  const heads = [
    words("model.layer"),
    words("model.shape"),
    ...SENT.map((sent) => words(`sent.${sent}`)),
    words("model.weights"),
  ];
  const lines = [...arrived].reverse().map(({ name, shape, gradients, weights, learns }) => {
    const frozen =
      !learns || (lowest && names.findIndex((each) => each.split("+")[0] === lowest) > names.indexOf(name));
    const note = weights[0] !== null && frozen ? h("span", { class: "soft" }, ` (${words("model.frozen")})`) : null;
    const bar = (norm, i) => {
      const share = norm > 0 ? (100 * (Math.log10(norm) - low)) / (high - low) : 0;
      const attributes = { class: `bar ${SENT[i]}`, style: `--share: ${share}%` };
      return h("td", attributes, power(`model.norm ${name} ${i}`, norm));
    };
    return tableRow(
      "",
      [name, note],
      h("td", { class: "soft" }, shape.join("×")),
      ...gradients.map(bar),
      h("td", { class: "soft" }, weights[2] === null ? "" : power(`model.weight ${name}`, weights[2])),
    );
  });
  return h("div", { class: "scroll" }, table("sum norms", null, heads, lines));
}
