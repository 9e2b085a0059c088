import os

from deap_nas.evaluators import Status
from tests.store.test_hdf5 import append, create


def test_a_text_that_no_utf8_can_hold_is_kept_with_escapes(tmp_path):
    name = os.fsdecode(b"caf\xe9.png")  # as Python gives the name of a file in another encoding
    with create(tmp_path / "run.h5") as store:
        append(store, 0, status=Status.FAILED, error=f"cannot read {name}", host=name)
        (record,) = store
    assert record.evaluation.error == r"cannot read caf\udce9.png"
    assert record.evaluation.host == r"caf\udce9.png"
