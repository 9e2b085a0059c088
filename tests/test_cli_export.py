import json
import random

import onnxruntime
import pytest
import torch
from safetensors.torch import save_file

from deap_nas import FlatSpace, Genotype, NetworkTemplate, canonical_key, cli, cost, load_genotype
from deap_nas.assembly import build_network
from deap_nas.evaluation import Evaluation, Job
from deap_nas.store import HDF5Store

SPACE = FlatSpace(nodes=3)
#: Genes of the individuals 0 and 1, and their fitness.
MEMBERS = [([3, 4, 1], 0.9), ([1, 1, 1], 0.25)]
TEMPLATE = NetworkTemplate.large_cifar(n_classes=3, channels=4, image_channels=1, image_size=8, n_cells=1)
SMALL = ["--template", "small-cifar", "--channels", "4"]


@pytest.fixture
def run_file(tmp_path):
    path = tmp_path / "run.h5"
    with HDF5Store.create(path, space=SPACE, settings={}, seed=0) as store:
        for number, (genes, fitness) in enumerate(MEMBERS):
            store.submit([Job(number, Genotype(genes), 0)], random.Random(0).getstate())
            store.append(Genotype(genes), Evaluation((fitness,), id=number))
    return path


def save_weights(path, *, genes=MEMBERS[0][0], template=TEMPLATE, factor=1, **more):
    path.parent.mkdir(exist_ok=True)
    with torch.random.fork_rng():
        torch.manual_seed(3)
        network = build_network(SPACE, genes, template)
    tensors = {name: factor * tensor.contiguous() for name, tensor in network.state_dict().items()}
    labels = {"space": SPACE.to_dict(), "genes": genes, "template": template.to_dict(), "dataset": "digits"} | more
    save_file(tensors, path, {name: json.dumps(value) for name, value in labels.items()})
    return path


def export(run_file, *arguments):
    return cli.main(["export", str(run_file), *map(str, arguments)])


def test_export_of_the_best_takes_the_first_trained_run_and_its_template(run_file, capfd):
    folder = run_file.with_name("run-id0-large-cifar")
    save_weights(folder / "run10.safetensors", template=NetworkTemplate.large_cifar())
    save_weights(folder / "run2.safetensors")
    (folder / "run0.checkpoint.safetensors").write_text("not a network")
    assert export(run_file) == 0
    out, err = capfd.readouterr()
    assert err == ""
    lines = out.splitlines()
    names = ("genotype.json", "network.pt2", "network.onnx")
    assert [line.split()[0] for line in lines] == [str(folder / name) for name in names]
    assert all(line.split("  ")[1].startswith("largest difference ") for line in lines[1:])
    assert "float32" not in out
    assert all((folder / name).stat().st_size > 500 for name in names)
    assert load_genotype(folder / "genotype.json") == (SPACE, MEMBERS[0][0], TEMPLATE)


def test_export_of_a_badly_conditioned_network_tells_how_far_float32_itself_leads_away(run_file, capfd):
    weights = save_weights(run_file.with_name("large.safetensors"), factor=50)
    assert export(run_file, "--weights", weights, "--no-onnx") == 0
    line = capfd.readouterr().out.splitlines()[1]
    words = "difference 0: the network is badly conditioned, float32 itself differs from float64 by"
    assert float(line.partition(words)[2]) >= 1e-4


def test_genotype_tells_where_it_came_from_and_what_it_costs(run_file, capsys):
    weights = save_weights(run_file.with_name("run-id0-large-cifar") / "run1.safetensors")
    assert export(run_file, "--no-onnx") == 0
    fields = json.loads(weights.with_name("genotype.json").read_text())
    assert fields["source"] == {
        "file": str(run_file),
        "id": 0,
        "fitness": [0.9],
        "weights": str(weights),
        "training": {"dataset": "digits"},
    }
    size = cost(SPACE, MEMBERS[0][0], TEMPLATE)
    assert fields["cost"] == {"n_parameters": size.n_parameters, "flops": size.flops}
    assert fields["canonical_key"] == canonical_key(SPACE, MEMBERS[0][0])


def test_class_names_go_into_every_file(run_file, capsys):
    names = ["cats", "dogs", "mäuse"]
    weights = save_weights(run_file.with_name("run-id0-large-cifar") / "run0.safetensors", images={"classes": names})
    assert export(run_file) == 0
    assert json.loads(weights.with_name("genotype.json").read_text())["classes"] == names
    found = {"classes.json": ""}
    torch.export.load(weights.with_name("network.pt2"), extra_files=found)
    assert json.loads(found["classes.json"]) == names
    session = onnxruntime.InferenceSession(weights.with_name("network.onnx"))
    assert json.loads(session.get_modelmeta().custom_metadata_map["classes"]) == names


@pytest.mark.parametrize("images", [None, [], {}, {"classes": ["cats"]}, {"classes": [1, 2, 3]}, {"classes": "abc"}])
def test_labels_that_name_no_classes_give_files_without(run_file, images, capsys):
    path = run_file.with_name("run-id0-large-cifar") / "run0.safetensors"
    weights = save_weights(path, **({} if images is None else {"images": images}))
    assert export(run_file, "--no-onnx") == 0
    assert "classes" not in json.loads(weights.with_name("genotype.json").read_text())


def test_named_weights_are_exported_beside_themselves_or_where_told(run_file, tmp_path, capsys):
    weights = save_weights(tmp_path / "elsewhere" / "best.safetensors", genes=MEMBERS[1][0])
    assert export(run_file, "--id", 1, "--weights", weights, "--no-onnx") == 0
    assert export(run_file, "--id", 1, "--weights", weights, "--no-onnx", "--output", tmp_path / "there") == 0
    for folder in ("elsewhere", "there"):
        assert load_genotype(tmp_path / folder / "genotype.json")[1] == MEMBERS[1][0]
        assert (tmp_path / folder / "network.pt2").exists()
        assert not (tmp_path / folder / "network.onnx").exists()


