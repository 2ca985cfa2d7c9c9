"use strict";
// Screen 3: both losses' gradients into the outputs, together in fc7, past two rows of gates, to RoI pooling's door.

figure("back", ({ scenario, roi, sent, sum }, found) => {
  const R = scenario.rois.length;
  return [
    h("div", { class: "row" }, roiChoice(), sentChoice(), startAgain()),
    h(
      "div",
      { class: "columns heads-back" },
      h(
        "div",
        {},
        classGradient(found, roi, scenario.labels[roi], R, sent),
        boxGradient(found, roi, scenario.labels[roi], R, sent),
      ),
      h(
        "div",
        {},
        h("h3", {}, words("back.fc7")),
        meeting(found, roi, sent, sum),
        h("h3", {}, words("back.fc6")),
        gates(found, roi, sent, "6", sum),
        h("h3", {}, words("back.pooled")),
        dpooledRow(found, roi, sent, sum, scenario.outputSize[1]),
        writtenOut(scenario, found, roi, sent, sum),
      ),
    ),
  ];
});

function classGradient(found, r, label, R, sent) {
  const off = sent === "box" ? "waiting" : "";
  return h(
    "table",
    { class: `sum ${off}` },
    h("caption", { class: "class-loss" }, words("back.class", { count: R })),
    h("thead", {}, h("tr", {}, [words("class"), "p", "p − onehot", `/ ${R}`].map(header))),
    h(
      "tbody",
      {},
      found.probability[r].map((p, k) =>
        h(
          "tr",
          { class: k === label ? "true-class" : "" },
          h("th", { scope: "row" }, h("span", { class: "soft" }, `${k} `), className(k)),
          h("td", {}, num(`probability ${r} ${k}`, p)),
          h("td", {}, plus(`p-onehot ${r} ${k}`, p - (k === label ? 1 : 0))),
          h("td", {}, h("b", {}, plus(`dcls_score ${r} ${k}`, found.dclsScore[r][k]))),
        ),
      ),
    ),
  );
}

function boxGradient(found, r, label, R, sent) {
  const off = sent === "class" || label === 0 ? "waiting" : "";
  return h(
    "table",
    { class: `sum ${off}` },
    h("caption", { class: "box-loss" }, words(label === 0 ? "back.box.none" : "back.box", { count: R })),
    h("thead", {}, h("tr", {}, [words("column"), "d", "clip(d, −1, 1)", `/ ${R}`].map(header))),
    h(
      "tbody",
      {},
      OFFSETS.map((name, i) => {
        const column = 4 * label + i;
        const d = found.d[r][i];
        return h(
          "tr",
          {},
          h("th", { scope: "row" }, h("span", { class: "soft" }, `${column} `), name),
          h("td", {}, num(`d ${r} ${i}`, d)),
          h("td", {}, plus(`clip ${r} ${i}`, smoothL1Slope(d))),
          h("td", {}, h("b", {}, plus(`dbbox_pred ${r} ${column}`, found.dbboxPred[r][column]))),
        );
      }),
    ),
  );
}

/** fc7: what the class sends, what the box sends, their sum, the gate, and what is left. */
function meeting(found, r, sent, sum) {
  return h(
    "table",
    { class: "sum gates" },
    h(
      "thead",
      {},
      h(
        "tr",
        {},
        [
          "",
          words("back.fromclass"),
          words("back.frombox"),
          words("back.together"),
          words("back.gate"),
          words("back.passes"),
        ].map(header),
      ),
    ),
    h(
      "tbody",
      {},
      found.z7[r].map((z, i) =>
        h(
          "tr",
          { class: z > 0 ? "open" : "shut" },
          rowHead(i),
          h(
            "td",
            { class: sent === "box" ? "waiting" : "class-loss" },
            plus(`class.dh7 ${r} ${i}`, found.back.class.dh7[r][i]),
          ),
          h(
            "td",
            { class: sent === "class" ? "waiting" : "box-loss" },
            plus(`box.dh7 ${r} ${i}`, found.back.box.dh7[r][i]),
          ),
          h("td", {}, sumButton("dh7", i, `${sent}.dh7 ${r} ${i}`, found.back[sent].dh7[r][i], sum)),
          h("td", {}, gate(`z7 ${r} ${i}`, z)),
          h("td", {}, h("b", {}, num(`${sent}.dz7 ${r} ${i}`, found.back[sent].dz7[r][i]))),
        ),
      ),
    ),
  );
}

function gates(found, r, sent, number, sum) {
  const { [`dh${number}`]: dh, [`dz${number}`]: dz } = found.back[sent];
  return h(
    "table",
    { class: "sum gates" },
    h("thead", {}, h("tr", {}, ["", words("back.arrives"), words("back.gate"), words("back.passes")].map(header))),
    h(
      "tbody",
      {},
      found[`z${number}`][r].map((z, i) =>
        h(
          "tr",
          { class: z > 0 ? "open" : "shut" },
          rowHead(i),
          h("td", {}, sumButton(`dh${number}`, i, `${sent}.dh${number} ${r} ${i}`, dh[r][i], sum)),
          h("td", {}, gate(`z${number} ${r} ${i}`, z)),
          h("td", {}, h("b", {}, num(`${sent}.dz${number} ${r} ${i}`, dz[r][i]))),
        ),
      ),
    ),
  );
}

/** A gate, with the forward's value that opened or closed it. */
function gate(of, z) {
  const open = z > 0;
  return h(
    "span",
    { class: `gate ${open ? "open" : "shut"}` },
    h(
      "svg",
      { viewBox: "0 0 26 16", class: "glyph", "aria-hidden": "true" },
      h("line", { x1: 2, x2: 2, y1: 2, y2: 14 }),
      h("line", { x1: 24, x2: 24, y1: 2, y2: 14 }),
      h("line", open ? { x1: 2, y1: 3, x2: 15, y2: 1 } : { x1: 2, y1: 8, x2: 24, y2: 8 }),
    ),
    words(open ? "open" : "shut"),
    h("span", { class: "soft" }, " z = ", num(of, z, 2)),
  );
}

function dpooledRow(found, r, sent, sum, PW) {
  return h(
    "div",
    { class: `bins dpooled roi${r % 3}`, style: `--columns: ${PW}` },
    found.back[sent].dpooled[r].map((value, i) => sumButton("dpooled", i, `${sent}.dpooled ${r} ${i}`, value, sum)),
  );
}
