"""The files that commands write: where there is no room, and where two runs have names that are much alike."""

import json
import subprocess
import sys

import pytest

from deap_nas import CellStack, NetworkTemplate, cli, load_genotype
from deap_nas.commands.options import network_folder
from deap_nas.errors import StoreExistsError
from deap_nas.executors import SerialExecutor
from deap_nas.report import best_id, draw_best
from deap_nas.store import HDF5Store, merge_runs
from tests.launch import HIER_EVO, TINY, enlarge, run
from tests.store import search
from tests.test_cli_export import MEMBERS, SMALL, SPACE, export, run_file  # noqa: F401 - a fixture

NO_ROOM = "cannot be written: No space left on device; make room or allow it, or choose another place; what was there"


@pytest.fixture(scope="module")
def long_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("runs") / "run.h5"
    with SerialExecutor() as executor:
        search.run(path, 3000, executor)
    return path


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (["table"], "a.csv"),
        (["table"], "a.parquet"),
        (["draw", "--id", "4"], "a.png"),
        (["draw", "--id", "4"], "a.svg"),
    ],
)
def test_a_table_and_a_picture_on_a_full_disk_are_one_line_and_leave_the_old_one(
    long_file, full_disk, capsys, arguments, name
):
    output = full_disk / name
    output.write_bytes(b"old")
    (full_disk / "filler").write_bytes(b"x" * 250_000)
    command, *options = arguments
    assert cli.main([command, str(long_file), *options, "--output", str(output)]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err == f"deap-nas: {output} {NO_ROOM} before is as it was\n"
    assert output.read_bytes() == b"old"
    assert sorted(path.name for path in full_disk.iterdir()) == sorted([name, "filler"])
    enlarge(full_disk)
    assert cli.main([command, str(long_file), *options, "--output", str(output)]) == 0
    assert output.stat().st_size > 5000


def test_a_merge_into_a_full_disk_is_one_line_and_leaves_the_old_file(long_file, full_disk):
    output = full_disk / "merged.h5"
    output.write_bytes(b"old")
    (full_disk / "filler").write_bytes(b"x" * 150_000)
    script = (
        "import sys\nfrom deap_nas.store import merge_runs\nfrom deap_nas.errors import StoreError\n"
        "try:\n    merge_runs(sys.argv[1], sys.argv[2:], overwrite=True)\n"
        "except StoreError as error:\n    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(output), str(long_file)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"{output} cannot be written: ")
    assert "\n" not in done.stdout.rstrip()
    assert output.read_bytes() == b"old"
    assert [path.name for path in full_disk.iterdir() if path.name.startswith(".")] == []
    enlarge(full_disk)
    merge_runs(output, [long_file], overwrite=True)
    with HDF5Store.read(output) as store:
        assert store.n_evaluated == 3000
    assert output.stat().st_size < long_file.stat().st_size / 2


def test_an_export_to_a_full_disk_is_one_line_and_leaves_the_old_one(run_file, full_disk, capfd):  # noqa: F811
    (full_disk / "network.pt2").write_bytes(b"old")
    assert export(run_file, "--untrained", *SMALL, "--output", full_disk) == 1
    err = capfd.readouterr().err
    assert err.startswith(f"deap-nas: {full_disk} cannot be written: No space left on device")
    assert err.count("\n") == 1
    assert [path.name for path in full_disk.iterdir()] == ["network.pt2"]
    assert (full_disk / "network.pt2").read_bytes() == b"old"


def test_an_export_of_other_genes_in_the_same_folder_is_refused_unless_it_is_named(run_file, capfd):  # noqa: F811
    assert export(run_file, "--untrained", "--no-onnx", *SMALL) == 0
    assert export(run_file, "--untrained", "--no-onnx", *SMALL) == 0
    folder = run_file.with_name("run-id0-small-cifar")
    fields = json.loads((folder / "genotype.json").read_text())
    (folder / "genotype.json").write_text(json.dumps(fields | {"genes": MEMBERS[1][0]}))
    capfd.readouterr()
    assert export(run_file, "--untrained", "--no-onnx", *SMALL) == 1
    expected = f"deap-nas: {folder} holds the network of another run: remove it, or choose another with --output\n"
    assert capfd.readouterr().err == expected
    assert export(run_file, "--untrained", "--no-onnx", *SMALL, "--output", folder) == 0
    assert list(load_genotype(folder / "genotype.json")[1]) == MEMBERS[0][0]


def test_pictures_and_folders_of_files_that_differ_after_the_last_dot_are_apart(tmp_path, capsys):
    pictures = set()
    for name in ("lr0.1", "lr0.2", "lr0.h5"):
        with SerialExecutor() as executor:
            search.run(tmp_path / name, 30, executor)
        with HDF5Store.read(tmp_path / name) as store:
            pictures |= {path.name for path in draw_best(store)}
            best = best_id(store)
        assert cli.main(["draw", str(tmp_path / name), "--id", "4"]) == 0
    ids, names = {best, 4}, ("lr0.1", "lr0.2", "lr0")  # they are the same search
    expected = {f"{name}-id{number}.{kind}" for name in names for number in ids for kind in ("png", "svg")}
    assert pictures <= expected
    assert {path.name for path in tmp_path.iterdir()} == expected | {"lr0.1", "lr0.2", "lr0.h5"}
    parser = cli._parser()
    folders = [
        network_folder(parser.parse_args(["retrain", f"runs/{name}"]), 3, template)
        for name, template in {
            "lr0.1": NetworkTemplate.large_cifar(),
            "lr0.2": NetworkTemplate.large_cifar(),
            "demo.h5": CellStack(),
        }.items()
    ]
    names = ["lr0.1-id3-large-cifar", "lr0.2-id3-large-cifar", "demo-id3-network"]
    assert [folder.name for folder in folders] == names


@pytest.mark.parametrize(("there", "new"), [("a", "a.h5"), ("a.h5", "a")])
def test_a_file_whose_pictures_and_folders_would_have_the_names_of_anothers_is_refused(tmp_path, there, new, capsys):
    options = {"space": SPACE, "settings": {}, "seed": 1}
    (tmp_path / there).write_text("no population file")
    HDF5Store.create(tmp_path / new, **options).close()
    (tmp_path / new).rename(tmp_path / there)
    with pytest.raises(StoreExistsError, match=f"{new} would have the names of what lies beside .*{there}, such as a-"):
        HDF5Store.create(tmp_path / new, **options, overwrite=True)
    assert cli.main(["merge", str(tmp_path / new), str(tmp_path / there)]) == 1
    assert "choose another name\n" in capsys.readouterr().err
    assert not (tmp_path / new).exists()
    HDF5Store.create(tmp_path / there, **options, overwrite=True).close()


def test_two_searches_whose_names_differ_after_the_last_dot_keep_their_weights(tmp_path):
    done = [
        run(HIER_EVO, *TINY, "--output", tmp_path / name, "--weights=inherited", "--evaluations=4")
        for name in ("lr0.1", "lr0.2")
    ]
    assert [each.returncode for each in done] == [0, 0], [each.stderr for each in done]
    weights = [list((tmp_path / f"{name}-weights").glob("*.safetensors")) for name in ("lr0.1", "lr0.2")]
    assert all(weights)
    done = run(HIER_EVO, "--resume", tmp_path / "lr0.1", "--evaluations=6")
    assert done.returncode == 0, done.stderr
    for path in (tmp_path / "lr0.1-weights").glob("*.safetensors"):
        path.unlink()
    (tmp_path / "lr0.1-weights" / ".run.json").replace(tmp_path / "lr0.2-weights" / ".run.json")
    done = run(HIER_EVO, "--resume", tmp_path / "lr0.2", "--evaluations=6")
    assert done.returncode == 1
    assert f"lr0.2-weights belongs to the run in {tmp_path / 'lr0.1'}: give each run a weights_dir" in done.stderr
    with HDF5Store.read(tmp_path / "lr0.2") as store:
        assert store.n_submitted == 4


COMMANDS = [
    ["info", "--json", "~/run.h5"],
    ["check", "~/merged.h5"],
    ["watch", "--once", "~/run.h5"],
    ["table", "~/run.h5", "--output", "~/table.csv"],
    ["draw", "~/run.h5", "--output", "~/drawing.svg"],
    ["lineage", "~/run.h5", "--output", "~/lineage.svg"],
    ["merge", "~/merged.h5", "~/run.h5"],
]


def test_every_path_of_the_command_may_begin_with_a_tilde(tmp_path, long_file, monkeypatch, capsys):
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "home" / "run.h5").write_bytes(long_file.read_bytes())
    for arguments in sorted(COMMANDS, key=lambda each: each[0] != "merge"):
        status = cli.main(arguments)
        assert status == (arguments[0] == "check"), capsys.readouterr().err  # its fitness belongs to no network
    assert [path.name for path in tmp_path.iterdir()] == ["home"]
    names = {"run.h5", "merged.h5", "table.csv", "drawing.svg", "lineage.svg"}
    assert {path.name for path in (tmp_path / "home").iterdir()} == names
    parser = cli._parser()
    for arguments in (["retrain", "~/a", "--output", "~/b"], ["export", "~/a", "--weights", "~/c", "--output", "~/b"]):
        options = parser.parse_args(arguments)
        assert "~" not in f"{options.file}{options.output}{vars(options).get('weights')}"
