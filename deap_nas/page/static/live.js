// A page that lives: every two seconds it asks for the rows that it lacks.

const SECONDS_BETWEEN = 2;

async function fetchGenotype(live, runs, run, row) {
  const answer = await fetch(`${live}/genotype?run=${runs.all.indexOf(run)}&row=${row}`);
  if (!answer.ok) return null;
  run.keep(await answer.json());
  return run.genotypes.get(row);
}

async function follow(live, runs, plots, table, draw) {
  const message = byId("message");
  let version = "";
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, 1000 * SECONDS_BETWEEN));
    if (document.hidden) continue;
    try {
      const known = runs.all.map((run) => `${run.head.run}.${run.n}`).join(",");
      const answer = await fetch(`${live}/news?known=${known}&version=${version}`);
      if (answer.status === 204) continue;
      if (!answer.ok) throw new Error(await answer.text());
      const news = await answer.json();
      version = news.version;
      const chosen = plots.selected.map((number) => runs.at(number)).map(([run, row]) => [run, run.id[row]]);
      news.runs.forEach((content, number) => content && runs.all[number].take(content));
      runs.count();
      draw();
      const numbers = chosen.filter(([run, id]) => run.rowOf.has(id)).map(([run, id]) => run.offset + run.rowOf.get(id));
      plots.select(numbers);
      table.chosen = numbers;
      table.refresh();
      message.textContent = "";
    } catch (error) {
      message.textContent = `No news: ${error.message}. The page shows what it knew last, and goes on asking.`;
    }
  }
}
