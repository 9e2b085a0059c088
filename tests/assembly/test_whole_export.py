"""Whole networks and stacks of cells as files that run elsewhere."""

import json

import onnxruntime
import pytest
import torch
from safetensors.torch import save_file

from deap_nas import FlatSpace, load_genotype, save_genotype
from deap_nas.assembly import build_network, export_network, read_weights
from deap_nas.errors import ExportError, UnknownNameError
from deap_nas.graph import RESIZE, Convolution, Graph, Node, Pooling, SeparableConvolution
from deap_nas.template import CellStack, WholeNetwork
from tests.graphs import GRAPHS

INPUT = Node("input")
WHOLE = Graph(
    (
        INPUT,
        Node(Convolution(5, (3, 1), (1, 3)), (0,), path=(1,)),
        Node(SeparableConvolution(7, 5, 2), (0,), path=(2,)),
        Node(RESIZE, (2, 1)),
        Node("add", (1, 3)),
        Node(RESIZE, (4, 2)),
        Node("concat", (2, 5)),
        Node(Pooling("max", (3, 1), 2), (6,), path=(7,)),
        Node(Pooling("avg", 3, 2), (6,), path=(8,)),
        Node("add", (7, 8)),
        Node(RESIZE, (0, 9)),  # of the image, to more channels
        Node("add", (9, 10)),
    ),
    11,
)
NORMAL = Graph(
    (INPUT, INPUT, Node("conv_3x3", (0,), path=(2,)), Node(Pooling("avg", 3), (1,), path=(3,)), Node("add", (2, 3))),
    4,
    2,
)
REDUCTION = Graph(
    (
        INPUT,
        INPUT,
        Node(Pooling("max", 3, 2), (0,), path=(2,)),
        Node(Convolution(4, 3, 2), (1,), path=(3,)),
        Node("concat", (2, 3)),
    ),
    4,
    2,
)
CASES = {
    "whole network": (WHOLE, WholeNetwork(n_classes=3, image_channels=2, image_size=14)),
    "stack of cells": ((NORMAL, REDUCTION), CellStack(n_classes=3, image_channels=1, image_size=9, channels=2)),
}


@pytest.fixture(params=CASES, scope="module")
def exported(request, tmp_path_factory):
    """Paths of both files, the network and its template."""
    genotype, template = CASES[request.param]
    folder = tmp_path_factory.mktemp("exported")
    export_network(GRAPHS, genotype, template, weights=None, folder=folder, seed=3)
    return folder / "network.pt2", folder / "network.onnx", template


@pytest.mark.parametrize("n_images", [1, 2, 7])
def test_both_files_compute_the_same_for_any_batch(exported, n_images):
    """That they compute what the network does is checked before they take their place."""
    program, onnx, template = exported
    shape = (n_images, template.image_channels, template.image_size, template.image_size)
    images = torch.randn(shape, generator=torch.Generator().manual_seed(n_images))
    logits = torch.export.load(program).module()(images)
    assert logits.shape == (n_images, template.n_classes)
    (found,) = onnxruntime.InferenceSession(onnx).run(None, {"images": images.numpy()})
    torch.testing.assert_close(torch.from_numpy(found), logits, rtol=1e-3, atol=1e-5)
    assert n_images == 1 or not torch.allclose(logits[0], logits[1], atol=1e-3)


def test_resizing_is_exported_for_sizes_whose_quotient_is_rounded_off(tmp_path):
    """From 52 rows and columns to 22 and back; runtimes may take other ones by a quotient in float32."""
    nodes = (INPUT, Node(Pooling("max", 3, 3), (0,), path=(1,)), Node(Pooling("max", 7, 7), (0,), path=(2,)))
    graph = Graph((*nodes, Node(RESIZE, (1, 2)), Node(RESIZE, (2, 1)), Node(RESIZE, (4, 3)), Node("add", (3, 5))), 6)
    template = WholeNetwork(n_classes=3, image_size=154)
    files = export_network(GRAPHS, graph, template, weights=None, folder=tmp_path)
    assert [file.path.name for file in files] == ["network.pt2", "network.onnx"]


SPACE, GENES = FlatSpace(nodes=3), [1, 2, 3]
TEMPLATE = WholeNetwork(n_classes=3, image_channels=1, image_size=8, stem=((4, 2),))


def save_weights(path, template=None):
    described = {"space": SPACE.to_dict(), "genes": GENES, "template": template or TEMPLATE.to_dict()}
    tensors = {name: value.contiguous() for name, value in build_network(SPACE, GENES, TEMPLATE).state_dict().items()}
    save_file(tensors, path, {name: json.dumps(value) for name, value in described.items()})


def test_weights_of_a_whole_network_are_read_and_exported(tmp_path):
    save_weights(tmp_path / "run1.safetensors")
    assert read_weights(tmp_path / "run1.safetensors").template == TEMPLATE
    (file,) = export_network(SPACE, GENES, TEMPLATE, weights=tmp_path / "run1.safetensors", folder=tmp_path, onnx=False)
    assert file.difference < 1e-4
    other = WholeNetwork(n_classes=3, image_channels=1, image_size=8)
    with pytest.raises(ExportError, match="holds the weights of another network: its template is"):
        export_network(SPACE, GENES, other, weights=tmp_path / "run1.safetensors", folder=tmp_path, onnx=False)


def test_weights_whose_template_is_of_an_unknown_kind_are_refused_with_the_known_ones(tmp_path):
    save_weights(tmp_path / "run1.safetensors", {"kind": "of my own"})
    with pytest.raises(UnknownNameError, match="unknown template 'of my own'; known: cells, stack, whole"):
        read_weights(tmp_path / "run1.safetensors")


def test_a_genotype_file_holds_any_template(tmp_path):
    save_genotype(tmp_path / "genotype.json", SPACE, GENES, TEMPLATE)
    assert load_genotype(tmp_path / "genotype.json") == (SPACE, GENES, TEMPLATE)
    fields = json.loads((tmp_path / "genotype.json").read_text())
    fields["template"]["kind"] = "of my own"
    (tmp_path / "genotype.json").write_text(json.dumps(fields))
    with pytest.raises(UnknownNameError, match="unknown template 'of my own'"):
        load_genotype(tmp_path / "genotype.json")
    fields["template"] = []
    (tmp_path / "genotype.json").write_text(json.dumps(fields))
    with pytest.raises(ExportError, match=r"is no genotype file: .*a template is described by a dictionary"):
        load_genotype(tmp_path / "genotype.json")
