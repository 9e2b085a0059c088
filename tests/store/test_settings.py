import pytest

from deap_nas.errors import DifferentRunError
from deap_nas.store import HDF5Store, open_run
from deap_nas.store.settings import check_same, differences
from tests.toolboxes import SPACE

#: Clears a terminal, hides what follows, turns the reading direction, ends a line; and a letter that is none of these.
HOSTILE = "\x1b[2J\x1b[8m\u202e\n\r\x00\ud800é"
SHOWN = r"\x1b[2J\x1b[8m\u202e\n\r\x00\ud800é"


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ({"steps": HOSTILE}, f"steps is {SHOWN} there, but 3 was asked for"),
        ({"steps": 3, HOSTILE: 1}, f"{SHOWN} is 1 there, but nothing was asked for"),
        ({"steps": 3, "fitness": {HOSTILE: HOSTILE}}, f"fitness.{SHOWN} is {SHOWN} there, but nothing was asked for"),
    ],
)
def test_what_no_line_can_show_is_escaped(found, message):
    assert differences(found, {"steps": 3}) == [message]
    with pytest.raises(DifferentRunError) as caught:
        check_same("run.h5", found, {"steps": 3})
    assert message in str(caught.value)
    assert str(caught.value).isprintable()


def test_names_of_classes_are_escaped():
    images = {"images": {"classes": ["cat", HOSTILE], "digest": "1"}}
    (text,) = differences(images, {"images": {"classes": ["cat", "dog"], "digest": "1"}})
    assert text.isprintable()
    assert SHOWN in text


def test_a_file_with_other_settings_is_refused_in_one_line_that_a_terminal_can_show(tmp_path):
    run = {"space": SPACE, "seed": 1}
    open_run(tmp_path / "run.h5", settings={"note": HOSTILE}, **run).close()
    with pytest.raises(DifferentRunError) as caught:
        HDF5Store.resume(tmp_path / "run.h5", settings={"note": "mine"})
    assert str(caught.value).isprintable()
    assert SHOWN in str(caught.value)
