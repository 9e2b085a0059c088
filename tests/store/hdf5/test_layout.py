"""Files that are damaged, or made to do harm: each is refused in one line, and nothing outside the file is touched."""

import json
import random
import resource

import h5py
import numpy as np
import pytest

from deap_nas import cli
from deap_nas.errors import StoreError, UnknownNameError
from deap_nas.store import HDF5Store
from tests.store.hdf5.test_population_file import append, create


@pytest.fixture
def path(tmp_path):
    with create(tmp_path / "run.h5") as store:
        for number in range(5):
            append(store, number)
    return tmp_path / "run.h5"


def secret(path):
    """Another HDF5 file beside the one under test."""
    outside = path.with_name("outside.h5")
    with h5py.File(outside, "w") as file:
        file["secret"] = np.arange(5)
    return outside


def external_link(file, path):
    del file["individuals/flops"]
    file["individuals/flops"] = h5py.ExternalLink(str(secret(path)), "/secret")


def external_link_of_another_name(file, path):
    file["notes"] = h5py.ExternalLink(str(secret(path)), "/")


def soft_link(file, path):
    del file["individuals/flops"]
    file["individuals/flops"] = h5py.SoftLink("/individuals/n_parameters")


def soft_link_to_itself(file, path):
    del file["rng/count"]
    file["rng/count"] = h5py.SoftLink("/rng/count")


def virtual_dataset(file, path):
    del file["individuals/flops"]
    layout = h5py.VirtualLayout(shape=(5,), dtype="i8")
    layout[:] = h5py.VirtualSource(str(secret(path)), "secret", shape=(5,))
    file.create_virtual_dataset("individuals/flops", layout)


def external_storage(file, path):
    del file["individuals/flops"]
    file.create_dataset("individuals/flops", shape=(5,), dtype="i8", external=[(str(secret(path)), 0, 40)])


def huge_shape(file, path):
    for dataset in file["individuals"].values():
        dataset.resize(10**13, axis=0)


def huge_width(file, path):
    del file["individuals/scores"]
    file.create_dataset("individuals/scores", shape=(5, 10**9), maxshape=(None, 10**9), dtype="f8", chunks=(1, 10))


def huge_compressed(file, path):
    for name in file["individuals"]:
        old = file["individuals"][name]
        tail, dtype = old.shape[1:], old.dtype
        del file["individuals"][name]
        file["individuals"].create_dataset(
            name, shape=(10**12, *tail), maxshape=(None, *tail), dtype=dtype, chunks=(1024, *tail), compression="gzip"
        )


def objects(file, path):
    del file["individuals/host"]
    file["individuals"].create_dataset("host", data=["text"] * 5, dtype=h5py.string_dtype())


def references(file, path):
    del file["individuals/parent"]
    file["individuals"].create_dataset("parent", data=[file.ref] * 5, dtype=h5py.ref_dtype)


def compound(file, path):
    del file["individuals/parent"]
    file["individuals"].create_dataset("parent", data=np.zeros(5, dtype=[("a", "i8"), ("b", "f8")]))


def wrong_type(file, path):
    del file["individuals/id"]
    file["individuals"].create_dataset("id", data=np.arange(5.0))


def wrong_type_of_a_column_that_may_be_missing(file, path):
    del file["individuals/threads"]
    file["individuals"].create_dataset("threads", data=np.ones((5, 2)))


def wrong_rank(file, path):
    del file["individuals/fitness"]
    file["individuals"].create_dataset("fitness", data=np.zeros(5))


def scalar(file, path):
    del file["individuals/fitness"]
    file["individuals"].create_dataset("fitness", data=1.0)


def group_for_a_column(file, path):
    del file["individuals/fitness"]
    file.create_group("individuals/fitness")


def dataset_for_a_table(file, path):
    del file["individuals"]
    file["individuals"] = [1, 2, 3]


def dataset_for_the_random_state(file, path):
    del file["rng"]
    file["rng"] = [1, 2, 3]


def one_random_state(file, path):
    del file["rng/words"]
    file["rng/words"] = np.zeros((1, 625), dtype="u4")


def unknown_status(file, path):
    file["individuals/status"][2] = 77


def other_number_of_genes(file, path):
    file.attrs["space"] = json.dumps(json.loads(file.attrs["space"]) | {"nodes": [6]})


def vast_space(file, path):
    file.attrs["space"] = json.dumps(json.loads(file.attrs["space"]) | {"nodes": [10**7]})


def space_of_wrong_types(file, path):
    file.attrs["space"] = json.dumps({"kind": "hierarchical", "motifs": 3, "nodes": {"a": None}, "operations": 1})


def space_of_a_list_kind(file, path):
    file.attrs["space"] = json.dumps({"kind": []})


def deep_json(file, path):
    file.attrs["settings"] = "[" * 50_000 + "]" * 50_000


def long_json(file, path):
    file.attrs["settings"] = '{"a": "' + "x" * 2**24 + '"}'


def long_number(file, path):
    file.attrs["settings"] = '{"a": ' + "9" * 100_000 + "}"


def no_json(file, path):
    file.attrs["provenance"] = "{"


def settings_that_are_a_list(file, path):
    file.attrs["settings"] = "[]"


