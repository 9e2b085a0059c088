"""The weights that a search has left are a result: measured on the test images, and exported."""

import json
import random
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file

from deap_nas import ChainSpace, FlatSpace, Genotype, NetworkTemplate, cli, cost, eaAsync, load_genotype
from deap_nas.assembly import build_network, weight_names
from deap_nas.assembly.weights import read_tensors
from deap_nas.errors import ExportError, SettingsError
from deap_nas.evaluation import Job, Status
from deap_nas.executors import SerialExecutor
from deap_nas.report import best_id
from deap_nas.store import HDF5Store, merge_runs
from deap_nas.training import SEARCH, AccuracyFitness, searched_accuracies, searched_network
from deap_nas.training.data.batches import search_sets, to_device
from deap_nas.training.data.datasets import load_test_images
from deap_nas.training.trainer import accuracy
from tests.sources import FILES, imports_of
from tests.toolboxes import MaxIndividual, make_toolbox

SPACE = FlatSpace(nodes=3, operations=("conv_1x1", "conv_3x3"))
CHAINS = ChainSpace(max_layers=4, channels=(4, 6))
CPU = torch.device("cpu")


def make_fitness(folder, space=SPACE, **changes):
    options = {"recipe": replace(SEARCH, steps=15, batch_size=64), "repeats": 2, "device": "cpu", "seed": 4}
    if space is SPACE:
        options["template"] = NetworkTemplate.small_cifar(channels=4)
    return AccuracyFitness(space, **(options | {"weights_dir": folder} | changes))


def search(path, *, seed=5, **changes):
    """A search of six individuals, of whom each has inherited weights but for the first three."""
    rng, fitness = random.Random(seed), make_fitness(path.with_name(f"{path.stem}-weights"), **changes)
    toolbox = make_toolbox(fitness, rng=rng, space=SPACE)
    population = [MaxIndividual(genes) for genes in ([1, 2, 1], [1, 1, 2], [0, 0, 0])]
    settings = {"fitness": fitness.to_dict(), "device": "cpu"}
    with HDF5Store.create(path, space=SPACE, settings=settings, seed=seed) as store, SerialExecutor() as executor:
        eaAsync(population, toolbox, executor, n_evaluations=6, store=store, rng=rng)
    return path


@pytest.fixture(scope="module")
def run_file(tmp_path_factory):
    return search(tmp_path_factory.mktemp("searched") / "run.h5")


def weights_of(run_file, number):
    return run_file.with_name("run-weights") / f"{number}.safetensors"


def records(run_file):
    with HDF5Store.read(run_file) as store:
        return {row.evaluation.id: row for row in store if row.evaluation.status is Status.OK}


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_validation_accuracies_are_those_recorded_and_test_accuracies_those_of_the_same_networks(run_file):
    fitness = make_fitness(run_file.with_name("run-weights"))
    training, _ = search_sets(fitness.source, fitness.seed, CPU)
    test = to_device(load_test_images(fitness.source), device=CPU, like=training)
    rows = records(run_file)
    assert len(rows) >= 4
    for number, row in rows.items():
        genotype, path = Genotype(row.genes), weights_of(run_file, number)
        found = searched_accuracies(fitness, genotype, path)
        assert found.validation == row.evaluation.scores
        assert sum(found.validation) / 2 == row.evaluation.values[0]
        assert found.n_parameters == row.evaluation.n_parameters
        assert found.n_test_images == len(test.labels) == 359
        for repeat, share in enumerate(found.test):
            tensors = load_file(path)
            network = build_network(SPACE, genotype, fitness.template)
            names = weight_names(network)
            network.load_state_dict({key: tensors[f"{repeat}.{name}"] for key, (name, _) in names.items()})
            assert share == accuracy(network, test, batch_size=64)
    assert len({row.evaluation.scores for row in rows.values()}) > 1


def test_networks_of_chains_which_bring_their_own_template_are_measured_as_well(tmp_path):
    fitness, genotype = make_fitness(tmp_path, CHAINS), CHAINS.sample(rng=random.Random(3))
    evaluation = fitness.evaluate_job(Job(0, genotype, 7))
    assert evaluation.status is Status.OK
    found = searched_accuracies(fitness, genotype, tmp_path / "0.safetensors", seed=7)
    assert found.validation == evaluation.scores
    assert all(0 <= share <= 1 for share in found.test)


