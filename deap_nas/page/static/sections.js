// What is told in words and tables: what was found, the lineage, operations and changes, steps, failures, the facts.

const MOST_KINDS = 30;

function headerOf(run) {
  const head = run.head, total = head.n_total;
  const state = head.is_running ? "is running" : total && head.n_evaluated < total ? "is not running" : "has ended";
  const left = head.seconds_left === null ? "" : `, about ${duration(head.seconds_left)} left`;
  const pending = head.is_running && head.n_running !== null ? `, ${whole(head.n_running)} running` : "";
  const words = `${whole(head.n_evaluated)}${total ? ` of ${whole(total)}` : ""} evaluations${pending}${left}`;
  const bar = total ? h("progress", { max: total, value: Math.min(total, head.n_evaluated), "aria-label": words }) : null;
  return h("div", { class: "run" }, chip(run), h("strong", {}, run.name), ` ${state}: ${words} `, bar);
}

function foundOf(run, runs) {
  const best = run.head.best, heading = runs.areMany ? h("h3", {}, chip(run), run.name) : null;
  if (!best) return h("article", {}, heading, h("p", {}, "Nothing yet: no evaluation has succeeded."));
  const names = run.head.objectives;
  const facts = best.fitness.map((value, place) => [names[place], h("strong", {}, objective(value))]);
  if (best.scores.length > 1) facts.push(["repeats", best.scores.map((score) => decimal(score)).join(", ")]);
  facts.push(["median of all", decimal(run.head.median)]);
  if (best.n_parameters >= 0) facts.push(["parameters", whole(best.n_parameters)], ["FLOPs an image", whole(best.flops)]);
  if (run.head.hypervolume !== null) facts.push(["hypervolume of the front", run.head.hypervolume.toPrecision(6)]);
  facts.push(["work", `${duration(run.head.seconds)} of evaluations`]);
  if (run.head.compute > 0) facts.push(["compute", `${scientific(run.head.compute)} FLOPs of trainings`]);
  for (const { id, folder, accuracies } of run.head.retrainings.networks) if (id === best.id) facts.push([`test accuracy in ${folder}`, accuracies.map((value) => decimal(value)).join(", ")]);
  const picture = run.drawing && pictureOf(run.drawing);
  if (picture) picture.setAttribute("aria-label", `drawing of individual ${best.id}, the best network`);
  return h("article", { class: "found" }, heading,
    h("div", {},
      h("h3", {}, `Individual ${best.id} is the best`),
      h("dl", {}, facts.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])),
      best.commands.map(([words, command]) => [h("p", { class: "hint" }, `To ${words}:`), commandOf(command)])),
    picture ? h("div", { class: "paper", tabindex: 0, role: "region", "aria-label": "drawing of the best network" }, picture) : "");
}

function lineageOf(run, open) {
  const lineage = run.head.lineage;
  if (!lineage.length) return "";
  const button = (id) => h("button", { type: "button", class: "link", click: () => open(run.offset + run.rowOf.get(id)) }, String(id));
  const step = (one, place) => {
    const changes = one.changes.length ? one.changes : [place ? "nothing" : "the first of its line"];
    const before = place ? lineage[place - 1].fitness[0] : null, value = one.fitness[0];
    const isKnown = one.status === "OK" && place && lineage[place - 1].status === "OK";
    return [button(one.id), one.status === "OK" ? objective(value) : one.status, isKnown ? signed(run.head.signs[0] * (value - before)) : "",
      h("ul", { class: "plain" }, changes.map((change) => h("li", {}, change)))];
  };
  const columns = [["individual", "number"], [run.head.objectives[0], "number"], ["gain", "number"], ["what the step changed"]];
  return [h("h3", {}, `The line that led to individual ${run.head.best.id}`), tableOf("lineage of the best", columns, lineage.map(step))];
}

const bar = (share) => h("span", { class: "bar", "aria-hidden": "true" }, h("span", { style: `width:${Math.max(0, Math.min(100, 100 * share))}%` }));

