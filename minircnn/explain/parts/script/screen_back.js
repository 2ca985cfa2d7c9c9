"use strict";
// Screen 3: both losses' gradients into the outputs, together in fc7, past two rows of gates, to RoI pooling's door.

figure("back", ({ scenario, roi, sent, sum }, found) => {
  const R = scenario.rois.length;
  return [
    h("div", { class: "row" }, roiChoice(), sentChoice()),
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
        { "data-rove": "choose" },
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
  const caption = h("span", { class: "class-loss" }, words("back.class", { count: R }));
  return table(
    `sum ${sent === "box" ? "waiting" : ""}`,
    caption,
    [words("class"), "p", "p − onehot", `/ ${R}`],
    found.probability[r].map((p, k) =>
      tableRow(
        k === label ? "true-class" : "",
        [h("span", { class: "soft" }, `${k} `), className(k)],
        num(`probability ${r} ${k}`, p),
        plus(`p-onehot ${r} ${k}`, p - (k === label ? 1 : 0)),
        strong(plus(`dcls_score ${r} ${k}`, found.dclsScore[r][k])),
      ),
    ),
  );
}

function boxGradient(found, r, label, R, sent) {
  const caption = h("span", { class: "box-loss" }, words(label === 0 ? "back.box.none" : "back.box", { count: R }));
  return table(
    `sum ${sent === "class" || label === 0 ? "waiting" : ""}`,
    caption,
    [words("column"), "d", "clip(d, −1, 1)", `/ ${R}`],
    OFFSETS.map((name, i) => {
      const column = 4 * label + i;
      const d = found.d[r][i];
      return tableRow(
        "",
        [h("span", { class: "soft" }, `${column} `), name],
        num(`d ${r} ${i}`, d),
        plus(`clip ${r} ${i}`, smoothL1Slope(d)),
        strong(plus(`dbbox_pred ${r} ${column}`, found.dbboxPred[r][column])),
      );
    }),
  );
}

/** fc7: what the class sends, what the box sends, their sum, the gate, and what is left. */
function meeting(found, r, sent, sum) {
  const heads = ["back.fromclass", "back.frombox", "back.together", "back.gate", "back.passes"].map((key) =>
    words(key),
  );
  const from = (which, style, i) => {
    const other = sent !== "both" && sent !== which;
    return h("td", { class: other ? "waiting" : style }, plus(`${which}.dh7 ${r} ${i}`, found.back[which].dh7[r][i]));
  };
  return table(
    "sum gates",
    null,
    ["", ...heads],
    found.z7[r].map((z, i) =>
      tableRow(
        z > 0 ? "open" : "shut",
        i,
        from("class", "class-loss", i),
        from("box", "box-loss", i),
        sumButton("dh7", i, `${sent}.dh7 ${r} ${i}`, found.back[sent].dh7[r][i], sum),
        gate(`z7 ${r} ${i}`, z),
        strong(num(`${sent}.dz7 ${r} ${i}`, found.back[sent].dz7[r][i])),
      ),
    ),
  );
}

function gates(found, r, sent, number, sum) {
  const { [`dh${number}`]: dh, [`dz${number}`]: dz } = found.back[sent];
  return table(
    "sum gates",
    null,
    ["", words("back.arrives"), words("back.gate"), words("back.passes")],
    found[`z${number}`][r].map((z, i) =>
      tableRow(
        z > 0 ? "open" : "shut",
        i,
        sumButton(`dh${number}`, i, `${sent}.dh${number} ${r} ${i}`, dh[r][i], sum),
        gate(`z${number} ${r} ${i}`, z),
        strong(num(`${sent}.dz${number} ${r} ${i}`, dz[r][i])),
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
