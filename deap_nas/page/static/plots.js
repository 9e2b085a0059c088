// Plots: rows into the sources of the figures, one selection for all of them, colours by day and by night.

/** Let the browser draw and hear what the reader does. */
const pause = () => new Promise((resolve) => setTimeout(resolve));

class Plots {
  constructor({ document: json, elements }, runs) {
    Bokeh.set_log_level("error");
    this.document = Bokeh.require("document").Document.from_json(json);
    this.figures = this.document.roots().map((figure, place) => ({ figure, element: byId(elements[place]) }));
    this.elements = [];
    this.sources = new Map();
    for (const model of this.document.all_models) if (model.name) this.sources.set(model.name, model);
    this.runs = runs;
    this.listeners = [];
    this.isTold = false;
    this.rows = this.source("rows");
    this.curves = this.source("curves");
    this.rows.selected.properties.indices.change.connect(() => {
      this.chooseCurves();
      if (!this.isTold) this.tell();
    });
    this.curves.selected.properties.indices.change.connect(() => {
      const chosen = this.curves.selected.indices.map((place) => this.curves.data.row[place]);
      if (chosen.join() !== this.chosenCurves) this.select(chosen, { isTold: false });
    });
  }

  source(name) { return this.sources.get(name); }
  onSelect(listener) { this.listeners.push(listener); }
  get selected() { return this.rows.selected.indices; }
  tell() { for (const listener of this.listeners) listener(this.rows.selected.indices); }

  /** Show the plots, the first one at once, the others one by one while the page can be used. */
  async embed() {
    for (const { figure } of this.figures) this.document.remove_root(figure);
    await Bokeh.embed.add_document_standalone(this.document, document.body, this.elements);
    await this.embedMore();
  }

  /** Show those that have something to show, and are not there yet. */
  async embedMore() {
    for (const { figure, element } of this.figures) {
      if (this.elements.includes(element) || element.closest("[hidden]")) continue;
      this.elements.push(element);
      this.document.add_root(figure);
      await pause();
    }
  }

  /** Curves of the rows that are chosen; not every row has one here. */
  chooseCurves() {
    const chosen = new Set(this.selected), places = [...this.curves.data.row.keys()];
    const found = places.filter((place) => chosen.has(this.curves.data.row[place]));
    this.chosenCurves = found.map((place) => this.curves.data.row[place]).join();
    this.curves.selected.indices = found;
  }

  /** Choose rows in all plots; listeners hear of it unless they have asked for it themselves. */
  select(numbers, { isTold = true } = {}) {
    this.isTold = isTold;
    this.rows.selected.indices = numbers;
    this.isTold = false;
  }

  /** Put all rows in, and show the plots that have something to show. */
  draw() {
    const runs = this.runs.all;
    this.rows.data = this.rowColumns();
    for (const [name, values] of [["evaluation", (_, row) => row + 1], ["hours", hoursOf], ["compute", computeOf]])
      this.source(`best-${name}`).data = lines(runs, (run) => bestLine(run, values));
    this.drawLineage();
    this.drawFronts();
    this.drawCurves();
    this.drawWorkers();
    const some = (test) => runs.some((run) => run.fitness[0].some((value, row) => Number.isFinite(value) && test(run, row)));
    const isShown = {
      "by-compute": some((run, row) => run.compute[row] > 0),
      parameters: some((run, row) => run.parameters[row] > 0),
      flops: some((run, row) => run.flops[row] > 0),
      curves: runs.some((run) => run.head.curves),
      predicted: some((run, row) => run.stages && Number.isFinite(run.stages.predicted[row])),
    };
    for (const [name, shown] of Object.entries(isShown)) show(`${name}-figure`, shown);
    show("size", isShown.parameters || isShown.flops || isShown.curves);
    show("objectives", this.runs.nObjectives > 1);
    show("surrogate", runs.some((run) => run.head.steps.length || run.head.retrainings.networks.length > 1));
  }

  rowColumns() {
    const { n, nObjectives } = this.runs;
    const numbers = () => new Float64Array(n).fill(NaN);
    const columns = { evaluation: numbers(), hours: numbers(), compute: numbers(), fitness: numbers(),
      parameters: numbers(), flops: numbers(), predicted: numbers() };
    for (let place = 0; place < nObjectives; place++) columns[`objective${place}`] = numbers();
    const texts = { id: new Array(n), name: new Array(n), alive: new Array(n),
      run_colour: new Array(n), alive_colour: new Array(n) };
    this.runs.all.forEach((run) => {
      const pale = paler(run.colour);
      for (let row = 0; row < run.n; row++) {
        const at = run.offset + row;
        columns.evaluation[at] = row + 1;
        columns.hours[at] = hoursOf(run, row);
        columns.compute[at] = computeOf(run, row);
        columns.fitness[at] = run.fitness[0][row];
        columns.parameters[at] = run.parameters[row] || NaN;
        columns.flops[at] = run.flops[row] || NaN;
        if (run.stages) columns.predicted[at] = run.stages.predicted[row];
        run.fitness.forEach((values, place) => (columns[`objective${place}`][at] = values[row]));
        texts.id[at] = String(run.id[row]);
        texts.name[at] = run.name;
        texts.alive[at] = run.alive[row] ? "alive" : "dead";
        texts.run_colour[at] = pale;
        texts.alive_colour[at] = run.alive[row] ? ALIVE : DEAD;
      }
    });
    return { ...columns, ...texts };
  }

