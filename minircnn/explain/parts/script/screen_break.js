"use strict";
// Below screen 7: plant a fault in one line, and see which of the proof's six answers gives it away.

figure("break", ({ scenario, fault }) => {
  const planted = DATA.faults.find(({ name }) => name === fault);
  const answers = proof(scenario, fault);
  const names = ["none", ...DATA.faults.map(({ name }) => name)];
  const options = names.map((name) => ({ value: name, text: words(`fault.${name}`) }));
  return [
    h(
      "div",
      { class: "row" },
      choice(words("fault"), options, fault, (value) => change({ fault: value })),
    ),
    h(
      "div",
      { class: "columns" },
      h("div", {}, planted ? lines(planted) : h("p", {}, words("fault.choose")), verdict(fault, answers)),
      h(
        "div",
        { class: "scroll" },
        table(
          "sum proof",
          words("proof"),
          [words("proof.question"), words("proof.must"), words("proof.is"), ""],
          answers.map(({ name, must, is, holds }) =>
            tableRow(
              holds ? "holds" : "fails",
              words(`proof.${name}`),
              exactNumber(`proof.must ${name}`, must),
              strong(exactNumber(`proof.is ${fault} ${name}`, is)),
              h("td", { class: "mark" }, holds ? `✓ ${words("proof.holds")}` : `✗ ${words("proof.fails")}`),
            ),
          ),
        ),
      ),
    ),
  ];
});

/** Whole numbers as they are, rounding noise as a power, the rest with four digits. */
function exactNumber(of, value) {
  if (Number.isInteger(value)) return num(of, value, 0);
  return Math.abs(value) < 1e-3 ? power(of, value) : num(of, value, 4);
}

/** The line as it is, and as it is now. */
function lines({ file, number, right, wrong }) {
  return h(
    "pre",
    { class: "line difference" },
    `${file}:${number}\n`,
    h("del", {}, `− ${right}`),
    "\n",
    h("ins", {}, `+ ${wrong}`),
  );
}

/** What gave the fault away. */
function verdict(fault, answers) {
  const caught = answers.filter(({ holds }) => !holds);
  if (fault === "none") return h("p", { class: "note" }, words(caught.length ? "proof.kink" : "proof.whole"));
  if (caught.length === 0) return h("p", { class: "note" }, words("proof.missed"));
  return h("p", { class: "note" }, words(`fault.why.${fault}`));
}
