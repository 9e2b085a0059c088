// Genotypes as pictures: nodes of a motif below each other, edges as arcs beside them, each operation in its colour.

const SVG = "http://www.w3.org/2000/svg";
const STEP = 34, RADIUS = 8, LANE = 30, FONT = 8;

function svg(name, attributes, ...children) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

/** Give each edge a lane: 0 is straight down, others are beside the nodes, left and right in turn. */
function lanesOf(edges) {
  const taken = new Map(), lanes = [];
  const order = edges.map((_, place) => place).sort((a, b) => (edges[a].to - edges[a].from) - (edges[b].to - edges[b].from));
  for (const place of order) {
    const { from, to } = edges[place];
    const candidates = to - from === 1 ? [0, 1, -1, 2, -2] : [1, -1, 2, -2, 3, -3, 4, -4];
    const isFree = (lane) => (taken.get(lane) || []).every(([start, end]) => to <= start || end <= from);
    let lane = candidates.find(isFree);
    for (let next = 5; lane === undefined; next++) lane = [next, -next].find(isFree);
    taken.set(lane, [...(taken.get(lane) || []), [from, to]]);
    lanes[place] = lane;
  }
  return lanes;
}

/** One motif, with its edges in words for those who cannot see it. */
function motifDrawing([name, isUsed, nodes, numbers], labels) {
  const edges = [];
  for (let at = 0; at < numbers.length; at += 4) {
    const [from, to, label, used] = numbers.slice(at, at + 4);
    edges.push({ from, to, label: labels[label], used });
  }
  const lanes = lanesOf(edges);
  const letters = Math.max(4, ...edges.map((edge) => edge.label[1].length));
  const lane = Math.max(LANE, letters * FONT * 0.52 + 6);
  const left = -Math.min(0, ...lanes) * lane + lane / 2, right = Math.max(0, ...lanes) * lane + lane / 2;
  const width = left + right + 8, height = (nodes.length - 1) * STEP + 2 * RADIUS + 8;
  const y = (node) => 4 + RADIUS + node * STEP, x = left + 4;
  const picture = svg("svg", { viewBox: `0 0 ${width} ${height}`, width, height, class: "motif", "aria-hidden": "true" });
  edges.forEach((edge, place) => {
    const offset = lanes[place] * lane, top = y(edge.from), bottom = y(edge.to), middle = (top + bottom) / 2;
    const [start, end] = [top + (offset ? 0 : RADIUS), bottom - (offset ? 0 : RADIUS)];
    const side = Math.sign(offset) * RADIUS;
    const path = offset
      ? `M${x + side},${start} C${x + offset},${top + STEP / 3} ${x + offset},${bottom - STEP / 3} ${x + side},${end}`
      : `M${x},${start} L${x},${end}`;
    const style = edge.used ? "used" : "dead", colour = edge.used && edge.label[2] ? `stroke:${edge.label[2]}` : "";
    picture.append(svg("path", { d: path, class: `edge ${style}`, style: colour }));
    const beside = offset ? { x: x + offset * 0.78, class: `label ${style}` } : { x: x + 4, class: `label beside ${style}` };
    picture.append(svg("text", { ...beside, y: middle + 3 }, edge.label[1]));
  });
  nodes.forEach((text, node) => {
    picture.append(svg("circle", { cx: x, cy: y(node), r: RADIUS, class: "node" }));
    picture.append(svg("text", { x, y: y(node) + 3, class: "node-name" }, text));
  });
  const words = edges.map((edge) => `${nodes[edge.from]} → ${nodes[edge.to]}: ${edge.label[0]}${edge.used ? "" : " (dead)"}`);
  const list = h("ul", { class: "unseen" }, (words.length ? words : ["no edges"]).map((text) => h("li", {}, text)));
  return h("div", { class: isUsed ? "panel" : "panel unused" }, h("h4", {}, isUsed ? name : `${name} (unused)`), picture, list);
}

const drawingOf = (genotype) => h("div", { class: "motifs" }, genotype.motifs.map((motif) => motifDrawing(motif, genotype.labels)));

/** A picture that came as SVG: of its elements only those that draw. */
function pictureOf(text) {
  const parsed = new DOMParser().parseFromString(text, "image/svg+xml").documentElement;
  if (parsed.nodeName !== "svg") return null;
  parsed.querySelectorAll("script, foreignObject, a, metadata, animate, set").forEach((element) => element.remove());
  for (const element of [parsed, ...parsed.querySelectorAll("*")])
    for (const { name } of [...element.attributes]) if (name.startsWith("on")) element.removeAttribute(name);
  const picture = document.importNode(parsed, true);
  picture.setAttribute("role", "img");
  return picture;
}
