"use strict";
// On paper nothing can be opened, stepped or scrolled: so all answers stand there, and all additions are done.

let beforePaper = null;

addEventListener("beforeprint", () => {
  if (beforePaper) return;
  const { tick, answers, playing } = state;
  const open = [...document.querySelectorAll("details")].filter((each) => each.open);
  beforePaper = { state: { tick, answers, playing }, open };
  for (const details of document.querySelectorAll("details")) details.open = true;
  document.documentElement.classList.add("on-paper"); // the measures of paper, so that arrows end where they will
  change({
    tick: ticksOf(state.scenario),
    answers: Array.from({ length: 8 }, () => "shown"),
    playing: false,
    paper: true,
  });
});

addEventListener("afterprint", () => {
  if (!beforePaper) return;
  document.documentElement.classList.remove("on-paper");
  for (const details of document.querySelectorAll("details")) details.open = beforePaper.open.includes(details);
  change({ ...beforePaper.state, paper: false });
  beforePaper = null;
});
