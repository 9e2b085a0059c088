"""How long a page of many individuals takes to be made, to appear and to be zoomed into, and how large it is.

Runs of so many individuals are made up: tournaments and mutations of hierarchical genotypes, with a fitness that is a
sum over the genes, on 16 workers; an evaluation in a hundred fails. A page is made by ``deap-nas report`` in a process
of its own, and opened in a Chromium without a window::

    python benchmarks/page.py

Then ``deap-nas serve`` shows the same run to a browser while nothing new comes, and its processor time is taken.

The bars are those of a page that one likes to use: of 7,000 individuals it is made in 3 s, has at most 3 MB, and shows
the first plot 1 s after it was opened; of 100,000 it is made in 15 s; a server that has nothing to tell takes at most
2 % of a core.
"""

import argparse
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np
from machine import describe
from playwright.sync_api import sync_playwright
from store import write_column

from deap_nas import Genotype, HierarchicalSpace, initDiversified, mutEdge
from deap_nas.store import HDF5Store

N_WORKERS = 16
POPULATION = 1000
SPACE = HierarchicalSpace()
#: Individuals, and the bars: seconds to be made, megabytes, seconds to the first plot.
BARS = {7_000: (3.0, 3.0, 1.0), 100_000: (15.0, None, None)}
IDLE_BAR = 2.0
#: Seconds until a server has told all that takes longer.
SETTLING = 15
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
#: What the page does when somebody zooms into its first plot: seconds from the change to the picture after it.
ZOOM = """async () => {
  const view = [...Bokeh.index].find((each) => each.model.type === "Figure");
  const before = performance.now(), range = view.model.x_range, width = range.end - range.start;
  range.setv({start: range.start + 0.4 * width, end: range.end - 0.4 * width});
  await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  return (performance.now() - before) / 1000;
}"""


def genealogy(n_rows, rng):
    """Genes, parents, fitness and status of a run that is made up."""
    values = [[rng.gauss(0, 1) for _ in range(up + 1)] for up in SPACE.up]
    genes, parents, fitness = [], [], []
    for number in range(n_rows):
        alive = range(max(0, number - POPULATION), number)
        parent = max(rng.sample(alive, 50), key=fitness.__getitem__) if number >= 200 else -1
        child = Genotype(genes[parent]) if parent >= 0 else initDiversified(Genotype, SPACE, n_mutations=50, rng=rng)
        if parent >= 0:
            mutEdge(child, SPACE, rng=rng)
        genes.append(child)
        parents.append(parent)
        total = sum(row[gene] for row, gene in zip(values, child, strict=True))
        fitness.append(1 / (1 + np.exp(-total / 20)) + rng.gauss(0, 0.004))
    return np.array(genes), np.array(parents), np.array(fitness)


def make_up(path, n_rows, *, seed=0):
    """Write a file of a run that is made up."""
    rng, generator = random.Random(seed), np.random.default_rng(seed)
    genes, parents, fitness = genealogy(n_rows, rng)
    status = np.where(generator.random(n_rows) < 0.01, 2, 0)
    seconds = generator.gamma(20, 3, n_rows)
    ids, worker = np.arange(n_rows), np.arange(n_rows) % N_WORKERS + 1
    finished = 1.7e9 + np.array([np.cumsum(seconds[worker == each]) for each in range(1, N_WORKERS + 1)], object)
    ended = np.empty(n_rows)
    for each, times in enumerate(finished, start=1):
        ended[worker == each] = times
    columns = {
        "id": ids, "parent": parents, "genes": genes, "status": status, "alive": ids >= n_rows - POPULATION,
        "fitness": np.where(status, 0.0, fitness)[:, None], "scores": np.where(status, np.nan, fitness)[:, None],
        "submitted": ended - seconds, "started": ended - seconds, "finished": ended, "worker": worker, "reused": -1,
        "host": b"node017", "threads": 1, "n_parameters": 10_000 + 900 * (genes > 0).sum(axis=1),
        "flops": 2_000_000 + 90_000 * genes.sum(axis=1), "compute": 3e12 + 1e10 * genes.sum(axis=1),
    }  # fmt: skip
    HDF5Store.create(path, space=SPACE, settings={}, seed=seed, n_repeats=1).close()
    with h5py.File(path, "r+") as file:
        for group in (file["individuals"], file["submissions"]):
            for name, column in group.items():
                write_column(column, columns[name], n_rows)
        failed = ids[status > 0]
        for name, numbers in (("id", failed), ("text", np.full(len(failed), b"RuntimeError: made up"))):
            write_column(file["errors"][name], numbers, len(failed))
        file["rng/words"][0] = random.Random(0).getstate()[1]
        file["rng/count"][0] = n_rows


