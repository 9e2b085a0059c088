// The table of individuals: sorted by a click on a column, searched, a hundred rows a page; a row opens its individual.

const ROWS_A_PAGE = 100;

class IndividualsTable {
  constructor(runs, { open, clear, learn = null }) {
    this.runs = runs;
    this.learn = learn;
    this.open = open;
    this.clear = clear;
    this.column = "fitness 0";
    this.isDescending = this.runs.first.head.signs[0] > 0;
    this.page = 0;
    this.chosen = [];
    this.search = h("input", { type: "search", id: "search", input: () => { this.update(); this.learnMore(); }, autocomplete: "off",
      placeholder: "id, status, operation, words of an error" });
    this.status = h("select", { id: "status", change: () => this.update() });
    this.told = h("p", { class: "hint", role: "status", "aria-live": "polite" });
    this.body = h("tbody");
    this.headRow = h("tr");
    this.pages = h("div", { class: "pages" });
    this.chosenNote = h("button", { type: "button", class: "chosen", hidden: true, click: () => this.clear() });
    const caption = h("caption", { class: "unseen" }, "Individuals; the buttons of the columns sort them");
    const table = h("table", { id: "table" }, caption, h("thead", {}, this.headRow), this.body);
    fill("individuals-content",
      h("div", { class: "controls" },
        h("label", { for: "search" }, "Search ", this.search), h("label", { for: "status" }, "Status ", this.status),
        this.chosenNote),
      this.told, h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "individuals" }, table), this.pages);
    this.refresh();
  }

  /** Columns: name, what is sorted by, what is shown. */
  columns() {
    const names = this.runs.first.head.objectives;
    const number = (name, key, value, text) => ({ name, key, value, text, kind: "number" });
    const array = (name, key, text) => number(name, key, (run, row) => run[key][row], (run, row) => text(run[key][row]));
    const run = { name: "run", key: "run", kind: "", value: (each) => each.offset, text: (each) => each.name };
    const some = (test) => this.runs.all.some(test);
    return [
      array("id", "id", String),
      ...(this.runs.areMany ? [run] : []),
      ...Array.from({ length: this.runs.nObjectives }, (_, place) =>
        number(names[place] || `objective ${place + 1}`, `fitness ${place}`,
          (each, row) => (each.fitness[place] ? each.fitness[place][row] : NaN),
          (each, row) => (each.fitness[place] ? objective(each.fitness[place][row]) : "–"))),
      array("parameters", "parameters", whole),
      array("FLOPs", "flops", whole),
      { name: "status", key: "status", kind: "", value: (each, row) => each.status[row], text: (each, row) => each.statusName(row) },
      { name: "alive", key: "alive", kind: "", value: (each, row) => each.alive[row], text: (each, row) => (each.alive[row] ? "yes" : "no") },
      array("parent", "parent", (value) => (value < 0 ? "–" : String(value))),
      ...(some((each) => each.stages) ? [number("level", "level", (each, row) => (each.stages ? each.stages.level[row] : NaN),
        (each, row) => (each.stages ? String(each.stages.level[row]) : "–"))] : []),
      array("took", "seconds", duration),
      array("ended at", "finished", duration),
      array("worker", "worker", (value) => (value < 0 ? "–" : String(value))),
    ];
  }

  /** Rows have come: texts to be searched, and what can be chosen, anew. */
  refresh() {
    this.texts = null;
    const known = new Set(this.runs.all.flatMap((run) => Array.from(new Set(run.status), (status) => run.head.statuses[status])));
    const wanted = this.status.value;
    this.status.replaceChildren(...["all", ...known].map((name) => h("option", { selected: name === wanted }, name || "?")));
    this.update({ keepPage: true });
    this.learnMore();
  }

  /** Of a page that lives, ask for the genotypes in which words are searched. */
  async learnMore() {
    if (!this.learn || this.isLearning || !this.isSearchedForWords()) return;
    this.isLearning = true;
    const isMore = await this.learn().catch(() => false);
    this.isLearning = false;
    if (!isMore) return;
    this.texts = null;
    this.update({ keepPage: true });
  }

  isSearchedForWords() {
    const wanted = this.search.value.trim();
    return wanted !== "" && !/^\d+$/.test(wanted);
  }

  textOf(number) {
    if (!this.texts) this.texts = new Array(this.runs.n);
    if (this.texts[number] === undefined) {
      const [run, row] = this.runs.at(number);
      const genotype = run.genotypes.get(row);
      const labels = new Set();
      for (const [, , , edges] of genotype ? genotype.motifs : [])
        for (let at = 0; at < edges.length; at += 4) if (edges[at + 3]) labels.add(genotype.labels[edges[at + 2]][0]);
      const parts = [run.id[row], run.statusName(row), run.errors[run.id[row]] || "", ...labels, this.runs.areMany ? run.name : ""];
      this.texts[number] = parts.join("\n").toLowerCase();
    }
    return this.texts[number];
  }

  numbers() {
    const wanted = this.search.value.trim().toLowerCase(), status = this.status.value;
    let numbers = this.chosen.length > 1 ? Array.from(this.chosen) : Array.from({ length: this.runs.n }, (_, number) => number);
    if (status && status !== "all")
      numbers = numbers.filter((number) => { const [run, row] = this.runs.at(number); return run.statusName(row) === status; });
    if (/^\d+$/.test(wanted)) {
      numbers = numbers.filter((number) => { const [run, row] = this.runs.at(number); return String(run.id[row]) === wanted; });
    } else if (wanted) numbers = numbers.filter((number) => this.textOf(number).includes(wanted));
    const column = this.columns().find((each) => each.key === this.column) || this.columns()[0];
    const keys = new Map(numbers.map((number) => [number, column.value(...this.runs.at(number))]));
    const sign = this.isDescending ? -1 : 1;
    const isMissing = (value) => value === undefined || Number.isNaN(value);
    return numbers.sort((a, b) => {
      const one = keys.get(a), other = keys.get(b);
      if (isMissing(one) || isMissing(other)) return isMissing(one) - isMissing(other) || a - b;
      return sign * (one - other) || a - b;
    });
  }

  update({ keepPage = false } = {}) {
    this.shown = this.numbers();
    const nPages = Math.max(1, Math.ceil(this.shown.length / ROWS_A_PAGE));
    this.page = keepPage ? Math.min(this.page, nPages - 1) : 0;
    this.told.textContent = `${plural(this.shown.length, "individual")} of ${whole(this.runs.n)}`;
    this.chosenNote.hidden = this.chosen.length < 2;
    this.chosenNote.textContent = `${this.chosen.length} chosen in a plot: show all again`;
    this.drawHead();
    const start = this.page * ROWS_A_PAGE;
    this.body.replaceChildren(...this.shown.slice(start, start + ROWS_A_PAGE).map((number) => this.rowOf(number)));
    this.drawPages(nPages);
  }

  drawHead() {
    const sort = (key) => {
      this.isDescending = this.column === key ? !this.isDescending : key.startsWith("fitness") && this.runs.first.head.signs[0] > 0;
      this.column = key;
      this.update();
      this.headRow.querySelector("[aria-sort] button").focus();
    };
    this.headRow.replaceChildren(...this.columns().map((column) => {
      const isSorted = column.key === this.column;
      const arrow = isSorted ? (this.isDescending ? " ▾" : " ▴") : "";
      const order = isSorted ? (this.isDescending ? "descending" : "ascending") : null;
      const button = h("button", { type: "button", click: () => sort(column.key) }, column.name, h("span", { "aria-hidden": "true" }, arrow));
      return h("th", { scope: "col", class: column.kind || null, "aria-sort": order }, button);
    }));
  }

  rowOf(number) {
    const [run, row] = this.runs.at(number);
    const cells = this.columns().map((column) => {
      const text = column.text(run, row);
      if (column.key !== "id") return h("td", { class: column.kind || null }, text);
      const button = h("button", { type: "button", click: () => this.open(number), "aria-label": `open individual ${text}` }, text);
      return h("td", { class: "number" }, this.runs.areMany ? chip(run) : null, button);
    });
    const isOpen = this.chosen.includes(number);
    const openRow = (event) => event.target.closest("button") || this.open(number);
    return h("tr", { click: openRow, class: isOpen ? "open" : null, "data-number": number }, cells);
  }

  drawPages(nPages) {
    const go = (page) => () => { this.page = page; this.update({ keepPage: true }); };
    const button = (name, page, isThere) => h("button", { type: "button", click: go(page), disabled: !isThere }, name);
    this.pages.hidden = nPages < 2;
    this.pages.replaceChildren(
      button("first", 0, this.page > 0), button("before", this.page - 1, this.page > 0),
      h("span", {}, ` page ${whole(this.page + 1)} of ${whole(nPages)} `),
      button("next", this.page + 1, this.page < nPages - 1), button("last", nPages - 1, this.page < nPages - 1));
  }

  /** Rows were chosen in a plot. */
  choose(numbers) {
    this.chosen = numbers;
    this.update({ keepPage: numbers.length < 2 });
  }
}