def test_the_command_measures_the_best_and_writes_nothing(run_file, capsys):
    before = contents(run_file.parent)
    assert cli.main(["test", str(run_file)]) == 0
    assert contents(run_file.parent) == before
    with HDF5Store.read(run_file) as store:
        number = best_id(store)
    row = records(run_file)[number]
    found = searched_accuracies(
        make_fitness(run_file.with_name("run-weights")), row.genes, weights_of(run_file, number)
    )
    value, (first, second) = row.evaluation.values[0], found.test
    assert capsys.readouterr().out.splitlines() == [
        f"individual  {number}, with the weights in {weights_of(run_file, number)}, on cpu",
        f"test        {(first + second) / 2:.4f} of 359 images (repeats {first:.4f}, {second:.4f})",
        f"validation  {value:.4f}, recorded {value:.4f} (repeats {', '.join(f'{x:.4f}' for x in found.validation)})",
        f"network     {found.n_parameters:,} parameters",
    ]


def test_all_that_is_measured_is_json_too_of_any_individual(run_file, capsys):
    for number, row in records(run_file).items():
        assert cli.main(["test", str(run_file), "--id", str(number), "--device=cpu", "--json"]) == 0
        fields = json.loads(capsys.readouterr().out)
        found = searched_accuracies(make_fitness(run_file.with_name("run-weights")), row.genes, fields["weights"])
        assert fields == {
            "file": str(run_file),
            "id": number,
            "weights": str(weights_of(run_file, number)),
            "dataset": "digits",
            "test_accuracy": sum(found.test) / 2,
            "validation_accuracy": row.evaluation.values[0],
            "validation": list(row.evaluation.scores),
            "test": list(found.test),
            "n_test_images": 359,
            "n_parameters": row.evaluation.n_parameters,
            "fitness": list(row.evaluation.values),
            "scores": list(row.evaluation.scores),
        }


def test_members_of_merged_files_are_measured_with_the_weights_of_their_run(run_file, tmp_path, capsys):
    other = search(tmp_path / "other.h5", seed=6)
    merge_runs(tmp_path / "merged.h5", [run_file, other])
    number = max(records(other))
    folder = str(tmp_path / "other-weights")
    assert cli.main(["test", str(tmp_path / "merged.h5"), "--id", str(6 + number), "--weights-dir", folder]) == 0
    assert cli.main(["test", str(tmp_path / "merged.h5"), "--id", str(number), "--weights-dir", folder]) == 1
    error = f"{number}.safetensors holds the weights of another run or individual: its "
    assert error in capsys.readouterr().err


def test_where_there_are_no_weights_the_command_says_why(run_file, tmp_path, capsys):
    assert cli.main(["test", str(run_file), "--id", "2"]) == 1  # no network
    path = weights_of(run_file, 2)
    assert f"deap-nas: {path} is not there: the weights of individual 2, which has" in capsys.readouterr().err
    moved = tmp_path / "moved.h5"
    moved.write_bytes(run_file.read_bytes())
    assert cli.main(["test", str(moved)]) == 1
    assert "; see --weights-dir" in capsys.readouterr().err
    assert not (tmp_path / "moved-weights").exists()
    assert cli.main(["test", str(moved), "--weights-dir", str(path.parent)]) == 0
    fresh = search(tmp_path / "fresh.h5", weights_dir=None)
    for command in (["test"], ["export", "--searched"]):
        assert cli.main([*command, str(fresh)]) == 1
        assert "fresh.h5 has left no weights, as its fitness does not inherit them" in capsys.readouterr().err


@pytest.fixture
def described(run_file):
    return make_fitness(run_file.with_name("run-weights")).to_dict()


@pytest.fixture
def copy(run_file, tmp_path):
    """The weights of the first individual, changed."""

    def changed(change):
        tensors, labels = read_tensors(weights_of(run_file, 0))
        change(tensors, labels)
        save_file(tensors, tmp_path / "0.safetensors", {name: json.dumps(value) for name, value in labels.items()})
        return tmp_path / "0.safetensors"

    return changed


