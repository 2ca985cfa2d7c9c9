"use strict";
// Beside the backward of RoI pooling: what this tick did, the line that did it, and the watched cell's ledger.

/** What this tick did, in words. */
function sentence(current, tick, sent) {
  if (!current) return h("p", { class: "tick", "aria-live": "polite" }, words("scatter.begin"));
  const who = `${words("roi")} ${roiName(current.r)}, ${words("bin")} (${current.bin.ph}, ${current.bin.pw})`;
  const { given, value } = current;
  if (given.length === 0) return h("p", { class: "tick", "aria-live": "polite" }, `${who}: `, words("scatter.empty"));
  const arrived = plus(`tick.value ${sent} ${tick}`, value);
  if (given.length > 1) {
    const shared = words("scatter.shared", { count: given.length });
    return h("p", { class: "tick", "aria-live": "polite" }, `${who}: `, arrived, ", ", shared);
  }
  const [{ row, column, total }] = given;
  return h(
    "p",
    { class: "tick", "aria-live": "polite" },
    `${who} → ${words("cell")} (${row}, ${column}): `,
    arrived,
    ", ",
    words("total"),
    " ",
    h("b", {}, num(`total ${sent} ${tick} ${row} ${column}`, total)),
  );
}

/** The kernel's own line, with this tick's numbers below it. */
function codeLine(current, pooling) {
  const line = DATA.addition[pooling];
  const { r, bin, given = [] } = current ?? {};
  const W = state.scenario.features[0].length;
  const numbers = () => {
    const [{ row, column }] = given;
    const cell = `${row}·${W} + ${column} = ${row * W + column}`;
    return `${pooling === "pool" ? `n = 0, cell = ${cell}, ` : "n = 0, "}r = ${r}, ph = ${bin.ph}, pw = ${bin.pw}, c = 0`;
  };
  return h(
    "pre",
    { class: "line" },
    `${line.file}:${line.number}\n`,
    h("code", {}, line.text),
    given.length > 0 ? `\n# ${numbers()}` : "\n#",
  );
}

/** A share of a bin's gradient: share × gradient. */
function ledgerShare({ r, index, share, value, row, column }, sent) {
  const [PH, PW] = state.scenario.outputSize;
  return [
    num(`share ${r} ${index % (PH * PW)} ${row} ${column}`, share, 4),
    " × ",
    num(`tick.value ${sent} ${index + 1}`, value),
  ];
}

/** Who gave the watched cell what. */
function ledger(ticks, tick, { features }, sent, found) {
  const [row, column] = state.cell;
  const entries = ticks.flatMap((tick) =>
    tick.given.filter((to) => to.row === row && to.column === column).map((to) => ({ ...tick, ...to })),
  );
  const title = words("ledger", { cell: `(${row}, ${column})` });
  const known = entries.filter(({ index }) => index < tick);
  const total = known.reduce((sum, { amount }) => sum + amount, 0);
  const roiHead = ({ r, bin }) =>
    h(
      "th",
      { scope: "row", class: `roi${r % 3}` },
      `${words("roi")} ${roiName(r)}, ${words("bin")} (${bin.ph}, ${bin.pw})`,
    );
  const shared = entries.some(({ share }) => share !== 1);
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
        ...(shared ? [ledgerShare(entry, sent)] : []),
        plus(`given ${sent} ${entry.index} ${row} ${column}`, entry.amount),
      ),
    ),
    tableRow("total", words("total"), ...(shared ? [""] : []), num(`total ${sent} ${tick} ${row} ${column}`, total)),
    tick === ticks.length && entries.length ? tableRow("soft", "dfeatures", ...(shared ? [""] : []), dfeature) : null,
  );
}
