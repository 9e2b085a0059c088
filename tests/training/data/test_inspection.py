import logging

import numpy as np
import pytest
from PIL import Image

from deap_nas import FlatSpace
from deap_nas.errors import DatasetError
from deap_nas.training import AccuracyFitness, Recipe, Source
from deap_nas.training.data.inspection import inspect_images
from tests.training.data.test_datasets import cut_png, make_folder


def make_noise(path, *, mode="RGB", low=0, high=256, n_classes=3, n_images=8, parts=("train", "test")):
    """Images that differ."""
    rng = np.random.default_rng(0)
    for part in parts:
        for label in range(n_classes):
            folder = path / part / f"class{label}"
            folder.mkdir(parents=True)
            for number in range(n_images):
                pixels = rng.integers(low, high, size=(8, 8) if mode == "I;16" else (8, 8, 3))
                Image.fromarray(pixels.astype(np.uint16 if mode == "I;16" else np.uint8)).save(folder / f"{number}.png")
    return Source(f"imagefolder:{path}")


def warnings_of(caplog):
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


def test_sound_images_are_passed_in_silence(tmp_path, caplog):
    inspect_images(make_noise(tmp_path))
    inspect_images(Source("digits"))
    assert warnings_of(caplog) == []


def test_a_class_whose_images_are_all_the_same_is_named(tmp_path, caplog):
    source = make_noise(tmp_path)
    for label in (1, 2):
        for path in (tmp_path / "train" / f"class{label}").iterdir():
            Image.new("RGB", (8, 8), "white").save(path, compress_level=label)
    inspect_images(source)
    (message,) = warnings_of(caplog)
    assert message.startswith(f"all images of the class of {tmp_path}/train/class1/0.png and of 1 more are the same")


def test_one_that_differs_at_the_end_is_enough(tmp_path, caplog):
    source = make_noise(tmp_path)
    for path in sorted((tmp_path / "train" / "class1").iterdir())[:-1]:
        Image.new("RGB", (8, 8), "white").save(path)
    inspect_images(source)
    assert warnings_of(caplog) == []


def test_numbers_of_12_bits_in_16_are_noticed(tmp_path, caplog):
    inspect_images(make_noise(tmp_path / "whole", mode="I;16", high=65536))
    assert warnings_of(caplog) == []
    inspect_images(make_noise(tmp_path / "few", mode="I;16", high=4096))
    (message,) = warnings_of(caplog)
    assert "/few differ by no more than 16 of 255" in message


def test_files_of_several_pictures_are_noticed(tmp_path, caplog):
    source = make_noise(tmp_path)
    pages = [Image.fromarray(np.full((8, 8, 3), value, dtype=np.uint8)) for value in (0, 99)]
    pages[0].save(tmp_path / "train" / "class1" / "!.tif", save_all=True, append_images=pages[1:])
    inspect_images(source)
    (message,) = warnings_of(caplog)
    assert message.startswith("of several pictures in a file the first is read, in the class of ")
    assert "class1/!.tif" in message


def test_files_that_are_not_read_are_told_of_training_and_test_images_but_not_hidden_folders(tmp_path, caplog):
    source = make_noise(tmp_path)
    for name in ("train/class1/a.gif", "train/class1/b.GIF", "train/notes.txt", "test/class0/a.heic"):
        (tmp_path / name).touch()
    (tmp_path / "train" / ".cache").mkdir()
    make_fitness(source)
    training, tested = warnings_of(caplog)
    told = "these are not read: files .gif: 2, files beside the class folders: 1; images end with .png"
    assert training.startswith(f"in {tmp_path}/train {told}")
    assert tested.startswith(f"in {tmp_path}/test these are not read: files .heic: 1; images end with .png")


def make_fitness(source, **options):
    return AccuracyFitness(FlatSpace(nodes=3), dataset=source.name, recipe=Recipe(steps=1, batch_size=8), **options)


def test_the_search_tells_of_missing_test_images_before_it_starts(tmp_path, caplog):
    make_fitness(make_noise(tmp_path / "a"))
    make_fitness(Source("digits"))
    assert warnings_of(caplog) == []
    make_fitness(make_noise(tmp_path / "b", parts=("train",)))
    (message,) = warnings_of(caplog)
    assert "deap-nas retrain will need test images" in message
    assert "b has no test images: expected" in message


def test_the_search_looks_at_the_images_before_it_starts(tmp_path, caplog):
    source = make_noise(tmp_path)
    for path in (tmp_path / "train" / "class0").iterdir():
        Image.new("RGB", (8, 8), "white").save(path)
    make_fitness(source)
    assert len(warnings_of(caplog)) == 1
    other = Source(f"imagefolder:{make_folder(tmp_path / 'other', size=(8, 8))}")
    cut_png(tmp_path / "other" / "class1" / "0.png")
    with pytest.raises(DatasetError, match=r"class1/0\.png cannot be read as an image"):
        make_fitness(other)
