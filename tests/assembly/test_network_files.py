import json
import pickle
import random
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from safetensors.torch import load_file, save_file

from deap_nas import FlatSpace, Genotype, HierarchicalSpace, NetworkTemplate, initDiversified
from deap_nas.assembly import build_network, export_network, read_weights
from deap_nas.assembly import network_files as export
from deap_nas.errors import ExportError, MissingExtraError, NotViableError

SPACE = FlatSpace(nodes=3)
GENES = [3, 4, 1]
TEMPLATE = NetworkTemplate.small_cifar(n_classes=3, channels=4, image_channels=1, image_size=8)
SIZE = (1, 8, 8)


def labels(**changes):
    fields = {"space": SPACE.to_dict(), "genes": GENES, "template": TEMPLATE.to_dict(), "dataset": "digits"} | changes
    return {name: json.dumps(value) for name, value in fields.items()}


def trained_network():
    """A network whose weights and statistics are not those that a new one has."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        network = build_network(SPACE, GENES, TEMPLATE)
        for _ in range(20):
            network(3 + 2 * torch.randn(16, *SIZE))
    return network


def save_weights(path, *, tensors=None, **changes):
    tensors = trained_network().state_dict() if tensors is None else tensors
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path, labels(**changes))
    return path


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return save_weights(tmp_path_factory.mktemp("trained") / "run1.safetensors")


@pytest.fixture(scope="module")
def exported(weights, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "new" / "folder"
    return export_network(SPACE, GENES, TEMPLATE, weights=weights, folder=folder)


def run_program(path, images):
    return torch.export.load(path).module()(images)


def run_onnx(path, images):
    session = onnxruntime.InferenceSession(path)
    (logits,) = session.run(None, {"images": images.numpy()})
    return torch.from_numpy(logits)


def test_export_writes_both_files_and_nothing_else(exported):
    folder = exported[0].path.parent
    assert [file.path for file in exported] == [folder / "network.pt2", folder / "network.onnx"]
    assert sorted(path.name for path in folder.iterdir()) == ["network.onnx", "network.pt2"]
    assert all(0 <= file.difference < 1e-4 for file in exported)
    assert exported[0].rounding == exported[1].rounding
    assert 0 < exported[0].rounding < 1e-4


@pytest.mark.parametrize("n_images", [1, 2, 7])
@pytest.mark.parametrize(("number", "run"), [(0, run_program), (1, run_onnx)], ids=["program", "onnx"])
def test_file_computes_what_the_trained_network_does_for_any_batch(exported, number, run, n_images):
    images = torch.randn(n_images, *SIZE, generator=torch.Generator().manual_seed(n_images))
    with torch.no_grad():
        expected = trained_network().eval()(images)
    logits = run(exported[number].path, images)
    torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-5)
    assert n_images == 1 or not torch.allclose(logits[0], logits[1], atol=1e-3)


def test_onnx_names_its_input_and_output_and_leaves_the_batch_open(exported):
    session = onnxruntime.InferenceSession(exported[1].path)
    (images,), (logits,) = session.get_inputs(), session.get_outputs()
    assert (images.name, images.shape) == ("images", ["batch", *SIZE])
    assert (logits.name, logits.shape) == ("logits", ["batch", 3])


def test_export_writes_nothing_to_the_terminal(weights, tmp_path, capfd):
    export_network(SPACE, GENES, TEMPLATE, weights=weights, folder=tmp_path)
    assert capfd.readouterr() == ("", "")


def test_untrained_network_is_the_same_for_a_seed_and_depends_on_the_image(tmp_path):
    space = HierarchicalSpace(motifs=(2, 1), nodes=(3, 4))
    genes = initDiversified(Genotype, space, rng=random.Random(1))
    state = torch.random.get_rng_state()
    for folder, seed in (("a", 0), ("b", 0), ("c", 1)):
        export_network(space, genes, TEMPLATE, weights=None, folder=tmp_path / folder, onnx=False, seed=seed)
    assert torch.equal(torch.random.get_rng_state(), state)
    images = torch.randn(2, *SIZE, generator=torch.Generator().manual_seed(9))
    a, b, c = (run_program(tmp_path / folder / "network.pt2", images) for folder in "abc")
    assert torch.equal(a, b)
    assert not torch.allclose(a, c, atol=1e-2)
    assert not torch.allclose(a[0], a[1], atol=1e-2)


def test_export_leaves_the_generators_of_gpus_alone(tmp_path, monkeypatch):
    seeded = []
    monkeypatch.setattr(torch.cuda, "manual_seed_all", seeded.append)
    export_network(SPACE, GENES, TEMPLATE, weights=None, folder=tmp_path, onnx=False)
    assert seeded == []


def test_weights_fit_genes_of_numpy(weights, tmp_path):
    genes = np.array(GENES, dtype=np.uint8)
    (file,) = export_network(SPACE, genes, TEMPLATE, weights=weights, folder=tmp_path, onnx=False)
    assert file.difference < 1e-4


def test_export_without_onnx_takes_the_onnx_of_an_earlier_one_away(exported, weights, tmp_path):
    for name in ("network.onnx", "network.onnx.data", "run1.safetensors"):
        (tmp_path / name).write_text("from before")
    (file,) = export_network(SPACE, GENES, TEMPLATE, weights=weights, folder=tmp_path, onnx=False)
    assert file.path == tmp_path / "network.pt2"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["network.pt2", "run1.safetensors"]


def test_onnx_that_keeps_its_weights_in_a_second_file_comes_with_it(weights, tmp_path, monkeypatch):
    kind = torch.onnx.ONNXProgram
    save = kind.save  # which does so by itself where a single file cannot hold them
    monkeypatch.setattr(kind, "save", lambda *args, **named: save(*args, **named | {"external_data": True}))
    _, file = export_network(SPACE, GENES, TEMPLATE, weights=weights, folder=tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["network.onnx", "network.onnx.data", "network.pt2"]
    images = torch.randn(2, *SIZE, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(run_onnx(file.path, images), run_program(tmp_path / "network.pt2", images))


def test_file_that_differs_from_the_network_is_an_error_and_no_file_is_left(weights, tmp_path, monkeypatch):
    monkeypatch.setattr(export, "_TOLERANCE", 0)  # ONNX sums in another order
    with pytest.raises(ExportError, match=r"network.onnx was not written: its logits differ from the network's by"):
        export_network(SPACE, GENES, TEMPLATE, weights=weights, folder=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_network_that_computes_nan_is_an_error(tmp_path):
    tensors = {name: tensor * float("nan") for name, tensor in trained_network().state_dict().items()}
    save_weights(tmp_path / "nan.safetensors", tensors=tensors)
    with pytest.raises(ExportError, match=r"network.pt2 was not written: .* by nan"):
        export_network(SPACE, GENES, TEMPLATE, weights=tmp_path / "nan.safetensors", folder=tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("space", FlatSpace(nodes=3, merge="add").to_dict()),
        ("genes", [1, 4, 3]),
        ("template", NetworkTemplate.small_cifar(n_classes=3, channels=8).to_dict()),
    ],
)
def test_weights_of_another_network_are_refused_and_nothing_is_written(name, value, tmp_path):
    path = save_weights(tmp_path / "run1.safetensors", **{name: value})
    with pytest.raises(ExportError, match=f"holds the weights of another network: its {name} is "):
        export_network(SPACE, GENES, TEMPLATE, weights=path, folder=tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("change", ["missing", "extra", "shape"])
def test_weights_that_do_not_fit_are_refused_with_the_name_of_one(change, tmp_path):
    tensors = trained_network().state_dict()
    name = "layers.head.1.1.bias" if change != "extra" else "layers.tail.weight"
    tensors[name] = torch.zeros(5)
    if change == "missing":
        del tensors[name]
    path = save_weights(tmp_path / "run1.safetensors", tensors=tensors)
    with pytest.raises(ExportError, match=f"does not fit the network: {name} of shape"):
        export_network(SPACE, GENES, TEMPLATE, weights=path, folder=tmp_path / "out")


class Malice:
    """Pickled, it makes a file when it is read."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_weights_that_are_a_pickle_are_refused_and_not_run(tmp_path):
    (tmp_path / "pickle.safetensors").write_bytes(pickle.dumps(Malice(tmp_path / "was_run")))
    torch.save(Malice(tmp_path / "was_run"), tmp_path / "torch.safetensors")
    for name in ("pickle", "torch"):
        with pytest.raises(ExportError, match="cannot be read as weights"):
            read_weights(tmp_path / f"{name}.safetensors")
    assert not (tmp_path / "was_run").exists()


