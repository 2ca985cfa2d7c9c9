"use strict";
// Screen 5: RoI pooling backward. Each tick adds one bin's gradient to the cell that won it, or shares it out.

let timer = null;

figure("scatter", ({ scenario, sent, cell, tick, playing }, found) => {
  const { features, rois, scale } = scenario;
  const [H, W] = [features.length, features[0].length];
  const ticks = additions(scenario, found, sent);
  const done = ticks.slice(0, tick);
  const current = done.at(-1);
  const totals = zeros(H, W);
  for (const { row, column, amount } of done.flatMap(({ given }) => given)) totals[row][column] += amount;
  const wins = new Set(ticks.flatMap(({ given }) => given).map(({ row, column }) => row * W + column));
  const reached = new Set(done.flatMap(({ given }) => given).map(({ row, column }) => row * W + column));
  const own = cell[0] * W + cell[1];
  const entry = wins.has(own) ? own : Math.min(...wins); // where the tab key comes to
  const most = Math.max(1e-12, ...found.back[sent].dfeatures.flat().map(Math.abs));
  const map = gridOf(H, W, {
    label: words("map.gradient"),
    group: { "data-rove": "move" },
    cell: (row, column) => {
      const won = wins.has(row * W + column);
      const touched = reached.has(row * W + column);
      const value = totals[row][column];
      return {
        style: won ? `pick ${touched ? shade(value) : ""}` : "never",
        attributes: {
          ...(touched ? { style: `--share: ${Math.min(1, Math.abs(value) / most).toFixed(3)}` } : {}),
          ...(won ? chooses(row, column, row * W + column === entry) : {}),
        },
        textStyle: "gradient",
        text: touched ? (place) => svgNumber(`total ${sent} ${tick} ${row} ${column}`, value, place, 4) : null,
      };
    },
    boxes: rois.map((box, r) => ({
      name: `backward roi ${r}`,
      label: roiName(r),
      box,
      scale,
      size: [H, W],
      style: `roi${r % 3}${current?.r === r ? " chosen" : ""}`,
      reachable: r === state.roi,
      onmove: (moved) => changeScenario({ rois: replaced(state.scenario.rois, r, moved) }),
    })),
    above: [
      cellsRect({ h1: cell[0], h2: cell[0] + 1, w1: cell[1], w2: cell[1] + 1 }, "watched"),
      current && current.given.length > 0 ? binRect(current, scenario.pooling) : null,
    ],
  });
  return [
    h("div", { class: "row" }, sentChoice(), poolingChoice()),
    h(
      "div",
      { class: "columns" },
      h(
        "figure",
        { class: "wide" },
        h("div", { class: "flight" }, map, sources(ticks, tick, scenario), overlay(flights(ticks, tick))),
        stepper(tick, ticks.length, playing),
        h("figcaption", {}, words("scatter.caption")),
      ),
      h(
        "div",
        {},
        sentence(current, tick, sent),
        codeLine(current, scenario.pooling),
        ledger(ticks, tick, scenario, sent, found),
      ),
    ),
  ];
});

function shade(value) {
  return value < 0 ? "minus" : "plus";
}

/** A cell that can be chosen, to see its ledger. */
function chooses(row, column, reached) {
  const choose = () => change({ cell: [row, column] });
  return {
    ...item(reached),
    role: "button",
    "aria-label": words("ledger", { cell: `(${row}, ${column})` }),
    onclick: choose,
    onkeydown: (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      choose();
    },
  };
}

function binRect({ r, bin }, pooling) {
  const style = `bin lit roi${r % 3}`;
  return pooling === "align" ? lyingAt(bin, style) : cellsRect(bin, style, 3);
}

/** The arrow of this tick; on paper those of all. */
function flights(ticks, tick) {
  if (state.paper) return ticks.flatMap((each) => flight(each, 0).map((arrow) => ({ ...arrow, flies: undefined })));
  return tick > 0 ? flight(ticks[tick - 1], tick) : [];
}

/** The arrows of this tick, from the pooled gradient to the cells that the bin was read from; a lone number flies. */
function flight({ r, index, given, value }, tick) {
  const flies = given.length === 1 ? { of: `tick.value ${state.sent} ${tick}`, value, turn: tick } : undefined;
  return given.map(({ row, column }) => ({
    from: `source ${index}`,
    to: `cell ${row} ${column}`,
    style: `roi${r % 3}`,
    flies,
  }));
}

/** What comes back from fc6: every RoI's pooled gradients, the sent ones pale. */
function sources(ticks, tick, { rois, outputSize: [PH, PW] }) {
  return h(
    "div",
    { class: "sources", "data-rove": "move" },
    rois.map((_, r) =>
      h(
        "div",
        { class: `sender roi${r % 3}` },
        h("b", {}, `${words("roi")} ${roiName(r)}`),
        h(
          "div",
          { class: "bins", style: `--columns: ${PW}` },
          ticks.slice(r * PH * PW, (r + 1) * PH * PW).map((each, i) => {
            const index = r * PH * PW + i;
            const bin = `(${each.bin.ph}, ${each.bin.pw})`;
            const style = index === tick - 1 ? "now" : index < tick ? "sent" : "";
            return h(
              "button",
              {
                type: "button",
                class: style,
                ...item(index === Math.max(tick - 1, 0)),
                "data-place": `source ${index}`,
                onclick: () => change({ tick: index + 1, playing: false }),
                "aria-label": `${signed(each.value, 4)}: ${words("scatter.goto", { name: roiName(r), bin })}`,
              },
              h(
                "span",
                { class: "number", ...exactly(`${state.sent}.dpooled ${r} ${i}`, each.value) },
                signed(each.value, 4),
              ),
            );
          }),
        ),
      ),
    ),
  );
}

function stepper(tick, last, playing) {
  const go = (to) => change({ tick: clamp(to, 0, last), playing: false });
  return h(
    "div",
    { class: "stepper", "data-rove": "move" },
    h(
      "button",
      {
        type: "button",
        ...item(false),
        onclick: () => go(tick - 1),
        disabled: tick === 0,
        "aria-label": words("back"),
      },
      "◀",
    ),
    h(
      "button",
      {
        type: "button",
        class: "play",
        ...item(tick === last),
        onclick: () => (playing ? change({ playing: false }) : play(last)),
      },
      words(playing ? "pause" : "play"),
    ),
    h(
      "button",
      {
        type: "button",
        ...item(tick < last),
        onclick: () => go(tick + 1),
        disabled: tick === last,
        "aria-label": words("next"),
      },
      "▶",
    ),
    h("input", {
      type: "range",
      min: 0,
      max: last,
      step: 1,
      value: tick,
      "aria-label": words("scrub"),
      oninput: (event) => go(Number(event.target.value)),
    }),
    h("span", { class: "soft count" }, `${tick} / ${last}`),
  );
}

function play(last) {
  change({ playing: true, tick: state.tick === last ? 0 : state.tick });
  clearInterval(timer);
  timer = setInterval(() => {
    if (!state.playing || state.tick >= last) {
      clearInterval(timer);
      if (state.playing) change({ playing: false });
    } else {
      change({ tick: state.tick + 1 });
    }
  }, 900);
}
