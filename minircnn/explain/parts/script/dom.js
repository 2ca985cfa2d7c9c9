"use strict";
// A screen is a function of the state: it returns what should stand there, and `patch` changes what differs. Elements
// stay where their tag stays, so the one that has the focus keeps it while a box is dragged with the arrow keys.

const SVG_TAGS = new Set([
  "svg",
  "g",
  "rect",
  "text",
  "tspan",
  "path",
  "line",
  "circle",
  "polyline",
  "title",
  "image",
]);

/** A wanted element: h("p", { class: "soft" }, "words", h("b", {}, "more")). */
function h(tag, attributes = {}, ...children) {
  const flat = children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false);
  return { tag, attributes, children: flat.map((child) => (typeof child === "object" ? child : String(child))) };
}

/** Make the children of `parent` what `wanted` says. */
function patch(parent, wanted) {
  wanted.forEach((want, i) => {
    const have = parent.childNodes[i];
    if (typeof want === "string") {
      if (have?.nodeType !== Node.TEXT_NODE) replaceOrAppend(parent, have, document.createTextNode(want));
      else if (have.data !== want) have.data = want;
      return;
    }
    let element = have;
    if (have?.nodeType !== Node.ELEMENT_NODE || have.localName !== want.tag) {
      element = createElement(want.tag);
      replaceOrAppend(parent, have, element);
    }
    setAttributes(element, want.attributes);
    patch(element, want.children);
    if (want.tag === "select") element.value = want.attributes.value; // now that its options are there
  });
  while (parent.childNodes.length > wanted.length) parent.lastChild.remove();
}

function createElement(tag) {
  return SVG_TAGS.has(tag)
    ? document.createElementNS("http://www.w3.org/2000/svg", tag)
    : document.createElement(tag);
}

function replaceOrAppend(parent, have, element) {
  if (have) have.replaceWith(element);
  else parent.append(element);
}

function setAttributes(element, wanted) {
  const former = element.wantedAttributes ?? {};
  for (const name of Object.keys(former)) {
    if (name in wanted) continue;
    if (name.startsWith("on")) element[name] = null;
    else element.removeAttribute(name);
  }
  for (const [name, value] of Object.entries(wanted)) {
    if (name.startsWith("on")) element[name] = value;
    else if (name === "value" || name === "checked" || name === "disabled") element[name] = value;
    else if (value === false || value === null || value === undefined) element.removeAttribute(name);
    else if (former[name] !== value) element.setAttribute(name, value);
  }
  element.wantedAttributes = wanted;
}

/** 1.0 → "1.0", −0.04 → "−0.04", and no negative zero. */
function written(value, digits) {
  const text = Math.abs(value).toFixed(digits);
  return (value < 0 && Number(text) !== 0 ? "−" : "") + text;
}

/** The same with a sign always: what is added. */
function signed(value, digits) {
  return (value < 0 ? "" : "+") + written(value, digits);
}

/** What a shown number carries: its name and its whole value. The browser test compares both with the kernels. */
function exactly(of, value) {
  return { "data-of": of, "data-value": value };
}

/** A number in the text. */
function num(of, value, digits = 4) {
  return h("span", { class: "number", ...exactly(of, value) }, written(value, digits));
}

/** A number so small or large that its power of ten says more: 3.1e−8. */
function power(of, value) {
  const text = value === 0 ? "0" : value.toExponential(1).replaceAll("-", "−").replace("e+0", "").replace("e+", "e");
  return h("span", { class: "number", ...exactly(of, value) }, text);
}

/** A number that is added, with its sign. */
function plus(of, value, digits = 4) {
  return h("span", { class: `number ${value < 0 ? "down" : "up"}`, ...exactly(of, value) }, signed(value, digits));
}

/** A number inside an SVG. */
function svgNumber(of, value, attributes, digits) {
  return h("text", { ...attributes, ...exactly(of, value) }, written(value, digits));
}

/** As many digits as a corner needs, four at most. */
function decimals(value) {
  return [0, 1, 2, 3].find((digits) => Number(value.toFixed(digits)) === value) ?? 4;
}

/** A table: its style, its caption (words, or null), the heads of its columns (or null; "" is an empty corner), rows. */
function table(style, caption, heads, ...rows) {
  return h(
    "table",
    { class: style },
    caption && h("caption", {}, caption),
    heads && h("thead", {}, h("tr", {}, heads.map(columnHead))),
    h("tbody", {}, rows),
  );
}

function columnHead(head) {
  return head === "" ? h("td", {}) : h("th", { scope: "col" }, head);
}

/** A row: its style, its head (an element of its own, if it has one), and what stands in its cells. */
function tableRow(style, head, ...cells) {
  const first = head?.tag === "th" ? head : h("th", { scope: "row" }, head);
  const others = cells.map((cell) => (cell?.tag === "td" ? cell : h("td", {}, cell)));
  return h("tr", style ? { class: style } : {}, first, others);
}

/** What a row comes to. */
function strong(number) {
  return h("b", {}, number);
}
