"use strict";
// Screen 1: one row of fc7, and the two output layers that read it.

const OFFSETS = ["tx", "ty", "tw", "th"];

figure("heads", ({ scenario, roi, output, reluOnBoxes }, found) => {
  const label = scenario.labels[roi];
  return [
    h(
      "div",
      { class: "row" },
      roiChoice(),
      classChoice(scenario, roi),
      choice(
        words("heads.relu"),
        [
          { value: false, text: words("no") },
          { value: true, text: words("yes") },
        ],
        reluOnBoxes,
        (value) => change({ reluOnBoxes: value }),
      ),
    ),
    h(
      "div",
      { class: "columns" },
      h("div", {}, outputTable(found, roi, label, output, reluOnBoxes)),
      h(
        "div",
        {},
        rowOfFc7(found.h7[roi], roi),
        dotProduct(scenario, found, roi, output),
        reluOnBoxes ? silenced(found, roi, label) : reads(label),
      ),
    ),
  ];
});

/** The true class of a RoI; 0 is background. */
function classChoice(scenario, roi) {
  const options = CLASSES.map((_, k) => h("option", { value: k }, `${k} ${className(k)}`));
  return h(
    "label",
    { class: "choice" },
    h("span", { class: "soft" }, words("heads.label", { name: roiName(roi) })),
    h(
      "select",
      {
        "data-field": "label",
        value: scenario.labels[roi],
        onchange: (event) => changeScenario({ labels: replaced(scenario.labels, roi, Number(event.target.value)) }),
      },
      options,
    ),
  );
}

/** A row per class: its score, and its four offsets. */
function outputTable(found, r, label, output, reluOnBoxes) {
  const heads = [words("class"), "cls_score", ...OFFSETS];
  return h(
    "div",
    { class: "scroll" },
    h(
      "table",
      { class: "outputs", onkeydown: walkOutputs },
      h(
        "thead",
        {},
        h("tr", {}, h("td", { colspan: 2 }), h("th", { colspan: 4, scope: "colgroup" }, "bbox_pred")),
        h("tr", {}, heads.map(columnHead)),
      ),
      h(
        "tbody",
        {},
        CLASSES.map((_, k) =>
          h(
            "tr",
            { class: k === label ? "true-class" : "" },
            h("th", { scope: "row" }, h("span", { class: "soft" }, `${k} `), className(k)),
            outputCell(
              { kind: "class", column: k },
              `cls_score ${r} ${k}`,
              found.clsScore[r][k],
              k === label,
              output,
            ),
            OFFSETS.map((_, i) => {
              const column = 4 * k + i;
              const value = found.bboxPred[r][column];
              const read = k === label && label > 0;
              const name = reluOnBoxes ? `relu.bbox_pred ${r} ${column}` : `bbox_pred ${r} ${column}`;
              return outputCell(
                { kind: "box", column },
                name,
                reluOnBoxes ? Math.max(value, 0) : value,
                read,
                output,
              );
            }),
          ),
        ),
      ),
    ),
  );
}

/** One output: hover, focus or press it to see its sum. */
function outputCell(own, of, value, read, output) {
  const chosen = own.kind === output.kind && own.column === output.column;
  const choose = () => change({ output: own });
  return h(
    "td",
    { class: `${read ? "read" : ""}${chosen ? " chosen" : ""}` },
    h(
      "button",
      {
        type: "button",
        tabindex: chosen ? 0 : -1,
        "data-output": `${own.kind} ${own.column}`,
        "aria-label": `${own.kind === "class" ? "cls_score" : "bbox_pred"}[${own.column}] = ${written(value, 2)}`,
        onmouseenter: choose,
        onfocus: choose,
        onclick: choose,
      },
      num(of, value, 2),
    ),
  );
}

/** Arrow keys walk over the outputs. */
function walkOutputs(event) {
  const { kind, column } = state.output;
  let [k, i] = kind === "class" ? [column, -1] : [Math.floor(column / 4), column % 4];
  const ways = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
  if (!ways[event.key]) return;
  event.preventDefault();
  k = clamp(k + ways[event.key][0], 0, CLASSES.length - 1);
  i = clamp(i + ways[event.key][1], -1, 3);
  const name = i < 0 ? `class ${k}` : `box ${4 * k + i}`;
  event.currentTarget.querySelector(`[data-output="${name}"]`).focus();
}

function rowOfFc7(h7, r) {
  const cells = h7.map((value, i) => h("td", {}, num(`h7 ${r} ${i}`, value, 3)));
  return table("sum", words("heads.fc7", { name: roiName(r) }), null, h("tr", {}, cells));
}

/** The chosen output written out: fc7's row times its column of weights, plus its bias. */
function dotProduct(scenario, found, r, { kind, column }) {
  const layer = kind === "class" ? "cls_score" : "bbox_pred";
  const sum = (kind === "class" ? found.clsScore : found.bboxPred)[r][column];
  const { weights, biases } = scenario;
  const k = kind === "class" ? column : Math.floor(column / 4);
  const what = kind === "class" ? words("heads.score") : OFFSETS[column % 4];
  return table(
    "sum written",
    [h("code", {}, `${layer}[${column}]`), `: ${what}, ${className(k)}`],
    ["", "fc7", `${layer}.weight[:, ${column}]`, words("product")],
    found.h7[r].map((value, i) => {
      const weight = weights[layer][i][column];
      return tableRow(
        "",
        i,
        num(`h7 ${r} ${i}`, value, 3),
        ["× ", num(`weight ${layer} ${i} ${column}`, weight, 1)],
        plus(`product ${layer} ${r} ${i} ${column}`, value * weight, 3),
      );
    }),
    tableRow("", words("bias"), "", "", plus(`bias ${layer} ${column}`, biases[layer][column], 3)),
    tableRow("total", words("sum"), "", "", num(`${layer} ${r} ${column}`, sum, 3)),
  );
}
