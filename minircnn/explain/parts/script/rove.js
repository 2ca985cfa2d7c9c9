"use strict";
// One tab stop for a group: within it the arrow keys, Home and End move on. A group is marked data-rove, "choose" where
// moving on chooses as well; its items data-item. The tab key comes to the item that is chosen.

const WAYS = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 };

/** Attributes of an item. */
function item(chosen) {
  return { "data-item": true, tabindex: chosen ? 0 : -1 };
}

function rove(event) {
  const group = event.target.closest("[data-rove]");
  if (!group || event.altKey || event.ctrlKey || event.metaKey) return;
  const items = [...group.querySelectorAll("[data-item]")].filter((each) => !each.disabled && each.checkVisibility());
  const here = items.indexOf(event.target.closest("[data-item]"));
  const ends = { Home: 0, End: items.length - 1 };
  const to = ends[event.key] ?? here + (WAYS[event.key] ?? NaN);
  if (here < 0 || Number.isNaN(to)) return;
  event.preventDefault();
  const next = items[clamp(to, 0, items.length - 1)];
  next.focus();
  if (group.dataset.rove === "choose") next.dispatchEvent(new MouseEvent("click", { bubbles: true }));
}

document.addEventListener("keydown", rove);
