"use strict";
// Beside the backward of RoI pooling: what this tick did, the line that did it, and the watched cell's ledger.

/** What this tick did, in words. */
function sentence(current, tick, sent) {
  if (!current) return h("p", { class: "tick", "aria-live": "polite" }, words("scatter.begin"));
  const who = `${words("roi")} ${roiName(current.r)}, ${words("bin")} (${current.bin.ph}, ${current.bin.pw})`;
  if (current.row < 0) return h("p", { class: "tick", "aria-live": "polite" }, `${who}: `, words("scatter.empty"));
  return h(
    "p",
    { class: "tick", "aria-live": "polite" },
    `${who} → ${words("cell")} (${current.row}, ${current.column}): `,
    plus(`tick.value ${sent} ${tick}`, current.value),
    ", ",
    words("total"),
    " ",
    h("b", {}, num(`tick.total ${sent} ${tick}`, current.total)),
  );
}

/** The kernel's own line, with this tick's numbers below it. */
function codeLine(current) {
  const line = DATA.addition;
  const { r, bin, row, column } = current ?? {};
  const W = state.scenario.features[0].length;
  return h(
    "pre",
    { class: "line", tabindex: 0, "aria-label": words("code") },
    `${line.file}:${line.number}\n`,
    h("code", {}, line.text),
    current && row >= 0
      ? `\n# n = 0, cell = ${row}·${W} + ${column} = ${row * W + column}, r = ${r}, ph = ${bin.ph}, pw = ${bin.pw}, c = 0`
      : "\n#",
  );
}

/** Who gave the watched cell what. */
function ledger(ticks, tick, { features }, sent, found) {
  const [row, column] = state.cell;
  const entries = ticks.filter((each) => each.row === row && each.column === column);
  const title = words("ledger", { cell: `(${row}, ${column})` });
  const known = entries.filter(({ index }) => index < tick);
  const total = known.reduce((sum, { value }) => sum + value, 0);
  const roiHead = ({ r, bin }) =>
    h(
      "th",
      { scope: "row", class: `roi${r % 3}` },
      `${words("roi")} ${roiName(r)}, ${words("bin")} (${bin.ph}, ${bin.pw})`,
    );
  const dfeature = num(`${sent}.dfeatures ${row} ${column}`, found.back[sent].dfeatures[row][column]);
  return table(
    "sum ledger",
    [title, " ", words("ledger.holds"), " ", num(`features ${row} ${column}`, features[row][column], 1)],
    null,
    entries.length === 0 ? h("tr", {}, h("td", { class: "soft" }, words("ledger.none"))) : null,
    entries.map((entry) =>
      tableRow(
        entry.index < tick ? (entry.index === tick - 1 ? "now" : "") : "waiting",
        roiHead(entry),
        plus(`ledger ${sent} ${entry.index}`, entry.value),
      ),
    ),
    tableRow("total", words("total"), num(`total ${sent} ${tick} ${row} ${column}`, total)),
    tick === ticks.length && entries.length ? tableRow("soft", "dfeatures", dfeature) : null,
  );
}