def test_untrained_network_is_exported_in_the_template_that_is_named(run_file, capsys):
    assert export(run_file, "--untrained", "--no-onnx", *SMALL, "--cells", 2) == 0
    folder = run_file.with_name("run-id0-small-cifar")
    template = NetworkTemplate.small_cifar(channels=4, n_cells=2)
    assert load_genotype(folder / "genotype.json") == (SPACE, MEMBERS[0][0], template)
    logits = torch.export.load(folder / "network.pt2").module()(torch.zeros(5, 3, 32, 32))
    assert logits.shape == (5, 10)
    source = json.loads((folder / "genotype.json").read_text())["source"]
    assert (source["weights"], source["training"]) == (None, {})


@pytest.mark.parametrize(
    ("fitness", "n_classes"),
    [
        ({"template": TEMPLATE.to_dict(), "images": {"classes": ["cats", "dogs", "mäuse"]}}, 3),
        ({"template": TEMPLATE.to_dict()}, 3),
        ({"template": TEMPLATE.to_dict() | {"n_classes": 0}}, 10),
        ("a name", 10),
    ],
)
def test_untrained_network_is_for_the_images_and_the_classes_of_the_search(tmp_path, fitness, n_classes, capsys):
    path = tmp_path / "run.h5"
    with HDF5Store.create(path, space=SPACE, settings={"fitness": fitness}, seed=0) as store:
        store.submit([Job(0, Genotype(MEMBERS[0][0]), 0)], random.Random(0).getstate())
        store.append(Genotype(MEMBERS[0][0]), Evaluation((0.5,), id=0))
    assert export(path, "--untrained", "--no-onnx", *SMALL) == 0
    folder, found = tmp_path / "run-id0-small-cifar", {"classes.json": ""}
    template = load_genotype(folder / "genotype.json")[2]
    images = (3, 32) if n_classes == 10 else (1, 8)
    assert template == NetworkTemplate.small_cifar(n_classes, 4, image_channels=images[0], image_size=images[1])
    torch.export.load(folder / "network.pt2", extra_files=found)
    names = ["cats", "dogs", "mäuse"] if "images" in fitness else None
    assert json.loads((folder / "genotype.json").read_text()).get("classes") == names
    assert json.loads(found["classes.json"] or "null") == names


def test_paths_of_a_genotype_are_whole(run_file, monkeypatch, capsys):
    monkeypatch.chdir(run_file.parent)
    save_weights(run_file.with_name("run-id0-large-cifar") / "run0.safetensors")
    assert export(run_file.name, "--no-onnx") == 0
    source = json.loads((run_file.with_name("run-id0-large-cifar") / "genotype.json").read_text())["source"]
    assert source["file"] == str(run_file)
    assert source["weights"] == str(run_file.with_name("run-id0-large-cifar") / "run0.safetensors")


def check_refused(capsys, status, *parts):
    """One line on standard error, with these parts."""
    out, err = capsys.readouterr()
    assert (status, out, err.count("\n")) == (1, "", 1)
    assert err.startswith("deap-nas: ")
    assert [part for part in parts if part not in err] == []


def test_export_without_weights_says_what_to_run(run_file, capsys):
    status = export(run_file)
    check_refused(capsys, status, "run-id0-large-cifar holds no trained network: run deap-nas retrain", "--untrained")


def test_weights_of_another_individual_are_refused(run_file, capsys):
    weights = save_weights(run_file.with_name("run-id0-large-cifar") / "run1.safetensors")
    status = export(run_file, "--id", 1, "--weights", weights)
    check_refused(capsys, status, "weights of another network: its genes is [3, 4, 1], not [1, 1, 1]")
    assert [path.name for path in weights.parent.iterdir()] == ["run1.safetensors"]


@pytest.mark.parametrize(
    "arguments",
    [("--template", "imagenet", "--channels", 4, "--cells", 1), ("--channels", 5, "--cells", 1), ("--channels", 4)],
)
def test_options_that_contradict_the_weights_are_refused(arguments, run_file, tmp_path, capsys):
    weights = save_weights(tmp_path / "run1.safetensors")
    status = export(run_file, "--weights", weights, *arguments)
    check_refused(capsys, status, "leave out --template, --channels and --cells")


def test_options_that_repeat_the_weights_are_accepted(run_file, tmp_path, capsys):
    weights = save_weights(tmp_path / "run1.safetensors")
    assert export(run_file, "--weights", weights, "--no-onnx", "--channels", 4, "--cells", 1) == 0


def test_file_that_holds_no_weights_and_unknown_individuals_are_one_line(run_file, tmp_path, capsys):
    (tmp_path / "no.safetensors").write_text("no weights")
    check_refused(capsys, export(run_file, "--weights", tmp_path / "no.safetensors"), "cannot be read as weights")
    check_refused(capsys, export(run_file, "--weights", tmp_path / "missing"), "missing")
    check_refused(capsys, export(run_file, "--id", 7, "--untrained"), "has no evaluated individual 7")
    check_refused(capsys, export(run_file, "--untrained", *SMALL, "--cells", 0), "must hold integers of at least 1")


def test_weights_and_untrained_exclude_each_other(run_file, capsys):
    with pytest.raises(SystemExit):
        export(run_file, "--untrained", "--weights", "x")
    assert "not allowed with" in capsys.readouterr().err
