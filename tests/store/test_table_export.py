import csv
import io
import math
import tracemalloc
from functools import partial

import numpy as np
import pytest

from deap_nas import cli
from deap_nas.errors import MissingExtraError, SettingsError
from deap_nas.evaluation import Evaluation, Job, Status
from deap_nas.store import HDF5Store, save_table, to_frame, write_csv
from tests.store.hdf5.test_population_file import GENES, append, create
from tests.store.test_merging import write
from tests.test_extras import missing  # noqa: F401 - a fixture

pandas = pytest.importorskip("pandas")


@pytest.fixture
def path(tmp_path):
    return write(tmp_path / "run.h5", seed=3)


def test_a_frame_has_a_row_for_each_individual(path):
    frame = to_frame(path)
    assert frame["id"].tolist() == list(range(6))
    assert frame["status"].tolist() == ["OK", "OK", "FAILED", "OK", "OK", "OK"]
    assert frame["fitness"].tolist() == [0.5] * 6
    assert frame["error"].tolist() == ["", "", "of 3", "", "", ""]
    assert frame["alive"].sum() == 5
    assert math.isnan(frame["score0"][2])
    with HDF5Store.read(path) as store:
        assert to_frame(store).equals(frame)
        np.testing.assert_array_equal([row.split() for row in frame["genes"]], store.column("genes").astype(str))


def test_several_objectives_are_several_columns(tmp_path):
    with create(tmp_path / "run.h5", weights=(1.0, -1.0)) as store:
        store.submit([Job(0, GENES, 0)], (3, (0,) * 625, None))
        store.append(GENES, Evaluation((0.5, 7.0), id=0))
        frame = to_frame(store)
    assert frame[["fitness0", "fitness1"]].to_numpy().tolist() == [[0.5, 7.0]]
    assert "fitness" not in frame


def test_csv_and_parquet_hold_the_frame(path, tmp_path):
    frame = to_frame(path)
    read_csv = partial(pandas.read_csv, keep_default_na=False, na_values={"score0": "", "score1": ""})
    with HDF5Store.read(path) as store:
        for name, read in (("table.csv", read_csv), ("table.parquet", pandas.read_parquet)):
            save_table(store, tmp_path / name)
            pandas.testing.assert_frame_equal(read(tmp_path / name), frame, check_dtype=False)
        with pytest.raises(SettingsError, match=r"ends with \.csv or \.parquet, found .*table\.xls"):
            save_table(store, tmp_path / "table.xls")


def test_csv_needs_no_pandas_and_keeps_line_breaks(tmp_path, missing):  # noqa: F811 - the fixture
    missing("pandas")
    with create(tmp_path / "run.h5") as store:
        store.submit([Job(0, GENES, 0)], (3, (0,) * 625, None))
        store.append(GENES, Evaluation((0.0,), Status.FAILED, error='Traceback\n"a", b', id=0))
        text = io.StringIO()
        write_csv(store, text)
    (row,) = csv.DictReader(io.StringIO(text.getvalue()))
    assert row["error"] == 'Traceback\n"a", b'
    assert row["score0"] == ""
    with pytest.raises(MissingExtraError, match=r"pandas is not installed; .*deap-nas\[table\]"):
        to_frame(tmp_path / "run.h5")


def test_a_carriage_return_in_a_text_begins_no_row(tmp_path):
    with create(tmp_path / "run.h5") as store:
        append(store, 0, status=Status.FAILED, error="epoch 1\repoch 2")
        append(store, 1)
        save_table(store, tmp_path / "table.csv")
    table = pandas.read_csv(tmp_path / "table.csv")
    assert table["id"].tolist() == [0, 1]
    assert table["error"][0] == "epoch 1\nepoch 2"


def test_one_long_error_takes_memory_once_and_not_for_each_row(tmp_path):
    n_rows = 2000
    with create(tmp_path / "run.h5") as store:
        for number in range(n_rows):
            append(store, number)
        append(store, n_rows, status=Status.FAILED, error="x" * 4000)
        tracemalloc.start()
        try:
            save_table(store, tmp_path / "table.csv")
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert peak / n_rows < 2000


def test_an_empty_file_is_a_header(tmp_path, capsys):
    create(tmp_path / "run.h5").close()
    assert cli.main(["table", str(tmp_path / "run.h5")]) == 0
    out = capsys.readouterr().out
    assert out.startswith("id,parent,status,fitness,score0,")
    assert out.count("\n") == 1
    assert len(to_frame(tmp_path / "run.h5")) == 0


def test_the_command_writes_to_standard_output_or_into_a_file(path, tmp_path, capsys, missing):  # noqa: F811 - as above
    assert cli.main(["table", str(path)]) == 0
    out = capsys.readouterr().out
    assert cli.main(["table", str(path), "--output", str(tmp_path / "table.csv")]) == 0
    assert (tmp_path / "table.csv").read_bytes() == out.encode()
    assert capsys.readouterr().out == f"{tmp_path / 'table.csv'}: 6 rows\n"
    missing("pyarrow")
    assert cli.main(["table", str(path), "--output", str(tmp_path / "table.parquet")]) == 1
    assert "pyarrow is not installed" in capsys.readouterr().err
    assert not (tmp_path / "table.parquet").exists()
