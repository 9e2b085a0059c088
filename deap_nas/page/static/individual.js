// One individual beside the page: its facts, its drawing, its genotype, whence it came and what came of it.

class IndividualPanel {
  constructor(runs, { open, genotypeOf }) {
    this.runs = runs;
    this.openOther = open;
    this.genotypeOf = genotypeOf;
    this.panel = byId("individual");
    this.number = null;
    document.addEventListener("keydown", (event) => event.key === "Escape" && !this.panel.hidden && this.close());
  }

  close() {
    this.panel.hidden = true;
    const row = document.querySelector(`#table tr[data-number="${this.number}"] button`);
    this.number = null;
    const isThere = this.before && this.before !== document.body && this.before.isConnected;
    const before = isThere ? this.before : row;
    if (before) before.focus();
  }

  async show(number, { takesFocus = true } = {}) {
    if (this.panel.hidden) this.before = document.activeElement;
    const [run, row] = this.runs.at(number), id = run.id[row];
    this.number = number;
    const genotype = h("div", { class: "genotype" }, h("p", { class: "hint" }, "…"));
    const error = run.errors[id];
    this.panel.replaceChildren(
      h("button", { type: "button", class: "close", click: () => this.close(), "aria-label": "close" }, "×"),
      h("h2", { id: "individual-title" }, `Individual ${id}`, this.runs.areMany ? ` of ${run.name}` : ""),
      this.list(run, row),
      error ? h("pre", { class: "error" }, error) : "",
      genotype,
      h("h3", {}, "Go on with it"),
      commandOf(`deap-nas draw ${run.head.file} --id ${id}`), commandOf(`deap-nas retrain ${run.head.file} --id ${id}`));
    this.panel.hidden = false;
    if (takesFocus) this.panel.focus();
    const found = await this.genotypeOf(run, row);
    if (genotype.isConnected) genotype.replaceChildren(...this.genotype(found, run, id));
  }

  /** Rows have come: the same individual has another number, and more children; null where it is no longer there. */
  follow(number) {
    if (number === null) return this.close();
    this.number = number;
    const former = this.panel.querySelector("dl"), list = this.list(...this.runs.at(number));
    if (former.innerHTML !== list.innerHTML) former.replaceWith(list);
  }

  list(run, row) {
    return h("dl", {}, this.facts(run, row).flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));
  }

  facts(run, row) {
    const link = (target) => h("button", { type: "button", class: "link", click: () => this.openOther(run.offset + target) }, String(run.id[target]));
    const links = (rows) => rows.slice(0, 12).flatMap((target) => [link(target), " "]);
    const scores = run.scoresOf(row), parent = run.parent[row], children = run.childrenOf(row);
    const names = run.head.objectives;
    const facts = run.fitness.map((values, place) => [names[place], objective(values[row])]);
    if (scores.length > 1) facts.push(["repeats", scores.map((score) => decimal(score)).join(", ")]);
    facts.push(["status", run.statusName(row)], ["population", run.alive[row] ? "alive" : "dead"]);
    facts.push(["parameters", whole(run.parameters[row])], ["FLOPs an image", whole(run.flops[row])]);
    if (run.stages) facts.push(["level", `${run.stages.level[row]}, iteration ${run.stages.iteration[row]}, predicted ${decimal(run.stages.predicted[row])}`]);
    facts.push(["took", `${duration(run.seconds[row])}, by worker ${run.worker[row] < 0 ? "unknown" : run.worker[row]}`]);
    const parentRow = run.rowOf.get(parent);
    facts.push(["parent", parent < 0 ? "none" : parentRow === undefined ? String(parent) : link(parentRow)]);
    if (run.reused[row] >= 0) facts.push(["same network as", run.rowOf.has(run.reused[row]) ? link(run.rowOf.get(run.reused[row])) : String(run.reused[row])]);
    if (children.length) facts.push([plural(children.length, "child").replace("childs", "children"), [...links(children), children.length > 12 ? "…" : ""]]);
    return facts;
  }

  genotype(found, run, id) {
    if (!found) return [h("p", {}, "This page carries no drawing of it; the command below makes one.")];
    const written = found.words || (found.genes ? `[${found.genes.join(", ")}]` : "");
    return [
      found.motifs.length ? drawingOf(found) : h("p", {}, "Its genes are none of the search space: nothing to draw."),
      h("h3", {}, "Genotype"),
      h("pre", { class: "genes", tabindex: 0 }, written),
    ];
  }
}
