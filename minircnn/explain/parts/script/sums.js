"use strict";
// A gradient of screen 3 written out as the sum that it is.

/** A number that can be pressed to see its sum. */
function sumButton(layer, i, of, value, sum) {
  const chosen = sum.layer === layer && sum.i === i;
  return h(
    "button",
    {
      type: "button",
      class: "sum-button",
      "aria-pressed": String(chosen),
      ...item(chosen),
      "data-sum": `${layer} ${i}`,
      onclick: () => change({ sum: { layer, i } }),
    },
    num(of, value),
  );
}

/** The chosen number as the sum that it is: each gradient above, times the weight that it came through. */
function writtenOut({ weights, labels }, found, r, sent, { layer, i }) {
  const back = found.back[sent];
  const index = Math.min(i, back[layer][r].length - 1);
  let terms;
  if (layer === "dh7") {
    const fromClass = found.dclsScore[r].map((d, k) => ({
      of: `dcls_score ${r} ${k}`,
      d,
      layer: "cls_score",
      column: k,
    }));
    const fromBox = OFFSETS.map((_, j) => 4 * labels[r] + j).map((column) => ({
      of: `dbbox_pred ${r} ${column}`,
      d: found.dbboxPred[r][column],
      layer: "bbox_pred",
      column,
    }));
    terms = [...(sent === "box" ? [] : fromClass), ...(sent === "class" || labels[r] === 0 ? [] : fromBox)];
  } else {
    const [from, through] = layer === "dh6" ? ["dz7", "fc7"] : ["dz6", "fc6"];
    terms = back[from][r].map((d, column) => ({ of: `${sent}.${from} ${r} ${column}`, d, layer: through, column }));
  }
  return table(
    "sum written",
    [h("code", {}, `${layer}[${index}]`), words("back.written")],
    null,
    terms.map(({ of, d, layer: through, column }) => {
      const weight = weights[through][index][column];
      const times = [
        "× ",
        num(`weight ${through} ${index} ${column}`, weight, 1),
        " ",
        h("code", { class: "soft" }, `${through}.weight[${index}, ${column}]`),
      ];
      const product = plus(`back.product ${through} ${sent} ${r} ${index} ${column}`, d * weight);
      return h("tr", {}, h("td", {}, plus(of, d)), h("td", {}, times), h("td", {}, product));
    }),
    tableRow("total", words("sum"), "", num(`${sent}.${layer} ${r} ${index}`, back[layer][r][index])),
  );
}