def remove(tensors, labels):
    del tensors[next(name for name in tensors if name.startswith("1."))]


def reshape(tensors, labels):
    name = next(name for name in tensors if name.startswith("1.") and tensors[name].dim() == 4)
    tensors[name] = tensors[name][:1]


def retype(tensors, labels):
    name = next(name for name in tensors if name.startswith("1.") and tensors[name].dim() == 4)
    tensors[name] = tensors[name].half()


def add(tensors, labels):
    tensors["1.layers.more"] = torch.zeros(3)


@pytest.mark.parametrize("change", [remove, reshape, retype, add])
def test_a_file_that_does_not_fit_the_network_is_refused_for_the_repeat_that_it_does_not_fit(copy, described, change):
    path = copy(change)
    searched_network(described, [1, 2, 1], path)
    with pytest.raises(
        ExportError, match=r"0\.safetensors does not fit the network: 1\.layers\..* of shape .* missing"
    ):
        searched_network(described, [1, 2, 1], path, repeat=1)


#: What a stranger may write in the place of each label.
WRONG = (None, 3, [], {}, {"images": {"classes": 3}}, "text", [[[]]])


@pytest.mark.parametrize("name", ["fitness", "genes", "seed"])
@pytest.mark.parametrize("label", WRONG)
def test_a_file_of_another_individual_or_of_a_stranger_is_refused(copy, described, name, label, run_file):
    def relabel(tensors, labels):
        labels[name] = labels[name] | label if isinstance(label, dict) and label and name == "fitness" else label

    path = copy(relabel)
    with HDF5Store.read(run_file) as store:
        seed = store.seed_of(0)
    with pytest.raises(ExportError, match=rf"0\.safetensors holds the weights of another run .*: its {name} is"):
        searched_network(described, [1, 2, 1], path, seed=seed)
    if name == "seed":
        searched_network(described, [1, 2, 1], path)


@pytest.mark.parametrize("label", [*WRONG, {"mean": [1.0], "scale": "x"}, {"mean": [1], "scale": [{}]}])
def test_a_normalisation_that_is_none_is_left_out(copy, described, label):
    def relabel(tensors, labels):
        labels["normalisation"] = label

    assert searched_network(described, [1, 2, 1], copy(relabel)).normalisation is None


def test_what_cannot_be_read_and_repeats_that_are_not_there_are_clear_errors(tmp_path, described, run_file):
    (tmp_path / "torn.safetensors").write_bytes(weights_of(run_file, 0).read_bytes()[:-1])
    for name in ("none", "torn"):
        with pytest.raises(ExportError, match=rf"{name}\.safetensors cannot be read as the weights of an evaluation: "):
            searched_network(described, [1, 2, 1], tmp_path / f"{name}.safetensors")
    for repeat in (-1, 2):
        with pytest.raises(SettingsError, match=rf"repeat must be in 0\.\.1, .* found {repeat}"):
            searched_network(described, [1, 2, 1], weights_of(run_file, 0), repeat=repeat)
    with pytest.raises(SettingsError, match="the fitness is not described as"):
        searched_network({}, [1, 2, 1], weights_of(run_file, 0))


def test_weights_of_before_names_held_the_operation_are_read(copy, described, run_file):
    def rename(tensors, labels):
        network = searched_network(described, [1, 2, 1], weights_of(run_file, 0)).network
        tensors.clear()
        tensors |= {f"0.{name}": value.contiguous() for name, value in network.state_dict().items()}

    new = searched_network(described, [1, 2, 1], weights_of(run_file, 0)).network.state_dict()
    old = searched_network(described, [1, 2, 1], copy(rename)).network.state_dict()
    assert all(torch.equal(old[name], value) for name, value in new.items())


def export(run_file, *arguments):
    return cli.main(["export", str(run_file), "--no-onnx", *map(str, arguments)])


@pytest.fixture
def own_file(run_file, tmp_path):
    """A copy of the run, beside which exports may go."""
    (tmp_path / "run-weights").mkdir()
    for path in run_file.with_name("run-weights").iterdir():
        (tmp_path / "run-weights" / path.name).write_bytes(path.read_bytes())
    (tmp_path / "run.h5").write_bytes(run_file.read_bytes())
    return tmp_path / "run.h5"