function gainsOf(run) {
  const { operations, changes, n_sampled: n } = run.gains || { operations: [], changes: [], n_sampled: 0 };
  const operationRows = operations.map((one) => [one.name, [percent(one.share), bar(one.share)], percent(one.share_of_fittest),
    decimal(one.fitness_with), decimal(one.fitness_without)]);
  const nChildren = changes.reduce((sum, one) => sum + one.n_children, 0);
  const changeRows = changes.slice(0, MOST_KINDS).map((one) => [one.kind, [whole(one.n_children), bar(one.n_children / nChildren)],
    percent(one.n_better / one.n_children), percent(one.n_same / one.n_children), percent(one.n_worse / one.n_children),
    percent(1 - (one.n_better + one.n_same + one.n_worse) / one.n_children), signed(one.mean_gain), signed(one.best_gain)]);
  const sampled = n < run.n ? `Of ${whole(n)} individuals, evenly spread. ` : "";
  const more = changes.length > MOST_KINDS ? ` The ${MOST_KINDS} commonest of ${changes.length} kinds.` : "";
  return [
    operations.length ? [h("h3", {}, "Operations"), h("p", { class: "hint" }, `${sampled}How many networks use an operation, and how fit these are.`),
      tableOf("operations", [["operation"], ["in networks", "number"], ["in the fittest tenth", "number"], ["mean fitness with it", "number"], ["without it", "number"]], operationRows)] : [],
    changes.length ? [h("h3", {}, "Changes"), h("p", { class: "hint" }, `${sampled}What turned parents into children, N for any number, and how much fitter the children were.${more}`),
      tableOf("changes", [["change"], ["children", "number"], ["better", "number"], ["same", "number"], ["worse", "number"], ["no success", "number"], ["mean gain", "number"], ["best gain", "number"]], changeRows)] : [],
  ].flat();
}

function stepsOf(run) {
  const rows = run.head.steps.map((step) => [String(step.iteration), String(step.level), whole(step.n_networks), objective(step.best),
    step.tau === null ? "–" : decimal(step.tau, 2)]);
  const columns = [["iteration", "number"], ["level", "number"], ["networks", "number"], ["best fitness", "number"], ["rank correlation (Kendall's tau)", "number"]];
  return rows.length ? [h("h3", {}, "Steps of the progressive search"), tableOf("steps of the progressive search", columns, rows)] : "";
}

/** What the search saw of networks that were then trained to the end, with shared weights or its own. */
function retrainingsOf(run) {
  const { networks, tau } = run.head.retrainings;
  if (networks.length < 2) return "";
  const rows = networks.map((one) => [String(one.id), one.folder, objective(one.fitness), one.accuracies.map((value) => decimal(value)).join(", ")]);
  const columns = [["individual", "number"], ["retraining"], [`${run.head.objectives[0]} in the search`, "number"], ["test accuracies", "number"]];
  const rank = tau === null ? "" : h("p", {}, `Rank correlation of the two (Kendall's tau): ${decimal(tau, 2)}.`);
  return [h("h3", {}, "Networks that were retrained"), tableOf("networks that were retrained", columns, rows), rank];
}

function failuresOf(run) {
  const rows = run.head.failures.map(({ status, text, n }) => [status, whole(n), h("code", {}, text)]);
  return rows.length ? tableOf("failures", [["status"], ["times", "number"], ["what it said last"]], rows) : h("p", {}, "None.");
}

function factsOf(run) {
  return run.head.facts.map(([name, text]) =>
    text.includes("\n") ? h("details", {}, h("summary", {}, name), h("pre", { tabindex: 0 }, text)) : h("p", {}, h("strong", {}, `${name}: `), h("code", {}, text)));
}

/** Each run under its own heading, where there are several. */
const eachRun = (runs, contentOf) => runs.all.map((run) => {
  const content = [contentOf(run)].flat(3).filter(Boolean);
  return runs.areMany ? h("article", {}, h("h3", {}, chip(run), run.name), content) : content;
}).flat();

function comparisonOf(runs) {
  if (!runs.areMany) return "";
  const rows = runs.all.map((run) => {
    const best = run.head.best;
    return [[chip(run), run.name], whole(run.head.n_evaluated), best ? objective(best.fitness[0]) : "–", decimal(run.head.median), best ? whole(best.n_parameters) : "–",
      duration(run.head.seconds), scientific(run.head.compute)];
  });
  return tableOf("runs compared", [["run"], ["evaluations", "number"], ["best", "number"], ["median", "number"], ["parameters of the best", "number"],
    ["work", "number"], ["FLOPs of trainings", "number"]], rows);
}

function drawSections(runs, open) {
  fill("runs", runs.all.map(headerOf));
  fill("found-content", comparisonOf(runs), runs.all.map((run) => foundOf(run, runs)));
  fill("population-content", h("p", { class: "legend" },
    h("span", { class: "chip", style: `background:${ALIVE}` }), " alive ", h("span", { class: "chip", style: `background:${DEAD}` }), " dead ",
    h("span", { class: "chip", style: `background:${LINE}` }), ` line of the best${runs.areMany ? ` of ${runs.first.name}` : ""}`));
  fill("population-more", eachRun(runs, (run) => lineageOf(run, open)));
  fill("changes-content", eachRun(runs, gainsOf));
  fill("surrogate-content", eachRun(runs, (run) => [stepsOf(run), retrainingsOf(run)]));
  fill("failures-content", eachRun(runs, failuresOf));
  fill("facts-content", eachRun(runs, factsOf));
  const shown = [...document.querySelectorAll("main > section:not([hidden])")];
  fill("contents", shown.map((section) => h("li", {}, h("a", { href: `#${section.id}` }, section.querySelector("h2").textContent))));
}