  drawLineage() {
    const run = this.runs.first;
    const rows = run.head.lineage.map((one) => run.rowOf.get(one.id)).filter((row) => Number.isFinite(run.fitness[0][row]));
    this.source("lineage").data = {
      x: rows.map((row) => hoursOf(run, row)),
      y: rows.map((row) => run.fitness[0][row]),
      id: rows.map((row) => String(run.id[row])),
      row: rows.map((row) => run.offset + row),
    };
  }

  drawFronts() {
    const n = this.runs.nObjectives;
    for (let one = 0; one < n; one++)
      for (let other = one + 1; other < n; other++) {
        const name = `${one}-${other}`, source = this.source(`front-${name}`);
        if (!source) continue;
        const points = { x: [], y: [], colour: [] };
        for (const run of this.runs.all)
          for (const row of run.head.front) {
            points.x.push(run.fitness[one][row]);
            points.y.push(run.fitness[other][row]);
            points.colour.push(run.colour);
          }
        this.source(`front-points-${name}`).data = points;
        source.data = lines(this.runs.all, (run) => (n === 2 ? frontLine(run) : [[], []]));
      }
  }

  drawCurves() {
    const data = { xs: [], ys: [], colour: [], id: [], row: [] };
    for (const run of this.runs.all.filter((each) => each.head.curves)) {
      const { rows, n_rungs: n, values } = run.head.curves, all = unpack(values);
      unpack(rows).forEach((row, place) => {
        const curve = Array.from(all.slice(place * n, (place + 1) * n)).filter(Number.isFinite);
        data.xs.push(curve.map((_, rung) => rung + 1));
        data.ys.push(curve);
        data.colour.push(run.colour);
        data.id.push(String(run.id[row]));
        data.row.push(run.offset + row);
      });
    }
    this.curves.data = data;
  }

  drawWorkers() {
    const bars = { left: [], right: [], bottom: [], top: [], share: [], name: [] };
    const lost = { x: [], y: [] };
    let base = 0;
    for (const run of this.runs.all) {
      const { names, end, busy } = run.head.workers, shares = unpack(busy), n = shares.length / (names.length || 1);
      const width = end / n / 3600;
      names.forEach((name, worker) => {
        for (let place = 0; place < n; place++) {
          bars.left.push(place * width);
          bars.right.push((place + 1) * width);
          bars.top.push(-(base + worker));
          bars.bottom.push(-(base + worker) - 0.9);
          bars.share.push(shares[worker * n + place]);
          bars.name.push(this.runs.areMany ? `${name} of ${run.name}` : name);
        }
      });
      base += names.length + 1;
      for (const seconds of unpack(run.head.workers.lost)) { lost.x.push(seconds / 3600); lost.y.push(0); }
    }
    this.source("workers").data = bars;
    this.source("lost").data = lost;
    this.source("utilisation").data = lines(this.runs.all, (run) => {
      const shares = Array.from(unpack(run.head.workers.utilisation)), width = run.head.workers.end / shares.length / 3600;
      return [shares.map((_, place) => (place + 0.5) * width), shares];
    });
    show("workers", this.runs.all.some((run) => run.head.workers.names.length));
  }

  /** Words and lines in a colour that is easy to read on the page's ground. */
  wear(isDark) {
    const ink = isDark ? "#d5d5d5" : "#333333", line = isDark ? "#444444" : "#e3e3e3";
    for (const { figure } of this.figures) {
      for (const axis of [...figure.above, ...figure.below, ...figure.left, ...figure.right]) {
        if (axis.axis_label === undefined) continue;
        axis.axis_label_text_color = axis.major_label_text_color = ink;
        axis.axis_line_color = axis.major_tick_line_color = axis.minor_tick_line_color = ink;
        axis.axis_label_text_font_style = "normal";
      }
      for (const part of figure.center) if (part.grid_line_color !== undefined) part.grid_line_color = line;
    }
  }
}

const hoursOf = (run, row) => run.finished[row] / 3600;
const computeOf = (run, row) => run.compute[row];

const lines = (runs, lineOf) => {
  const found = runs.map(lineOf);
  return { xs: found.map((line) => line[0]), ys: found.map((line) => line[1]), colour: runs.map((run) => run.colour) };
};

/** Steps of the best so far: along, then up. */
function bestLine(run, valueOf) {
  const xs = [], ys = [];
  for (const row of run.head.records) {
    const x = valueOf(run, row), y = run.fitness[0][row];
    if (ys.length) { xs.push(x); ys.push(ys[ys.length - 1]); }
    xs.push(x);
    ys.push(y);
  }
  if (ys.length) { xs.push(valueOf(run, run.n - 1)); ys.push(ys[ys.length - 1]); }
  return [xs, ys];
}

/** Steps of a front of two objectives, which is sorted by the first. */
function frontLine(run) {
  const xs = [], ys = [];
  for (const row of run.head.front) {
    const [x, y] = run.fitness.map((values) => values[row]);
    if (ys.length) { xs.push(x); ys.push(ys[ys.length - 1]); }
    xs.push(x);
    ys.push(y);
  }
  return [xs, ys];
}