def exported(folder, images):
    return torch.export.load(folder / "network.pt2").module()(images)


def test_without_a_retraining_the_weights_of_the_search_are_exported_in_its_own_template(own_file, described, capsys):
    assert export(own_file, "--id", 0) == 0
    folder, row = own_file.with_name("run-id0-searched"), records(own_file)[0]
    space, genotype, template = load_genotype(folder / "genotype.json")
    assert (space, genotype, template) == (SPACE, [1, 2, 1], make_fitness(None).template)
    images = torch.rand(3, 1, 8, 8)
    network = searched_network(described, genotype, weights_of(own_file, 0)).network
    assert torch.allclose(exported(folder, images), network(images), atol=1e-5)
    fields = json.loads((folder / "genotype.json").read_text())
    training, _ = search_sets(make_fitness(None).source, 4, CPU)
    assert fields["classes"] == list("0123456789")
    assert fields["source"]["weights"] == str(weights_of(own_file, 0))
    told = fields["source"]["training"]
    assert told["normalisation"] == {"mean": training.mean.tolist(), "scale": training.scale.tolist()}
    assert (told["repeat"], told["scores"], told["dataset"]) == (0, list(row.evaluation.scores), "digits")
    assert fields["cost"]["n_parameters"] == cost(SPACE, genotype, template).n_parameters


def test_another_repeat_is_exported_where_it_is_named(own_file, described, tmp_path, capsys):
    assert export(own_file, "--id", 0, "--searched", "--repeat", 1, "--output", tmp_path / "there") == 0
    images = torch.rand(3, 1, 8, 8)
    networks = [searched_network(described, [1, 2, 1], weights_of(own_file, 0), repeat=i).network for i in (0, 1)]
    logits = exported(tmp_path / "there", images)
    assert [torch.allclose(logits, network(images), atol=1e-5) for network in networks] == [False, True]


def test_a_retraining_comes_first_unless_the_weights_of_the_search_are_asked_for(own_file, capsys):
    from tests.test_cli_export import TEMPLATE

    folder = own_file.with_name("run-id0-large-cifar")
    folder.mkdir()
    network = build_network(SPACE, [1, 2, 1], TEMPLATE)
    labels = {"space": SPACE.to_dict(), "genes": [1, 2, 1], "template": TEMPLATE.to_dict()}
    tensors = {name: value.contiguous() for name, value in network.state_dict().items()}
    save_file(tensors, folder / "run0.safetensors", {name: json.dumps(value) for name, value in labels.items()})
    assert export(own_file, "--id", 0) == 0
    assert load_genotype(folder / "genotype.json")[2] == TEMPLATE
    assert not own_file.with_name("run-id0-searched").exists()
    assert export(own_file, "--id", 0, "--searched") == 0
    assert own_file.with_name("run-id0-searched").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--id=2"],
            "holds no trained network: run deap-nas retrain first, name weights with --weights, or export tho",
        ),
        (["--id=0", "--channels=4"], "holds no trained network: run deap-nas retrain first"),
        (["--id=2", "--searched"], "the genotype has no path from its input to its output"),
        (["--id=0", "--searched", "--weights-dir=nowhere"], "0.safetensors cannot be read as the weights of an"),
        (["--searched", "--channels=4"], "--searched takes the search's own template: leave out --template"),
        (["--untrained", "--repeat=1"], "--repeat is for the weights of the search: give --searched as well, or leave"),
        (["--searched", "--repeat=2"], "repeat must be in 0..1, the trainings of an evaluation, found 2"),
    ],
)
def test_what_cannot_be_exported_is_one_clear_line(own_file, arguments, message, capsys):
    before = contents(own_file.parent)
    assert export(own_file, *arguments) == 1
    assert message in capsys.readouterr().err
    assert contents(own_file.parent) == before


def test_nothing_but_the_command_asks_what_a_search_is_worth_on_the_test_images():
    users = {module for module in FILES for _, name in imports_of(module) if name == "searched_accuracies"}
    assert users == {"deap_nas.training", "deap_nas.commands.measure"}
