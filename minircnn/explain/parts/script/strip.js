"use strict";
// The strip at the top: the way of the data, and where on it the reader is; the language switch; and the beginning.

const STAGES = ["image", "features", "roi_pool", "fc6", "fc7", ["cls_score", "bbox_pred"], "losses"];
let here = { stages: new Set(), way: "forward" };

figure("strip", () => {
  const stage = (name) =>
    h(
      "a",
      { class: `stage${here.stages.has(name) ? " here" : ""}`, href: `#${DATA.home[name]}` },
      words(`stage.${name}`),
    );
  const entries = STAGES.flatMap((name, i) => [
    i === 0
      ? null
      : h(
          "li",
          { class: "ways", "aria-hidden": "true" },
          h("span", { class: here.way === "back" ? "" : "on" }, "→"),
          h("span", { class: `grad ${here.way === "forward" || i < 2 ? "" : "on"}` }, "←"),
        ),
    h("li", { class: Array.isArray(name) ? "siblings" : "" }, [name].flat().map(stage)),
  ]);
  return [h("ol", {}, entries)];
});

/** The screen that is being read: the last whose top has passed the upper third of the window. */
function follow() {
  const sections = [...document.querySelectorAll(".screen")];
  const reading =
    sections.findLast((section) => section.getBoundingClientRect().top < innerHeight / 3) ?? sections[0];
  const stages = new Set(reading.dataset.stage.split(" "));
  if (here.id === reading.id) return;
  here = { id: reading.id, stages, way: reading.dataset.way };
  redraw();
  const strip = document.getElementById("strip");
  const first = strip.querySelector(".here");
  if (first) strip.scrollLeft += first.getBoundingClientRect().left - innerWidth / 3;
}

function speak(language) {
  document.documentElement.lang = document.documentElement.dataset.language = language;
  document.title = DATA.words.title[language];
  for (const button of document.querySelectorAll("[data-choose]")) {
    button.setAttribute("aria-pressed", String(button.dataset.choose === language));
  }
  change({ language });
}

for (const button of document.querySelectorAll("[data-choose]")) {
  button.addEventListener("click", () => speak(button.dataset.choose));
}
addEventListener("beforeprint", () => {
  // on paper nothing can be opened
  for (const answer of document.querySelectorAll("details")) answer.open = true;
});
addEventListener("scroll", follow, { passive: true });
addEventListener("resize", follow, { passive: true });
speak(DATA.language);
follow();
