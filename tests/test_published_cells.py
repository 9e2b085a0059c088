"""The published cells in examples/cells: they are those of the papers, as their programs write them, and as large."""

import json
import re

import pytest
import torch

from deap_nas import CellStack, canonical_key, cost, load_genotype
from deap_nas.assembly import build_network
from tests.cells import n_parameters_by_hand
from tests.launch import ROOT

FOLDER = ROOT / "examples" / "cells"
NAMES = {
    "none": "identity",
    "skip_connect": "identity",
    "1x7_7x1": "bottleneck_conv_1x7_7x1",
    **{f"separable_{k}x{k}_2": f"stacked_separable_conv_{k}x{k}" for k in (3, 5, 7)},
    **{f"sep_conv_{k}x{k}": f"stacked_separable_conv_{k}x{k}" for k in (3, 5, 7)},
    **{f"dil_conv_{k}x{k}": f"dilated_separable_conv_{k}x{k}" for k in (3, 5)},
}


def slim_cell(operations, indices, used):
    """A cell as the programs of NASNet and AmoebaNet write it: its state 0 is our input 1, and the other way round."""
    operands = list(zip(operations.split(), indices, strict=True))
    state = [1, 0, 2, 3, 4, 5, 6]
    blocks = [[(state[i], NAMES.get(name, name)) for name, i in operands[k : k + 2]] for k in range(0, 10, 2)]
    return blocks, sorted(state[i] for i, is_used in enumerate(used) if not is_used)


def darts_cell(text):
    """A cell as the program of DARTS writes it."""
    found = re.findall(r"(\w+) (\d)", text)
    operands = [(int(source), NAMES.get(name, name)) for name, source in found]
    return [operands[k : k + 2] for k in range(0, 8, 2)], [2, 3, 4, 5]


CELLS = {
    "nasnet_a": (
        slim_cell(
            "separable_5x5_2 separable_3x3_2 separable_5x5_2 separable_3x3_2 avg_pool_3x3 none avg_pool_3x3 "
            "avg_pool_3x3 separable_3x3_2 none",
            [0, 1, 1, 1, 0, 1, 1, 1, 0, 0],
            [1, 0, 0, 0, 0, 0, 0],
        ),
        slim_cell(
            "separable_5x5_2 separable_7x7_2 max_pool_3x3 separable_7x7_2 avg_pool_3x3 separable_5x5_2 none "
            "avg_pool_3x3 separable_3x3_2 max_pool_3x3",
            [0, 1, 0, 1, 0, 1, 3, 2, 2, 0],
            [1, 1, 1, 0, 0, 0, 0],
        ),
    ),
    "amoebanet_a": (
        slim_cell(
            "avg_pool_3x3 max_pool_3x3 separable_3x3_2 none none avg_pool_3x3 separable_3x3_2 separable_5x5_2 "
            "avg_pool_3x3 separable_3x3_2",
            [0, 0, 1, 1, 0, 1, 0, 2, 5, 0],
            [1, 0, 1, 0, 0, 1, 0],
        ),
        slim_cell(
            "separable_3x3_2 avg_pool_3x3 max_pool_3x3 separable_7x7_2 max_pool_3x3 max_pool_3x3 separable_3x3_2 "
            "1x7_7x1 avg_pool_3x3 separable_7x7_2",
            [1, 0, 0, 2, 1, 0, 4, 0, 1, 0],
            [1, 1, 0, 0, 0, 0, 0],
        ),
    ),
    "darts_v1": (
        darts_cell(
            "sep_conv_3x3 1, sep_conv_3x3 0, skip_connect 0, sep_conv_3x3 1, skip_connect 0, sep_conv_3x3 1, "
            "sep_conv_3x3 0, skip_connect 2"
        ),
        darts_cell(
            "max_pool_3x3 0, max_pool_3x3 1, skip_connect 2, max_pool_3x3 0, max_pool_3x3 0, skip_connect 2, "
            "skip_connect 2, avg_pool_3x3 0"
        ),
    ),
    "darts_v2": (
        darts_cell(
            "sep_conv_3x3 0, sep_conv_3x3 1, sep_conv_3x3 0, sep_conv_3x3 1, sep_conv_3x3 1, skip_connect 0, "
            "skip_connect 0, dil_conv_3x3 2"
        ),
        darts_cell(
            "max_pool_3x3 0, max_pool_3x3 1, skip_connect 2, max_pool_3x3 1, max_pool_3x3 0, skip_connect 2, "
            "skip_connect 2, max_pool_3x3 1"
        ),
    ),
}
#: Channels of the first cells, parameters, and what the paper says of them, in millions.
SIZES = {
    ("nasnet_a", 32): (3_328_234, 3.3),
    ("amoebanet_a", 32): (2_558_858, 2.6),
    ("amoebanet_a", 36): (3_207_106, 3.2),
    ("darts_v1", 36): (3_169_414, 3.3),
    ("darts_v2", 36): (3_349_342, 3.3),
}


def stack(channels):
    return CellStack(channels=channels, n_normal=6, relu_first=True)


@pytest.mark.parametrize("name", CELLS)
def test_a_file_holds_the_cells_that_the_programs_of_the_paper_have(name):
    space, genotype, template = load_genotype(FOLDER / f"{name}.json")
    cells = [[list(map(tuple, pair)) for pair in blocks] for blocks in space.cells_of(genotype)]
    assert cells == [blocks for blocks, _ in CELLS[name]]
    assert [list(values) for values in space._outputs_of(space.cells_of(genotype))] == [
        values for _, values in CELLS[name]
    ]
    assert (name, template.channels) in SIZES
    assert template == stack(template.channels)


@pytest.mark.parametrize(("name", "channels"), SIZES)
def test_a_published_network_is_as_large_as_its_paper_says_or_as_fidelity_explains(name, channels):
    space, genotype, _ = load_genotype(FOLDER / f"{name}.json")
    found, (expected, reported) = cost(space, genotype, stack(channels)).n_parameters, SIZES[name, channels]
    assert found == expected
    assert (round(found / 1e6, 1) == reported) == (name != "darts_v1")
    cells, outputs = zip(*CELLS[name], strict=True)
    assert found == n_parameters_by_hand(cells, outputs, channels=channels, n_normal=6)
    row = f"| `{name}.json` | {channels} | {found:,} | {reported} M |"
    assert row in (ROOT / "docs" / "fidelity.md").read_text()


@pytest.mark.parametrize("name", CELLS)
def test_a_file_says_what_its_network_is_and_it_can_be_built(name):
    fields = json.loads((FOLDER / f"{name}.json").read_text())
    space, genotype, template = load_genotype(FOLDER / f"{name}.json")
    assert fields["cost"]["n_parameters"] == cost(space, genotype, template).n_parameters
    assert fields["canonical_key"] == canonical_key(space, genotype)
    assert fields["source"]["paper"].startswith("https://arxiv.org/abs/")
    network = build_network(space, genotype, template).eval()
    assert sum(each.numel() for each in network.parameters()) == fields["cost"]["n_parameters"]
    with torch.inference_mode():
        assert network(torch.zeros(1, 3, 32, 32)).shape == (1, 10)


def test_there_is_no_other_file():
    assert {path.stem for path in FOLDER.iterdir()} == set(CELLS)