def seconds_to_make(path, page):
    """Seconds of the command that makes a page, from its start to its end."""
    before = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "deap_nas.cli", "report", path, "--output", page], check=True, stdout=subprocess.PIPE
    )
    return time.perf_counter() - before


def look(browser, page, n_looks):
    """Seconds to the first plot, to the whole page, and of a zoom: medians of several looks."""
    found = []
    for _ in range(n_looks):
        tab = browser.new_page(viewport={"width": 1280, "height": 900}, bypass_csp=True)  # for the script of the zoom
        before = time.perf_counter()
        tab.goto(page.as_uri(), wait_until="commit")
        tab.wait_for_selector("#plot-by-evaluations > *", timeout=60_000)
        first = time.perf_counter() - before
        tab.wait_for_selector("html[data-ready=yes]", timeout=60_000)
        whole = time.perf_counter() - before
        found.append((first, whole, statistics.median(tab.evaluate(ZOOM) for _ in range(3))))
        tab.close()
    return [statistics.median(column) for column in zip(*found, strict=True)]


def idle_share(program, path, seconds):
    """Share of a core that a server takes while a page is open and nothing new comes."""
    command = [sys.executable, "-m", "deap_nas.cli", "serve", path, "--port", "0"]
    with (
        sync_playwright() as playwright,
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server,
        playwright.chromium.launch(executable_path=program, args=["--no-sandbox"]) as browser,
    ):
        tab = browser.new_page()
        tab.goto(server.stdout.readline().split()[1])
        tab.wait_for_selector("html[data-ready=yes]", timeout=60_000)
        tab.wait_for_timeout(1000 * SETTLING)
        before = processor_seconds(server.pid)
        tab.wait_for_timeout(1000 * seconds)
        share = (processor_seconds(server.pid) - before) / seconds
        server.terminate()
    return share


def processor_seconds(number):
    """Of a process, until now."""
    fields = Path(f"/proc/{number}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def told(value, bar, unit):
    """A measure beside its bar."""
    return f"{value:6.2f} {unit}" + ("" if bar is None else f" ({bar:g}: {'met' if value <= bar else 'MISSED'})")


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=list(BARS), metavar="N", help="individuals of each run")
    parser.add_argument("--looks", type=int, default=3, metavar="N", help="times that each page is opened (default: 3)")
    parser.add_argument("--seconds", type=int, default=30, metavar="N", help="that a server is watched (default: 30)")
    args = parser.parse_args()
    describe("deap-nas", "bokeh", "numpy", "playwright")
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        print(f"no browser: none of {', '.join(BROWSERS)} is installed")
    with tempfile.TemporaryDirectory() as folder:
        for n_rows in args.rows:
            path, page = Path(folder, f"{n_rows}.h5"), Path(folder, f"{n_rows}.html")
            make_up(path, n_rows)
            seconds, n_megabytes, first = BARS.get(n_rows, (None, None, None))
            print(f"{n_rows:,} individuals")
            print(f"  made in             {told(seconds_to_make(path, page), seconds, 's')}")
            print(f"  size                {told(page.stat().st_size / 1e6, n_megabytes, 'MB')}")
            if program is not None:
                look_at(program, page, args.looks, first)
                share = 100 * idle_share(program, path, args.seconds)
                print(f"  a server that waits {told(share, IDLE_BAR, '% of a core')}", flush=True)


def look_at(program, page, n_looks, bar):
    """Print what a browser takes."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        first, whole, zoom = look(browser, page, n_looks)
        browser.close()
    print(f"  first plot after    {told(first, bar, 's')}")
    print(f"  whole page after    {told(whole, None, 's')}")
    print(f"  a zoom takes        {told(zoom, None, 's')}", flush=True)


if __name__ == "__main__":
    main()
