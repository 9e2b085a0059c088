"""What a population file costs: appending, a million rows, opening it again, and a writer that is killed.

    python benchmarks/store.py [--rows 1000000] [--ragged-rows 1000000] [--appends 3000]
                               [--session 100000] [--kills 200]

Rates are of wall-clock time, costs of CPU time; memory is the growth of the resident set in a process of its own, the
largest it had. A row is one of the paper's hierarchical genotypes with four scores; a ragged one a chain of 128 to 384
layers, which takes 1 KB in the mean.
"""

import argparse
import json
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import h5py
import numpy as np
from deap import base, creator
from machine import describe

from deap_nas import ChainSpace, Evaluation, Genotype, HierarchicalSpace, eaAsync, mutEdge, selTournamentFraction
from deap_nas.evaluation import Job
from deap_nas.executors import SerialExecutor
from deap_nas.store import HDF5Store, find_problems, resume_population

SPACE = HierarchicalSpace()
RAGGED = ChainSpace(min_layers=128, max_layers=384)
N_WARM_UP = 200
N_ROUNDS = 15
#: What is done with a file of many rows, each in a process of its own.
OPENINGS = {
    "read": "opened and read",
    "resume": "opened for resume and read",
    "records": "as records",
    "population": "as individuals of DEAP",
    "search": "by a search that goes on",
}


def create(path, space=SPACE):
    return HDF5Store.create(path, space=space, settings={}, seed=0, overwrite=True)


def append(store, n_rows, rng):
    """Submit and append rows as a search does; gives the seconds of wall clock and of CPU that the appending took."""
    state = rng.getstate()
    wall = processor = 0.0
    for number in range(store.n_submitted, store.n_submitted + n_rows):
        genes = store.space.sample(rng=rng)
        evaluation = Evaluation(
            (rng.random(),),
            scores=(0.5, 0.6, 0.7, 0.8),
            id=number,
            n_parameters=1000,
            flops=2000,
            host="node",
            worker=1,
        )
        store.submit([Job(number, genes, 0)], state)
        wall -= time.perf_counter()
        processor -= time.process_time()
        store.append(genes, evaluation)
        wall += time.perf_counter()
        processor += time.process_time()
    return wall, processor


