// Elements and words. Texts of a run file become text nodes only, never HTML.

const COLOURS = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#a6761d", "#7570b3", "#999999"];
const ALIVE = "#56b4e9", DEAD = "#a9a9a9", LINE = "#d55e00";

/** A colour halfway to the ground, for the many that the few stand out from. */
function paler(colour) {
  const parts = [1, 3, 5].map((start) => Math.round(0.5 * parseInt(colour.slice(start, start + 2), 16) + 0.5 * 190));
  return `#${parts.map((part) => part.toString(16).padStart(2, "0")).join("")}`;
}

/** Make an element: h("td", {class: "number"}, "5"). Functions are listeners, false and null are left out. */
function h(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(key, value);
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

const byId = (id) => document.getElementById(id);
const filled = new Map();

/** Put content in, unless it is the same as before: so what a reader has scrolled or unfolded stays. */
function fill(id, ...children) {
  const content = h("div", {}, children.flat(Infinity).filter(Boolean)), text = content.innerHTML;
  if (filled.get(id) === text) return;
  filled.set(id, text);
  const unfolded = Array.from(byId(id).querySelectorAll("details"), (element) => element.open && element.firstChild.textContent);
  content.querySelectorAll("details").forEach((element, place) => (element.open = element.firstChild.textContent === unfolded[place]));
  byId(id).replaceChildren(...content.childNodes);
}

/** Show a section or a plot only where there is something to be seen. */
function show(id, isShown) {
  const element = byId(id);
  if (element) element.hidden = !isShown;
}

const whole = (value) => (Number.isFinite(value) ? Math.round(value).toLocaleString("en") : "–");
const decimal = (value, digits = 4) => (Number.isFinite(value) ? value.toFixed(digits) : "–");
const percent = (value) => (Number.isFinite(value) ? `${(100 * value).toFixed(0)} %` : "–");
const scientific = (value) => (value > 0 ? value.toExponential(1).replace("e+", "e") : "–");
const plural = (count, noun) => `${whole(count)} ${noun}${count === 1 ? "" : "s"}`;

/** A fitness: four decimals for shares, thousands for counts. */
function objective(value) {
  if (!Number.isFinite(value)) return "–";
  return Math.abs(value) >= 1000 ? whole(value) : Number.isInteger(value) ? String(value) : value.toFixed(4);
}

function duration(seconds) {
  if (!Number.isFinite(seconds)) return "–";
  if (seconds < 100) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
  if (seconds < 6000) return `${(seconds / 60).toFixed(0)} min`;
  return seconds < 360000 ? `${(seconds / 3600).toFixed(1)} h` : `${(seconds / 86400).toFixed(1)} days`;
}

const signed = (value, digits = 4) => (Number.isFinite(value) ? (value > 0 ? "+" : "") + value.toFixed(digits) : "–");

/** A table with a caption for those who cannot see where it stands. */
function tableOf(caption, columns, rows) {
  const head = h("tr", {}, columns.map(([name, kind]) => h("th", { scope: "col", class: kind || null }, name)));
  const body = rows.map((cells) =>
    h("tr", {}, cells.map((cell, place) => h("td", { class: columns[place][1] || null }, cell)))
  );
  const table = h("table", {}, h("caption", { class: "unseen" }, caption), h("thead", {}, head), h("tbody", {}, body));
  return h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": caption }, table);
}

/** A command that a button copies. */
function commandOf(text) {
  const say = (words) => (button.textContent = words);
  const copy = () =>
    (navigator.clipboard ? navigator.clipboard.writeText(text) : Promise.reject()).then(
      () => say("copied"),
      () => { getSelection().selectAllChildren(code); say("selected"); }
    );
  const code = h("code", {}, text);
  const button = h("button", { type: "button", class: "copy", click: copy, "aria-label": `copy ${text}` }, "copy");
  return h("div", { class: "command" }, code, button);
}

const chip = (run) => h("span", { class: "chip", style: `background:${run.colour}`, "aria-hidden": "true" });
