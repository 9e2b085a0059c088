"""What the surrogate of EPNAS takes to score all candidates of a step, and to learn, beside the bars for it.

    python benchmarks/surrogates.py [--survivors 25] [--networks 25 100 300] [--rounds 3] [--share 0.05] [--seed 0]

A step of Perez-Rua 2018 <https://arxiv.org/abs/1808.00391>, section 4, scores every extension of 25 networks by a last
block or layer; in a later iteration it scores every replacement of one in the middle, from which on networks have
nothing in common. The micro space has 8 operations here, by which the paper's 5e14 networks are counted.

Times are CPU seconds on one thread, of the rounds the least. The peer is the same network as PyTorch runs it, on
batches of candidates, each read from its first token on; it scores a share of them, which tells the time for all.
"""

import argparse
import time
from functools import partial

import numpy as np
import torch
from machine import describe

from deap_nas import MacroSpace, MicroSpace
from deap_nas.surrogates import LSTMSurrogate

#: Candidates in a batch of the peer.
BATCH = 1024


#: With an eighth operation, whatever it is.
MICRO = MicroSpace(operations=(*MicroSpace().operations, "separable_conv_3x3"))
MACRO = MacroSpace()
SPACES = {"micro": MICRO, "macro": MACRO}
#: What is scored: name, space, block or layer that differs, and the most CPU seconds that it may take.
STEPS = (
    ("micro, extension by block 5", MICRO, 5, 5),
    ("macro, extension by layer 12", MACRO, 12, 30),
    ("micro, replacement of block 4", MICRO, 4, None),
    ("macro, replacement of layer 11", MACRO, 11, None),
)


def sample(space, n_networks, rng):
    """Draw networks of full length, (n_networks, genes)."""
    return rng.integers(0, space.up, (n_networks, len(space.up)), endpoint=True).astype(space.row_dtype)


def candidates(space, networks, level):
    """Give the networks with a block or layer, counted from 1, replaced by each that there is."""
    options = space.options(level)
    rows = np.repeat(networks, len(options), axis=0)
    rows[:, space.genes_of(level)] = np.tile(options, (len(networks), 1))
    return rows


def least_seconds(function, rounds):
    """CPU seconds of a function, the least of the rounds."""
    spent = []
    for _ in range(rounds):
        start = time.process_time()
        function()
        spent.append(time.process_time() - start)
    return min(spent)


def plain_scores(network, tokens):
    """Give the scores of sequences as PyTorch's LSTM reads them."""
    with torch.inference_mode():
        return np.concatenate([network(batch).numpy() for batch in torch.from_numpy(tokens).split(BATCH)])


def compare_scoring(args):
    """Print the time of each step, beside its bar, and that of the peer."""
    rng = np.random.default_rng(args.seed)
    print(f"scores of all candidates of {args.survivors} networks, CPU seconds")
    print("  step                            candidates  tokens   seconds   bar        plain LSTM   ratio   difference")
    for name, space, level, bar in STEPS:
        networks = sample(space, args.survivors, rng)
        rows = candidates(space, networks, level)
        surrogate = LSTMSurrogate(space, epochs=1, seed=args.seed)
        surrogate.fit(networks, rng.random(len(networks)))
        seconds = least_seconds(partial(surrogate.predict, rows), args.rounds)
        part = rng.choice(len(rows), max(1, round(args.share * len(rows))), replace=False)
        tokens = rows[part] + space.token_offsets
        plain = least_seconds(partial(plain_scores, surrogate._network, tokens), 1) * len(rows) / len(part)
        difference = np.abs(surrogate.predict(rows).mean[part] - plain_scores(surrogate._network, tokens)).max()
        verdict = "" if bar is None else f"{bar} {'met' if seconds <= bar else 'MISSED'}"
        print(
            f"  {name:30}{len(rows):>12,}{rows.shape[1]:>8}{seconds:>10.2f}   {verdict:<9}{plain:>12.1f}"
            f"{plain / seconds:>8.0f}{difference:>13.0e}",
            flush=True,
        )
    print()


def compare_fits(args):
    """Print the time of a first fit to so many networks."""
    rng = np.random.default_rng(args.seed)
    print("a fit of 50 epochs, CPU seconds")
    print(f"  {'networks':31}" + "".join(f"{n_networks:>10}" for n_networks in args.networks))
    for name, space in SPACES.items():
        shown = []
        for n_networks in args.networks:
            networks, values = sample(space, n_networks, rng), rng.random(n_networks)
            fit = partial(LSTMSurrogate(space, seed=args.seed).fit, networks, values)
            shown.append(least_seconds(fit, 1))
        tokens = f"{name}, {len(space.up)} tokens"
        print(f"  {tokens:31}" + "".join(f"{seconds:>10.2f}" for seconds in shown), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = partial(parser.add_argument, type=int)
    add("--survivors", default=25, help="networks that are extended (default: 25)")
    add("--networks", nargs="+", default=[25, 100, 300], help="that a fit learns from (default: 25 100 300)")
    add("--rounds", default=3, help="times that each scoring is repeated (default: 3)")
    add("--share", type=float, default=0.05, help="of the candidates that the peer scores (default: 0.05)")
    add("--seed", default=0, help="of everything random (default: 0)")
    args = parser.parse_args()
    torch.set_num_threads(1)
    describe("deap-nas", "torch", "numpy")
    compare_scoring(args)
    compare_fits(args)


if __name__ == "__main__":
    main()
