import sys

import pytest

from deap_nas.command_line import CommandLine, at_least


@pytest.fixture
def parse(monkeypatch):
    """Parses what a program is given."""

    def parse(line, *arguments):
        monkeypatch.setattr(sys, "argv", ["search.py", *arguments])
        return line.parse_args()

    return parse


def make_line():
    line = CommandLine("What it does.")
    line.add_argument("--evaluations", type=at_least(1), default=7000, metavar="N", help="in the whole run")
    line.add_fitness_options()
    line.add_stopping_options()
    line.add_cheaper_options()
    line.add_worker_options()
    return line


def test_the_defaults_are_the_papers_and_what_is_not_in_the_paper_is_off(parse):
    args = vars(parse(make_line()))
    paper = {"steps": 5000, "batch_size": 256, "repeats": 4, "channels": 16, "precision": "float32"}
    assert args.items() >= paper.items()
    assert (args["stopping"], args["timeout"], args["memory"], args["lease"]) == ("none", None, None, 60.0)
    assert {value for name, value in args.items() if name.startswith("cheaper_")} == {None}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--evaluations=0",), "--evaluations must be at least 1, found 0"),
        (("--cheaper-steps=0",), "--cheaper-steps must be at least 1, found 0"),
        (("--timeout=-1",), "--timeout must lie in (0, inf), found -1.0"),
        (("--memory=much",), "--memory must be a number in (0, inf), found 'much'"),
        (("--lease=0",), "--lease must lie in (0, inf), found 0.0"),
        (("--precision=half",), "argument --precision: invalid choice: 'half'"),
        (("--rungs", "1/2", "2"), "--rungs must lie in (0, 1), found 2.0"),
        (("--nonsense",), "unrecognized arguments: --nonsense"),
    ],
)
def test_a_mistake_is_one_line_that_names_the_option(parse, capsys, arguments, message):
    with pytest.raises(SystemExit) as error:
        parse(make_line(), *arguments)
    assert error.value.code == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.endswith("; --help lists the options\n")
    assert message in told.err
    assert told.err.count("\n") == 1


def test_help_has_groups_units_and_defaults(monkeypatch, capsys, parse):
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit):
        parse(make_line(), "--help")
    text = capsys.readouterr().out
    groups = ["fitness", "early stopping", "cheaper estimates", "workers"]
    assert [line[:-1] for line in text.splitlines() if line[:-1] in groups and line[-1] == ":"] == groups
    assert "--seed N              of everything random (default: 0)\n" in text
    assert "in the whole run (default: 7000)\n" in text
    assert "--timeout SECONDS" in text
    assert "--memory GIB" in text
    assert text.count("(default: none)") == 3
    assert "None" not in text
    assert "False" not in text


def test_settings_of_a_file_are_the_defaults_of_a_run_that_goes_on_and_are_read_as_options(parse):
    line = make_line()
    parse(line, "--steps=7")
    args = line.parse_resumed({"steps": 5, "lease": None, "timeout": 60.0, "rungs": [0.5], "fitness": {}, "other": 1})
    assert (args.steps, args.lease, args.timeout, args.rungs) == (7, None, 60.0, [0.5])
    assert not hasattr(args, "fitness")
    assert not hasattr(args, "other")


def test_a_setting_of_a_file_that_is_out_of_range_is_refused_by_name(parse, capsys):
    line = make_line()
    parse(line)
    with pytest.raises(SystemExit):
        line.parse_resumed({"evaluations": -5})
    assert "--evaluations must be at least 1, found -5" in capsys.readouterr().err


def test_an_option_that_a_file_is_older_than_is_recorded_only_if_it_is_used(parse):
    line = make_line()
    args = parse(line, "--timeout=60")
    assert {"precision", "timeout", "workers"} <= set(line.settings(args))
    assert "workers" not in line.settings(args, leave_out=["workers"])
    args = line.parse_resumed({"steps": 5, "evaluations": 9})
    assert line.settings(args) == {"steps": 5, "evaluations": 9, "timeout": 60.0}
