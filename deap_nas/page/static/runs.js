// The runs of the page: typed arrays by row, and one number for each row of them all.

const TYPED = { Uint8Array, Int32Array, Float32Array, Float64Array };

function unpack(packed) {
  const bytes = Uint8Array.from(atob(packed.data), (letter) => letter.charCodeAt(0));
  return new TYPED[packed.array](bytes.buffer);
}

/** What stands compressed in the page. */
async function decompressed(letters) {
  const bytes = Uint8Array.from(atob(letters), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(stream).text());
}

function joined(first, second) {
  const whole = new first.constructor(first.length + second.length);
  whole.set(first);
  whole.set(second, first.length);
  return whole;
}

const ROW_ARRAYS = ["id", "parent", "finished", "seconds", "compute", "parameters", "flops", "worker", "reused", "scores"];

class Run {
  constructor(content, number) {
    this.colour = COLOURS[number % COLOURS.length];
    this.offset = 0;
    this.take(content);
  }

  get n() { return this.id.length; }
  get name() { return this.head.name; }

  /** Take what is new: rows from the first that are not here, or all. */
  take(content) {
    this.known = content.known;
    this.problem = content.problem;
    if (!content.head) return;
    this.head = content.head;
    const rows = content.rows, isWhole = rows.first === 0;
    for (const name of ROW_ARRAYS) {
      const values = unpack(rows[name]);
      this[name] = isWhole ? values : joined(this[name], values);
    }
    const fitness = rows.fitness.map(unpack);
    this.fitness = isWhole ? fitness : this.fitness.map((values, place) => joined(values, fitness[place]));
    this.status = unpack(rows.status);
    this.alive = unpack(rows.alive);
    this.nScores = rows.n_scores;
    this.errors = isWhole ? rows.errors : { ...this.errors, ...rows.errors };
    if (content.gains) this.gains = content.gains;
    if (content.drawing !== undefined) this.drawing = content.drawing;
    if (isWhole) {
      this.genotypes = new Map();
      this.rowOf = new Map();
    }
    if (content.genotypes) this.keep(content.genotypes);
    for (let row = this.rowOf.size; row < this.n; row++) this.rowOf.set(this.id[row], row);
    const stages = this.head.stages;
    this.stages = stages && Object.fromEntries(Object.entries(stages).map(([name, values]) => [name, unpack(values)]));
    this.children = null;
  }

  keep(genotypes) {
    unpack(genotypes.rows).forEach((row, place) => {
      const motifs = genotypes.drawings[place].map((number) => genotypes.motifs[number]);
      const genes = genotypes.genes && genotypes.genes[place], words = genotypes.words && genotypes.words[place];
      this.genotypes.set(row, { motifs, labels: genotypes.labels, genes, words });
    });
  }

  statusName(row) { return this.head.statuses[this.status[row]] || `status ${this.status[row]}`; }

  scoresOf(row) {
    return Array.from(this.scores.slice(row * this.nScores, (row + 1) * this.nScores)).filter(Number.isFinite);
  }

  /** Rows of the children of an individual. */
  childrenOf(row) {
    if (!this.children) {
      this.children = new Map();
      for (let child = 0; child < this.n; child++) {
        const parent = this.parent[child];
        if (parent >= 0) this.children.set(parent, [...(this.children.get(parent) || []), child]);
      }
    }
    return this.children.get(this.id[row]) || [];
  }
}

/** All runs side by side: each row of each of them has a number, by which plots and table choose it. */
class Runs {
  constructor(contents) {
    this.all = contents.map((content, number) => new Run(content, number));
    this.count();
  }

  count() {
    this.n = 0;
    for (const run of this.all) {
      run.offset = this.n;
      this.n += run.n;
    }
  }

  get areMany() { return this.all.length > 1; }
  get first() { return this.all[0]; }
  get nObjectives() { return Math.max(...this.all.map((run) => run.fitness.length)); }

  /** Run and row of a number. */
  at(number) {
    let place = this.all.length - 1;
    while (this.all[place].offset > number) place--;
    return [this.all[place], number - this.all[place].offset];
  }
}