def settings_that_are_a_number(file, path):
    file.attrs["settings"] = 5


def settings_in_bytes(file, path):
    file.attrs["settings"] = np.bytes_(b"{}")


def sources_without_seeds(file, path):
    file.attrs["sources"] = '[{"first_id": "0"}]'


def seed_that_is_text(file, path):
    file.attrs["seed"] = "5"


def seed_that_is_a_list(file, path):
    file.attrs["seed"] = [5, 6]


def weights_that_are_a_number(file, path):
    file.attrs["weights"] = 1.0


def weights_of_other_objectives(file, path):
    file.attrs["weights"] = [1.0, 1.0]


def version_that_is_a_list(file, path):
    file.attrs["format_version"] = [1, 1]


def version_that_is_text(file, path):
    file.attrs["format_version"] = "1"


def format_that_is_a_list(file, path):
    file.attrs["format"] = ["deap_nas population"] * 2


def attribute_that_refers(file, path):
    file.attrs["note"] = file["individuals"].ref


def attribute_of_lists(file, path):
    file.attrs.create("note", [np.arange(3), np.arange(2)], dtype=h5py.vlen_dtype("i8"))


def empty_attribute(file, path):
    file.attrs["seed"] = h5py.Empty("i8")


HARMFUL = [
    attribute_that_refers, attribute_of_lists, empty_attribute,
    external_link, external_link_of_another_name, soft_link, soft_link_to_itself, virtual_dataset, external_storage,
    huge_shape, huge_width, huge_compressed, objects, references, compound, wrong_type,
    wrong_type_of_a_column_that_may_be_missing, wrong_rank, scalar, group_for_a_column, dataset_for_a_table,
    dataset_for_the_random_state, one_random_state, unknown_status,
    other_number_of_genes, vast_space, space_of_wrong_types, space_of_a_list_kind, deep_json, long_json, long_number,
    no_json, settings_that_are_a_list, settings_that_are_a_number, settings_in_bytes, sources_without_seeds,
    seed_that_is_text, seed_that_is_a_list, weights_that_are_a_number, weights_of_other_objectives,
    version_that_is_a_list, version_that_is_text, format_that_is_a_list,
]  # fmt: skip


@pytest.mark.parametrize("harm", HARMFUL, ids=lambda harm: harm.__name__)
def test_harmful_file_is_refused_in_one_line(path, harm, capsys):
    with h5py.File(path, "r+") as file:
        harm(file, path)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for way in (HDF5Store.read, HDF5Store.resume):
        with pytest.raises(StoreError, match=r"^.*run\.h5 (is|has|was) .*$") as caught:
            way(path)
        assert "\n" not in str(caught.value)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # kilobytes
    assert cli.main(["info", str(path)]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_a_group_that_holds_itself_ends(path):
    with h5py.File(path, "r+") as file:
        file["individuals/again"] = file["individuals"]
    with HDF5Store.read(path) as store:
        assert store.n_evaluated == 5


def test_datasets_of_others_are_left_alone_and_survive_a_resume(path):
    with h5py.File(path, "r+") as file:
        file["individuals/note"] = [1.0]
        file["notes/first"] = [2, 3]
        file.attrs["authors"] = ["a", "b"]
    with HDF5Store.resume(path) as store:
        append(store, 5)
    with h5py.File(path, "r") as file:
        assert len(file["individuals/id"]) == 6
        assert file["individuals/note"][:].tolist() == [1.0]
        assert file["notes/first"][:].tolist() == [2, 3]
        assert file.attrs["authors"].tolist() == ["a", "b"]


def test_damaged_bytes_of_a_column_are_one_line(path):
    with h5py.File(path, "r+") as file:
        flops = file["individuals"]["flops"][:]
        del file["individuals/flops"]
        file["individuals"].create_dataset("flops", data=flops, maxshape=(None,), chunks=(5,), fletcher32=True)
        place = file["individuals/flops"].id.get_chunk_info(0).byte_offset
    content = bytearray(path.read_bytes())
    content[place] ^= 0xFF
    path.write_bytes(content)
    with HDF5Store.read(path) as store, pytest.raises(StoreError, match="column flops cannot be read"):
        store.column("flops")


def refusal(path):
    """What reading a file all through raises; empty if nothing."""
    try:
        with HDF5Store.read(path) as store:
            store.records()
    except (StoreError, UnknownNameError) as error:
        return str(error)
    return ""


def test_flipped_bytes_are_read_or_refused_in_one_line(path):
    content, rng = path.read_bytes(), random.Random(0)
    refusals = []
    for _ in range(60):
        damaged = bytearray(content)
        for _ in range(20):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        path.write_bytes(damaged)
        refusals.append(refusal(path))
    assert "" in refusals
    assert any(refusals)
    assert not any("\n" in text for text in refusals)


def test_a_file_open_in_one_way_can_be_opened_in_the_other(path):
    with HDF5Store.resume(path) as writer, HDF5Store.read(path) as reader:
        writer.close()
        with HDF5Store.read(path) as second:
            assert second.n_evaluated == reader.n_evaluated == 5
    with h5py.File(path, "r", swmr=True), HDF5Store.read(path) as store:
        assert store.n_evaluated == 5
