// The list of the runs of a folder: each leads to its page, those that are ticked to one page of them all.

const TIME = { dateStyle: "medium", timeStyle: "short" };

function rowOf(entry, isTicked) {
  const tick = h("input", { type: "checkbox", name: "run", value: entry.run, "aria-label": `tick ${entry.run}`, change: countTicks });
  tick.checked = isTicked;
  const when = new Date(1000 * entry.started).toLocaleString("en-GB", TIME);
  if (entry.problem) return ["", entry.run, when, "", "", h("span", { class: "error" }, entry.problem)];
  const link = h("a", { href: `page?${new URLSearchParams({ run: entry.run })}` }, entry.run);
  const total = entry.n_total ? ` of ${whole(entry.n_total)}` : "";
  const state = entry.is_running ? "is running" : entry.n_evaluated < entry.n_total ? "is not running" : "has ended";
  const best = entry.best === null ? "–" : `${objective(entry.best)} ${entry.objective}`;
  return [tick, link, when, `${whole(entry.n_evaluated)}${total}`, best, state];
}

function countTicks() {
  byId("open").disabled = !document.querySelector("#list input:checked");
}

function drawList(entries) {
  const nameOf = (element) => element.value || element.href;
  const focused = document.activeElement && nameOf(document.activeElement);
  const ticked = new Set(Array.from(document.querySelectorAll("#list input:checked"), (tick) => tick.value));
  const columns = [[""], ["run"], ["started"], ["evaluations", "number"], ["best", "number"], ["state"]];
  const rows = entries.map((entry) => rowOf(entry, ticked.has(entry.run)));
  fill("list", rows.length ? tableOf("runs of the folder", columns, rows) : h("p", {}, "There are no population files (*.h5) yet."));
  const again = focused && [...document.querySelectorAll("#list input, #list a")].find((element) => nameOf(element) === focused);
  if (again) again.focus();
  countTicks();
}

let told = JSON.parse(byId("content").textContent);
drawList(told.entries);
keepAsking(() => `runs?known=${told.known}`, (news) => { told = news; drawList(news.entries); }, () => "");
document.documentElement.dataset.ready = "yes";
