// A page that lives: it takes the rows that it lacks, and each genotype when it is opened.

const MOST_GENOTYPES = 500;

/** Genotypes of some rows, by the name under which the server knows their run. */
async function fetchGenotypes(live, runs, run, first, n) {
  const name = new URLSearchParams(live).getAll("run")[runs.all.indexOf(run)];
  const asked = new URLSearchParams({ run: name, of: run.head.run, first, n });
  const before = run.head.run, found = await ask(`genotypes?${asked}`);
  if (run.head.run === before) run.keep(found);
}

async function fetchGenotype(live, runs, run, row) {
  await fetchGenotypes(live, runs, run, row, 1).catch(() => null);
  return run.genotypes.get(row) || null;
}

/** Those that the page does not have yet; gives whether there were any. */
async function fetchMissing(live, runs) {
  let isMore = false;
  for (const run of runs.all)
    for (let first = 0; first < run.n; first += MOST_GENOTYPES) {
      const n = Math.min(MOST_GENOTYPES, run.n - first);
      if (Array.from({ length: n }, (_, place) => run.genotypes.has(first + place)).every(Boolean)) continue;
      await fetchGenotypes(live, runs, run, first, n);
      isMore = true;
    }
  return isMore;
}

/** What a page has of each run, as the server has told it. */
const knownOf = (runs) => runs.all.map((run) => `&known=${encodeURIComponent(run.known)}`).join("");
const problemsOf = (runs) => runs.all.filter((run) => run.problem)
  .map((run) => `${run.problem}. What is shown of it is what was known last; it is asked for again.`).join(" ");

/** Take news in, and keep what the reader has chosen and opened, as far as it is still there. */
async function takeNews(news, { runs, plots, table, panel, draw }) {
  const placeOf = (number) => { const [run, row] = runs.at(number); return [run, run.head.run, run.id[row]]; };
  const numberOf = ([run, name, id]) => (run.head.run === name && run.rowOf.has(id) ? run.offset + run.rowOf.get(id) : null);
  const chosen = Array.from(table.chosen, placeOf), opened = panel.number === null ? null : placeOf(panel.number);
  const isOther = ({ head }, number) => head && head.objectives.join() !== runs.all[number].head.objectives.join();
  if (news.runs.some((content, number) => content && isOther(content, number))) return location.reload();
  news.runs.forEach((content, number) => content && runs.all[number].take(content));
  runs.count();
  draw();
  table.chosen = chosen.map(numberOf).filter((number) => number !== null);
  plots.select(table.chosen);
  table.refresh();
  if (opened) panel.follow(numberOf(opened));
  await plots.embedMore();
}

/** Ask for news as long as the page is open. */
function follow(live, parts) {
  keepAsking(() => `news?${live}${knownOf(parts.runs)}`, (news) => takeNews(news, parts), () => problemsOf(parts.runs));
}
