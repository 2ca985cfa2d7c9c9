"use strict";
// The strip at the top: the way of the data in the chosen system, and where on it the reader is; a number for every
// screen; the language switch; and the beginning.

let here = { stages: new Set(), way: "forward" };

figure("strip", ({ system }) => {
  const { stages } = SYSTEMS[system];
  const box = ({ name, as, runs, learns }) => {
    const reading = as !== null && here.stages.has(as);
    const attributes = { class: `stage ${runs}${learns ? " learns" : ""}${reading ? " here" : ""}` };
    const link = { ...attributes, href: `#${DATA.home[as] ?? "systems"}`, ...item(false) };
    return h("a", link, words(`stage.${name}`));
  };
  const entries = stages.flatMap((entry, i) => [
    i === 0 ? null : h("li", { class: "ways", "aria-hidden": "true" }, waysBetween(stages[i - 1], entry)),
    h("li", { class: Array.isArray(entry) ? "siblings" : "" }, [entry].flat().map(box)),
  ]);
  return [
    h(
      "div",
      { "data-rove": "move" },
      h("div", { class: "strip-row" }, systemSelect(system), screenNumbers(), startAgain()),
      h("ol", {}, entries),
    ),
  ];
});

/** → always; ← where some loss's gradient goes on from the right to the left, × where it could and does not. */
function waysBetween(left, right) {
  const [below] = [left].flat();
  const lossesOn = [right].flat().flatMap(({ name, losses }) => (name === "losses" ? ["all"] : reachedBy(losses)));
  const passing = lossesOn.includes("all") || lossesOn.some((loss) => below.losses[loss] === REACHES);
  const stopped = lossesOn.some((loss) => below.losses[loss] === STOPS);
  const back = passing ? "←" : stopped ? "×" : "";
  return [
    h("span", { class: here.way === "back" ? "" : "on" }, "→"),
    h("span", { class: `grad ${here.way === "forward" || !back ? "" : "on"}` }, back || "\u00a0"),
  ];
}

function reachedBy(losses) {
  return Object.keys(losses).filter((loss) => losses[loss] === REACHES);
}

function systemSelect(system) {
  const options = Object.keys(SYSTEMS).map((value) => h("option", { value }, words(`system.${value}`)));
  const attributes = { "aria-label": words("system"), "data-field": "system", value: system };
  return h("select", { ...attributes, onchange: (event) => change({ system: event.target.value }) }, options);
}

/** A link to every screen. */
function screenNumbers() {
  const sections = [...document.querySelectorAll(".screen")];
  return h(
    "ul",
    { class: "numbers", "aria-label": words("screens") },
    sections.map((section, i) => {
      const title = section.querySelector(`h2[lang="${state.language}"]`).lastChild.data;
      const reading = section.id === here.id;
      const attributes = {
        href: `#${section.id}`,
        title,
        "aria-label": `${i + 1}: ${title}`,
        ...item(reading || (!here.id && i === 0)),
      };
      return h("li", {}, h("a", reading ? { ...attributes, "aria-current": "true" } : attributes, i + 1));
    }),
  );
}

/** The screen that is being read: the last whose top has passed the upper third of the window. */
function follow() {
  const sections = [...document.querySelectorAll(".screen")];
  const reading =
    sections.findLast((section) => section.getBoundingClientRect().top < innerHeight / 3) ?? sections[0];
  const stages = new Set(reading.dataset.stage.split(" "));
  if (here.id === reading.id) return;
  here = { id: reading.id, stages, way: reading.dataset.way };
  drawScreen("strip");
  const strip = document.getElementById("strip");
  const first = strip.querySelector(".here");
  if (first) strip.scrollLeft += first.getBoundingClientRect().left - innerWidth / 3;
}

function speak(language) {
  document.documentElement.lang = document.documentElement.dataset.language = language;
  document.title = DATA.words.title[language];
  for (const button of document.querySelectorAll("[data-choose]")) {
    const chosen = button.dataset.choose === language;
    button.setAttribute("aria-checked", String(chosen));
    button.tabIndex = chosen ? 0 : -1;
  }
  change({ language });
}

for (const button of document.querySelectorAll("[data-choose]")) {
  button.addEventListener("click", () => speak(button.dataset.choose));
}
for (const answers of document.querySelectorAll("[data-rove] > details")) {
  const summary = answers.firstElementChild;
  summary.dataset.item = "";
  summary.tabIndex = answers.previousElementSibling ? -1 : 0;
}
addEventListener("scroll", follow, { passive: true });
addEventListener("resize", follow, { passive: true });
speak(DATA.language);
follow();
