// The start: read the page, draw it, and where somebody serves it ask for what is new.

async function start() {
  const runs = new Runs(await decompressed(byId("content").textContent));
  const plots = new Plots(JSON.parse(byId("plots").textContent), runs);
  const live = document.documentElement.dataset.live;
  const genotypeOf = async (run, row) => run.genotypes.get(row) || (live ? fetchGenotype(live, runs, run, row) : null);
  const open = (number, options) => {
    plots.select([number]);
    table.choose([number]);
    panel.show(number, options);
  };
  const draw = () => {
    plots.draw();
    drawSections(runs, open);
  };
  draw();
  wearBy(plots);
  await plots.embed();
  const panel = new IndividualPanel(runs, { open, genotypeOf });
  const table = new IndividualsTable(runs, { open, clear: () => { plots.select([]); table.choose([]); },
    learn: live ? () => fetchMissing(live, runs) : null });
  plots.onSelect((numbers) => {
    table.choose(Array.from(numbers));
    if (numbers.length === 1) panel.show(numbers[0], { takesFocus: false });
  });
  if (live) follow(live, { runs, plots, table, panel, draw });
  document.documentElement.dataset.ready = "yes";
}

/** Colours by the reader's choice; on paper those of the day. */
function wearBy(plots) {
  const night = matchMedia("(prefers-color-scheme: dark)");
  plots.wear(night.matches);
  night.addEventListener("change", () => plots.wear(night.matches));
  addEventListener("beforeprint", () => plots.wear(false));
  addEventListener("afterprint", () => plots.wear(night.matches));
}

start().catch((error) => {
  byId("message").textContent = `This page cannot be shown: ${error.message}. It needs a browser of 2023 or later.`;
  console.error(error);
});
