"use strict";
// Four detectors by one way of telling: what runs once and what for each region, what learns, and how far back the
// gradient of each loss reaches. The strip at the top and the table of screen 10 are drawn from it.

const REACHES = "reaches"; // a loss's gradient arrives here
const STOPS = "stops"; // it could come here, and does not

/** A stage: `as` is the stage of Fast R-CNN that it stands for; `runs` once, each or none. */
function stage(name, as, runs, learns, losses = {}) {
  return { name, as, runs, learns, losses };
}

const [BOTH_REACH, TUNED] = [{ class: REACHES, box: REACHES }, { tuning: REACHES }];
const SEPARATE = [
  stage("fc6", "fc6", "each", true, TUNED),
  stage("fc7", "fc7", "each", true, TUNED),
  stage("disk", null, "none", false, { svm: STOPS, ridge: STOPS }),
  [
    stage("svm", "cls_score", "each", true, { svm: REACHES }),
    stage("ridge", "bbox_pred", "each", true, { ridge: REACHES }),
  ],
  stage("losses", "losses", "none", false),
];
const HEAD = [
  stage("fc6", "fc6", "each", true, BOTH_REACH),
  stage("fc7", "fc7", "each", true, BOTH_REACH),
  [
    stage("cls_score", "cls_score", "each", true, { class: REACHES }),
    stage("bbox_pred", "bbox_pred", "each", true, { box: REACHES }),
  ],
  stage("losses", "losses", "none", false),
];

const SYSTEMS = {
  rcnn: {
    losses: ["tuning", "svm", "ridge"],
    stages: [
      stage("image", "image", "none", false),
      stage("warp", "roi_pool", "each", false),
      stage("convolutions", "features", "each", true, TUNED),
      ...SEPARATE,
    ],
  },
  spp: {
    losses: ["tuning", "svm", "ridge"],
    stages: [
      stage("image", "image", "none", false),
      stage("convolutions", "features", "once", false),
      stage("pyramid", "roi_pool", "each", false, { tuning: STOPS }),
      ...SEPARATE,
    ],
  },
  fast: {
    losses: ["class", "box"],
    stages: [
      stage("image", "image", "none", false),
      stage("features", "features", "once", true, BOTH_REACH),
      stage("roi_pool", "roi_pool", "each", false, BOTH_REACH),
      ...HEAD,
    ],
  },
  faster: {
    losses: ["class", "box", "rpn"],
    stages: [
      stage("image", "image", "none", false),
      stage("features", "features", "once", true, { ...BOTH_REACH, rpn: REACHES }),
      stage("rpn", null, "once", true, { class: STOPS, box: STOPS, rpn: REACHES }),
      stage("roi_pool", "roi_pool", "each", false, BOTH_REACH),
      ...HEAD,
    ],
  },
};

/** R-CNN, SPPnet, Fast or Faster. */
function systemChoice() {
  const options = Object.keys(SYSTEMS).map((value) => ({ value, text: words(`system.${value}`) }));
  return choice(words("system"), options, state.system, (system) => change({ system }));
}

/** Screen 10: the chosen system, stage by stage. */
figure("systems", ({ system }) => {
  const { stages, losses } = SYSTEMS[system];
  const heads = [words("stage"), words("runs"), words("learns"), ...losses.map((loss) => words(`loss.${loss}`))];
  const rows = stages
    .flat()
    .map(({ name, as, runs, learns, losses: reached }) =>
      tableRow(
        `stage-row ${runs}`,
        as
          ? h(
              "th",
              { scope: "row" },
              h("a", { href: `#${DATA.home[as]}`, ...item(as === "image") }, words(`stage.${name}`)),
            )
          : words(`stage.${name}`),
        words(`runs.${runs}`),
        learns ? words("yes") : "–",
        ...losses.map((loss) =>
          h("td", { class: reached[loss] ?? "" }, reached[loss] ? words(`loss.${reached[loss]}`) : "–"),
        ),
      ),
    );
  return [
    h("div", { class: "row" }, systemChoice()),
    h(
      "div",
      { class: "columns" },
      h(
        "div",
        { class: "scroll", "data-rove": "move" },
        table("sum systems", words(`system.${system}`), heads, rows),
      ),
      h(
        "div",
        {},
        h("p", {}, words(`system.tells.${system}`)),
        h("p", { class: "soft" }, words(`system.costs.${system}`)),
      ),
    ),
  ];
});
