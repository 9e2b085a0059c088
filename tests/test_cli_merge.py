from deap_nas import cli
from deap_nas.store import HDF5Store
from tests.store.test_merging import write


def test_runs_are_merged_into_a_file_that_the_other_commands_read(tmp_path, capsys):
    paths = [str(write(tmp_path / f"{seed}.h5", seed=seed)) for seed in (1, 2)]
    output = str(tmp_path / "merged.h5")
    assert cli.main(["merge", output, *paths]) == 0
    assert capsys.readouterr().out == f"{output}: 12 evaluated individuals of 2 runs\n"
    for command in ("check", "info"):
        assert cli.main([command, output]) == 0
    assert "evaluated   12 (2 FAILED, 10 OK), 2 pending" in capsys.readouterr().out
    assert cli.main(["merge", output, *paths]) == 1
    assert "exists" in capsys.readouterr().err
    assert cli.main(["merge", output, *paths, "--overwrite"]) == 0


def test_one_run_alone_is_copied(tmp_path, capsys):
    path, output = str(write(tmp_path / "1.h5", seed=1)), str(tmp_path / "copy.h5")
    assert cli.main(["merge", output, path]) == 0
    assert capsys.readouterr().out == f"{output}: 6 evaluated individuals of 1 run\n"
    assert cli.main(["check", output]) == 0


def test_a_difference_is_named_in_one_line_and_may_be_set_free(tmp_path, capsys):
    paths = [write(tmp_path / "1.h5", seed=1), write(tmp_path / "2.h5", seed=2, fitness={"steps": 4})]
    arguments = ["merge", *map(str, (tmp_path / "merged.h5", *paths))]
    assert cli.main(arguments) == 1
    assert "fitness.steps is 4 there, but 3 was asked for; it cannot be merged with" in capsys.readouterr().err
    assert cli.main([*arguments, "--free", "fitness.steps"]) == 0
    with HDF5Store.read(tmp_path / "merged.h5") as store:
        assert store.settings == {"fitness": {}}