def appending(paths, n_rows, rng):
    """Appends a second, and CPU seconds of each, to several files in turn; medians of the rounds."""
    with ExitStack() as stack:
        stores = [stack.enter_context(HDF5Store.resume(path)) for path in paths]
        for store in stores:
            append(store, N_WARM_UP, rng)
        n_each = max(1, n_rows // N_ROUNDS)
        rounds = [[append(store, n_each, rng) for store in stores] for _ in range(N_ROUNDS)]
    for times in zip(*rounds, strict=True):
        wall, processor = map(statistics.median, zip(*times, strict=True))
        yield n_each / wall, processor / n_each


def session(path, n_rows, n_each, rng):
    """CPU seconds of an append at the beginning and at the end of a session that appends so many rows."""
    with create(path) as store:
        append(store, N_WARM_UP, rng)
        _, begin = append(store, n_each, rng)
        append(store, max(0, n_rows - 2 * n_each - N_WARM_UP), rng)
        _, end = append(store, n_each, rng)
    return begin / n_each, end / n_each


def random_genes(space, n_rows, generator):
    """Genes as a file has them: an array, or for rows of different lengths all values and the end of each row."""
    if space is SPACE:
        return generator.integers(0, np.array(space.up) + 1, size=(n_rows, space.n_genes))
    n_layers = generator.integers(space.min_layers, space.max_layers + 1, size=n_rows)
    layers = generator.integers(0, np.array(space.layer_up) + 1, size=(n_layers.sum(), 4), dtype=space.row_dtype)
    return {"values": layers.reshape(-1), "offsets": 4 * np.cumsum(n_layers)}


def write_column(column, numbers, n_rows):
    """Put numbers, one or many, into a dataset of so many rows; or into each of a group's."""
    if isinstance(numbers, dict):
        for name, part in numbers.items():
            write_column(column[name], part, len(part))
    else:
        column.resize(n_rows, axis=0)
        column[...] = numbers


def fill(path, n_rows, seed, space=SPACE):
    """Lengthen an empty file to so many rows, all at once."""
    generator = np.random.default_rng(seed)
    ids = np.arange(n_rows)
    genes = random_genes(space, n_rows, generator)
    parent = np.where(ids < 200, -1, generator.integers(0, np.maximum(ids - 200, 1)))
    columns = {
        "id": ids,
        "parent": parent,
        "genes": genes,
        "alive": True,
        "status": 0,
        "reused": -1,
        "worker": ids % 99,
        "threads": 1,
        "compute": 0.0,
    }
    columns |= {"fitness": generator.random((n_rows, 1)), "scores": generator.random((n_rows, 4)), "host": b"node017"}
    columns |= {"submitted": 1e9 + ids, "started": 1e9 + ids, "finished": 1e9 + 60 + ids}
    columns |= {"n_parameters": generator.integers(10**5, size=n_rows), "flops": generator.integers(10**8, size=n_rows)}
    with h5py.File(path, "r+") as file:
        for group in (file["individuals"], file["submissions"]):
            for name, column in group.items():
                write_column(column, columns[name], n_rows)
        file["rng/words"][0] = random.Random(0).getstate()[1]
        file["rng/count"][0] = n_rows


def open_file(path, how):
    """Print CPU seconds and bytes of memory that one way of opening takes; in a process of its own."""
    creator.create("Fitness", base.Fitness, weights=(1.0,))
    creator.create("Individual", Genotype, fitness=creator.Fitness)
    HDF5Store.read(path).close()  # h5py is imported, the file is warm
    memory, start = peak_memory(), time.process_time()
    with (HDF5Store.resume if how in ("resume", "search") else HDF5Store.read)(path) as store:
        if how in ("read", "resume"):
            names = ("id", "parent", "genes", "fitness", "status", "alive", "scores", "n_parameters", "flops", "reused")
            kept = [store.column(name) for name in names]
        elif how == "records":
            kept = store.records()
        elif how == "population":
            kept = resume_population(store, creator.Individual, rng=random.Random(0))
        else:
            kept = go_on(store)
        spent = time.process_time() - start
    print(json.dumps([spent, peak_memory() - memory, len(kept)]))


def go_on(store):
    """Go on with a search for one evaluation, which costs nothing."""
    rng = random.Random(0)
    toolbox = base.Toolbox()
    toolbox.register("select", selTournamentFraction, rng=rng)
    toolbox.register("mutate", mutEdge, space=SPACE, rng=rng)
    toolbox.register("evaluate", lambda genotype: (float(sum(genotype)),))
    population = resume_population(store, creator.Individual, rng=rng)
    n_evaluations = store.n_evaluated + 1
    with SerialExecutor() as executor:
        eaAsync(population, toolbox, executor, n_evaluations=n_evaluations, store=store, rng=rng)
    return population


def peak_memory():
    """Largest resident set of this process so far, in bytes; getrusage would also count that of its parent."""
    with open("/proc/self/status", encoding="utf-8") as lines:
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


def write_until_killed(path):
    """Append rows and say so after each; in a process of its own."""
    with HDF5Store.resume(path) as store:
        rng = random.Random(store.n_submitted)
        sys.stdout.write("begun\n")
        while True:
            append(store, 1, rng)
            sys.stdout.write(f"{store.n_evaluated}\n")
            sys.stdout.flush()


def kill_writers(path, n_kills, rng):
    """How many of the kills lost a row that was acknowledged, or left a file that is not sound."""
    create(path).close()
    n_losses = acknowledged = 0
    for _ in range(n_kills):
        with subprocess.Popen([*OURSELVES, "--write", path], stdout=subprocess.PIPE, text=True) as writer:
            writer.stdout.readline()
            time.sleep(rng.uniform(0, 0.1))
            writer.send_signal(signal.SIGKILL)
            for line in writer.stdout:
                acknowledged = int(line) if line.endswith("\n") else acknowledged
        with HDF5Store.read(path) as store:
            n_losses += store.n_evaluated < acknowledged or bool(find_problems(store))
    return n_losses


OURSELVES = [sys.executable, __file__]


def compare(bar, value, holds):
    """Print a bar beside what was measured."""
    print(f"{bar:<62} {value:>14}  {'met' if holds else 'MISSED'}", flush=True)


def measure_openings(path, n_rows):
    limit = 2 * n_rows / 1e6
    for how, what in OPENINGS.items():
        done = subprocess.run([*OURSELVES, "--open", how, path], capture_output=True, text=True, check=True)
        seconds, n_bytes, _ = json.loads(done.stdout)
        compare(f"{n_rows:,} rows {what}, at most {limit:g} s of CPU", f"{seconds:.2f} s", seconds <= limit)
        compare(f"{n_rows:,} rows {what}, at most 1 KB a row", f"{n_bytes / n_rows:.0f} B", n_bytes <= 1024 * n_rows)


def measure_ragged(args, folder):
    """Rows of different lengths, 1 KB in the mean."""
    small, large = folder / "small-ragged.h5", folder / "large-ragged.h5"
    for path, n_rows in ((small, 1000), (large, args.ragged_rows)):
        create(path, RAGGED).close()
        fill(path, n_rows, args.seed, RAGGED)
    done = subprocess.run([*OURSELVES, "--open", "read", large], capture_output=True, text=True, check=True)
    seconds, limit = json.loads(done.stdout)[0], 4 * args.ragged_rows / 1e6
    what = f"{args.ragged_rows:,} ragged rows of 1 KB"
    compare(f"{what} read, at most {limit:g} s of CPU", f"{seconds:.2f} s", seconds <= limit)
    (rate, least), (_, most) = appending((small, large), args.appends, random.Random(args.seed))
    compare("at least 1,000 acknowledged appends of such rows a second", f"{rate:,.0f}", rate >= 1000)
    ratio = f"{1e6 * most:.0f} / {1e6 * least:.0f} us"
    compare(f"CPU of one at {args.ragged_rows:,} / 1,000 rows at most 1.2", ratio, most <= 1.2 * least)


def measure(args, folder):
    rng = random.Random(args.seed)
    small, large = folder / "small.h5", folder / "large.h5"
    for path, n_rows in ((small, 1000), (large, args.rows)):
        create(path).close()
        fill(path, n_rows, args.seed)
    n_bytes = large.stat().st_size / args.rows
    compare("in the file, at most 1 KB a row", f"{n_bytes:.0f} B", n_bytes <= 1024)
    measure_openings(large, args.rows)
    (rate, least), (_, most) = appending((small, large), args.appends, rng)
    compare("at least 1,000 acknowledged appends a second", f"{rate:,.0f}", rate >= 1000)
    ratio = f"{1e6 * most:.0f} / {1e6 * least:.0f} us"
    compare(f"CPU of an append at {args.rows:,} / 1,000 rows at most 1.2", ratio, most <= 1.2 * least)
    begin, end = session(small, args.session, args.appends, rng)
    ratio = f"{1e6 * end:.0f} / {1e6 * begin:.0f} us"
    compare(f"CPU of an append after {args.session:,} in one session at most 1.2", ratio, end <= 1.2 * begin)
    n_losses = kill_writers(folder / "killed.h5", args.kills, rng)
    compare(f"{args.kills} of {args.kills} kills lose nothing", f"{args.kills - n_losses}", n_losses == 0)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000, help="of the large file (default: 1000000)")
    parser.add_argument("--ragged-rows", type=int, default=1_000_000, help="of 1 KB, 0 for none (default: 1000000)")
    parser.add_argument("--appends", type=int, default=3000, help="that are timed (default: 3000)")
    parser.add_argument("--session", type=int, default=100_000, help="rows that one session appends (default: 100000)")
    parser.add_argument("--kills", type=int, default=200, help="of a writer, at random moments (default: 200)")
    parser.add_argument("--seed", type=int, default=0, help="of everything random (default: 0)")
    parser.add_argument("--open", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--write", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.open:
        open_file(Path(args.open[1]), args.open[0])
    elif args.write:
        write_until_killed(args.write)
    else:
        describe("deap-nas", "deap", "numpy", "h5py")
        with tempfile.TemporaryDirectory() as folder:
            measure(args, Path(folder))
            if args.ragged_rows:
                measure_ragged(args, Path(folder))


if __name__ == "__main__":
    main()
