"use strict";
// Below screen 9: the norm of the gradient at every layer.

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