def test_weights_are_read_with_all_they_are_labelled_with(weights):
    found = read_weights(weights)
    assert found.labels == {name: json.loads(text) for name, text in labels().items()}
    assert found.template == TEMPLATE
    assert {name: tensor.shape for name, tensor in found.tensors.items()} == {
        name: tensor.shape for name, tensor in load_file(weights).items()
    }


@pytest.mark.parametrize("name", ["space", "genes", "template"])
def test_weights_without_a_label_are_refused(name, tmp_path):
    found = labels()
    del found[name]
    save_file({"x": torch.zeros(1)}, tmp_path / "run1.safetensors", found)
    with pytest.raises(ExportError, match=f"does not say which network it belongs to: it has no {name}"):
        read_weights(tmp_path / "run1.safetensors")


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"n_classes": 0}', "[" * 200_000], ids=lambda text: text[:5])
def test_weights_with_a_label_that_makes_no_sense_are_refused(text, tmp_path):
    save_file({"x": torch.zeros(1)}, tmp_path / "run1.safetensors", labels() | {"template": text})
    with pytest.raises(ExportError, match="cannot be read as weights"):
        read_weights(tmp_path / "run1.safetensors")


def test_missing_weights_are_an_error_of_the_system(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_weights(tmp_path / "run1.safetensors")


def test_genotype_that_is_no_network_cannot_be_exported(tmp_path):
    with pytest.raises(NotViableError):
        export_network(SPACE, [0, 0, 0], TEMPLATE, weights=None, folder=tmp_path / "out")


@pytest.mark.parametrize("package", ["onnx", "onnxscript", "onnxruntime"])
def test_onnx_without_its_packages_says_so_before_any_work(package, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, package, None)
    with pytest.raises(MissingExtraError, match=rf"{package} is not installed; .*deap-nas\[export\]"):
        export_network(SPACE, GENES, TEMPLATE, weights=None, folder=tmp_path / "out")
    assert not (tmp_path / "out").exists()
