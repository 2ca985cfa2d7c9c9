"use strict";
// Below screen 5: that path, one question after another; each number is asked before it is shown.

figure("path", ({ scenario, roi, answers }, found) => {
  const path = strongestPath(scenario, found, roi);
  if (!path) return [h("p", { class: "note" }, words("path.none"))];
  const questions = questionsOf(scenario, found, path);
  const reached = Math.min(answers.length, questions.length);
  const asked = questions.slice(0, reached + 1);
  return [
    h(
      "div",
      { class: "row" },
      roiChoice(),
      h("span", { class: "soft" }, `${reached} / ${questions.length}`),
      again(reached),
    ),
    h(
      "ol",
      { class: "path" },
      asked.map((question, i) =>
        h("li", {}, h("p", {}, question.text), i < reached ? told(question, i, answers[i]) : ask(question, i)),
      ),
    ),
    reached === questions.length ? ending(scenario, found, path) : null,
  ];
});

/** Each: what is asked, with the numbers that it takes, and the answer. */
function questionsOf(
  { weights, labels },
  found,
  { r, column, u, v, b, to, closed, sent, toFc7, toFc6, toBin, toCell },
) {
  const values = {
    name: roiName(r),
    column,
    u,
    v,
    b,
    closed,
    class: className(labels[r]),
    count: labels.length,
    cell: `(${to.row}, ${to.column})`,
  };
  const weight = (layer, i, o) => num(`weight ${layer} ${i} ${o}`, weights[layer][i][o], 1);
  const gate = (key, unit) => [
    words(`path.${key}`, values),
    " z = ",
    num(`z${key[4]} ${r} ${unit}`, found[`z${key[4]}`][r][unit], 2),
    ".",
  ];
  return [
    {
      text: [
        words("path.loss", values),
        " t = ",
        num(`own ${r} 0`, found.own[r][0], 3),
        ", t* = ",
        num(`targets ${r} 0`, found.targets[r][0], 3),
        ".",
      ],
      answer: sent,
      of: `path.sent ${r}`,
    },
    {
      text: [words("path.fc7", values), ` bbox_pred.weight[${u}, ${column}] = `, weight("bbox_pred", u, column), "."],
      answer: toFc7,
      of: `path.fc7 ${r}`,
    },
    { text: gate("gate7", u), answer: toFc7, of: `path.fc7 ${r}` },
    ...(closed < 0 ? [] : [{ text: gate("gate7shut", closed), answer: 0, of: "path.nothing" }]),
    {
      text: [words("path.fc6", values), ` fc7.weight[${v}, ${u}] = `, weight("fc7", v, u), "."],
      answer: toFc6,
      of: `path.fc6 ${r}`,
    },
    { text: gate("gate6", v), answer: toFc6, of: `path.fc6 ${r}` },
    {
      text: [words("path.bin", values), ` fc6.weight[${b}, ${v}] = `, weight("fc6", b, v), "."],
      answer: toBin,
      of: `path.bin ${r}`,
    },
    {
      text: [
        words("path.cell", values),
        " ",
        num(`share ${r} ${b} ${to.row} ${to.column}`, to.share, to.share === 1 ? 0 : 4),
        ".",
      ],
      answer: toCell,
      of: `path.cell ${r}`,
    },
  ];
}

/** The field for an answer, and a way round it. */
function ask({ answer }, i) {
  const { answers, tries } = state;
  const give = (event) => {
    const text = event.target.value.replace("−", "-").replace(",", ".");
    const value = Number(text);
    if (text.trim() === "") return undefined;
    if (!isRight(value, answer)) return change({ tries: tries + 1 });
    change({ answers: [...answers, "right"], tries: 0 });
    return document.querySelector('[data-field="answer"]')?.focus(); // the next one
  };
  return h(
    "p",
    { class: "asked" },
    h("input", {
      type: "text",
      inputmode: "decimal",
      "data-field": "answer",
      "aria-label": words("path.answer", { number: i + 1 }),
      onchange: give,
    }),
    h(
      "button",
      { type: "button", onclick: () => change({ answers: [...answers, "shown"], tries: 0 }) },
      words("path.show"),
    ),
    h("span", { class: "soft", "aria-live": "polite" }, tries > 0 ? words("path.wrong") : ""),
  );
}

/** To three digits, or to the four decimals that the page shows. */
function isRight(value, answer) {
  return Math.abs(value - answer) <= Math.max(0.005 * Math.abs(answer), 0.6e-4);
}

function told({ answer, of }, _i, how) {
  return h("p", { class: `told ${how}` }, how === "right" ? "✓ " : "", h("b", {}, num(of, answer, 4)));
}

function again(reached) {
  return h(
    "button",
    { type: "button", class: "again", disabled: reached === 0, onclick: () => change({ answers: [], tries: 0 }) },
    `↺ ${words("path.again")}`,
  );
}

/** What this path is of the whole: the rest of tx, the rest of the box loss, and the class loss. */
function ending(scenario, found, path) {
  const { row, column } = path.to;
  const all = allOfTx(scenario, found, path)[row][column];
  const parts = [
    ["path.this", `path.cell ${path.r}`, path.toCell],
    ["path.tx", `path.tx ${path.r} ${row} ${column}`, all],
    ["path.box", `box.dfeatures ${row} ${column}`, found.back.box.dfeatures[row][column]],
    ["path.both", `both.dfeatures ${row} ${column}`, found.back.both.dfeatures[row][column]],
  ];
  return h(
    "div",
    { class: "note" },
    h("p", {}, words("path.ending", { cell: `(${row}, ${column})` })),
    table(
      "sum",
      null,
      null,
      parts.map(([key, of, value]) => tableRow("", words(key), strong(num(of, value)))),
    ),
  );
}
