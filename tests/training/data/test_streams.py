import multiprocessing
import os
import random
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from deap_nas import NetworkTemplate
from deap_nas.errors import DatasetError
from deap_nas.training import AccuracyFitness, Augmentation, Source, dataset_info
from deap_nas.training.data import streams
from deap_nas.training.data.streams import StreamedImages
from deap_nas.training.retraining.process_group import ALONE, Ranks, join_ranks
from tests.launch import run
from tests.training.retraining.retrain import RECIPE, SPACE, make_retraining

#: Colour of each class.
COLOURS = ((250, 20, 20), (20, 250, 20), (20, 20, 250))
SIZE = 16


n_readers_here = streams._n_readers


@pytest.fixture(autouse=True)
def no_readers(monkeypatch):
    """Read in the process of the test, which is quicker; some tests ask for readers."""
    monkeypatch.setattr(streams, "_n_readers", lambda: 0)


def make_imagenet(path, *, n_training=24, n_test=4):
    """JPEGs of any size in one colour a class, one of them grey."""
    rng = random.Random(0)
    for part, n_images in (("train", n_training), ("val", n_test)):
        for label, colour in enumerate(COLOURS):
            folder = path / part / f"n{label}"
            folder.mkdir(parents=True)
            for number in range(n_images):
                size = rng.randrange(12, 60), rng.randrange(12, 60)
                Image.new("RGB", size, colour).save(folder / f"{number}.JPEG", quality=95)
    Image.new("L", (20, 30), 128).save(path / "train" / "n0" / "grey.JPEG")
    return Source(f"imagenet:{path}")


def open_stream(source, *, ranks=ALONE, batch_size=12):
    return StreamedImages(source, dataset_info(source).augmentation, batch_size, size=SIZE, ranks=ranks)


def take(batches, n_batches):
    pairs = [batches.next() for _ in range(n_batches)]
    return torch.stack([images for images, _ in pairs]), torch.stack([labels for _, labels in pairs])


def bytes_of(images):
    """Pixels (..., 3, height, width) in 0..255 of normalised images."""
    mean, deviation = (torch.tensor(v)[:, None, None] for v in (streams._MEAN, streams._DEVIATION))
    return images * deviation + mean


def test_dataset_has_the_papers_augmentation_and_no_size(tmp_path):
    info = dataset_info(make_imagenet(tmp_path))
    assert (info.n_images, info.n_classes, info.channels, info.size) == (73, 3, 3, None)
    assert info.augmentation == Augmentation(flip=True, area=(0.08, 1.0), brightness=32 / 255, contrast=0.5)
    assert info.augmentation.aspect == (3 / 4, 4 / 3)


def test_batches_are_of_the_size_asked_for_and_their_colours_belong_to_their_labels(tmp_path):
    images, labels = take(open_stream(make_imagenet(tmp_path)).batches(1), 5)
    assert images.shape == (5, 12, 3, SIZE, SIZE)
    assert images[0].is_contiguous(memory_format=torch.channels_last)
    strongest = bytes_of(images).mean(dim=(3, 4)).argmax(dim=2)
    assert (strongest == labels).float().mean() > 0.97  # all but the grey one


def test_every_image_is_seen_about_once_in_an_epoch(tmp_path):
    stream = open_stream(make_imagenet(tmp_path), batch_size=73)
    _, labels = take(stream.batches(1), 2)
    assert labels[0].bincount().tolist() == labels[1].bincount().tolist() == [25, 24, 24]
    assert not torch.equal(labels[0], labels[1])


def test_crops_differ_in_brightness_and_follow_the_seed(tmp_path):
    stream = open_stream(make_imagenet(tmp_path))
    images, labels = take(stream.batches(1), 6)
    again, _ = take(stream.batches(1), 6)
    other, _ = take(stream.batches(2), 6)
    assert torch.equal(images, again)
    assert not torch.equal(images, other)
    green = bytes_of(images)[:, :, 1].mean(dim=(2, 3))[labels == 1]
    assert green.std() > 5


def test_stream_goes_on_after_any_number_of_steps(tmp_path):
    stream = open_stream(make_imagenet(tmp_path))
    images, labels = take(stream.batches(1), 14)  # more than two epochs of six
    for step in (0, 5, 6, 13):
        batches = stream.batches(1)
        batches.next()
        batches.restore({}, step)
        found = batches.next()
        assert torch.equal(found[0], images[step])
        assert torch.equal(found[1], labels[step])


def test_ranks_share_the_batches_of_one_process(tmp_path):
    source = make_imagenet(tmp_path)
    whole, _ = take(open_stream(source).batches(1), 2)
    shares = [take(open_stream(source, ranks=Ranks(rank, 3)).batches(1), 2)[0] for rank in range(3)]
    assert torch.equal(torch.cat(shares, dim=1), whole)


def test_processes_that_read_give_the_same_batches(tmp_path, monkeypatch):
    stream = open_stream(make_imagenet(tmp_path))
    images, labels = take(stream.batches(1), 7)
    monkeypatch.setattr(streams, "_n_readers", lambda: 2)
    found = take(stream.batches(1), 7)
    assert torch.equal(found[0], images)
    assert torch.equal(found[1], labels)


def test_reading_leaves_torchs_generator_alone(tmp_path):
    stream = open_stream(make_imagenet(tmp_path))
    before = torch.get_rng_state()
    take(stream.batches(1), 2)
    assert torch.equal(torch.get_rng_state(), before)


def test_test_images_are_central_crops_of_all_of_them_in_order(tmp_path):
    source = make_imagenet(tmp_path, n_test=1)
    framed = np.full((64, 96, 3), 255, dtype=np.uint8)
    framed[4:-4, 20:-20] = 0  # a white frame outside of the central 56 by 56
    Image.fromarray(framed).save(tmp_path / "val" / "n2" / "framed.JPEG", quality=100)
    ((images, labels),) = open_stream(source).test_batches()
    assert labels.tolist() == [0, 1, 2, 2]
    assert images.shape == (4, 3, SIZE, SIZE)
    assert bytes_of(images)[3, :, 1:-1, 1:-1].max() < 10
    assert bytes_of(images)[0, 0].min() > 200


@pytest.mark.parametrize(("n_ranks", "sizes"), [(1, [4, 4, 1]), (2, [2, 2, 2, 2, 1])])
def test_test_images_come_in_batches_as_large_as_those_that_a_process_trains_on(tmp_path, n_ranks, sizes):
    stream = open_stream(make_imagenet(tmp_path, n_test=3), ranks=Ranks(0, n_ranks), batch_size=4)
    assert [len(images) for images, _ in stream.test_batches()] == sizes


def test_fewer_training_images_are_always_the_same_ones(tmp_path):
    make_imagenet(tmp_path)
    few = Source(f"imagenet:{tmp_path}", n_images=12)
    assert dataset_info(few).n_images == 12
    _, labels = take(open_stream(few).batches(1), 2)
    assert labels[0].bincount(minlength=3).tolist() == labels[1].bincount(minlength=3).tolist()
    assert sum(len(labels) for _, labels in open_stream(few).test_batches()) == 12


@pytest.mark.parametrize("n_readers", [0, 1])
def test_file_that_is_no_image_is_named_in_one_line(tmp_path, monkeypatch, n_readers):
    monkeypatch.setattr(streams, "_n_readers", lambda: n_readers)
    source = make_imagenet(tmp_path)
    (tmp_path / "val" / "n1" / "x.JPEG").write_bytes(b"no image")
    with pytest.raises(DatasetError, match=r"x\.JPEG cannot be read as an image") as caught:
        list(open_stream(source).test_batches())
    assert str(caught.value).startswith(str(tmp_path))
    assert "\n" not in str(caught.value)


def test_imagenets_folder_named_test_holds_no_test_images(tmp_path):
    source = make_imagenet(tmp_path)
    (tmp_path / "val").rename(tmp_path / "test")
    with pytest.raises(DatasetError, match=r"has no test images: expected .*train and .*val"):
        make_retraining(dataset=source.name)


def test_search_refuses_images_that_it_cannot_hold(tmp_path):
    source = make_imagenet(tmp_path)
    with pytest.raises(DatasetError, match=r"a search wants its images in memory: .* imagefolder:PATH"):
        AccuracyFitness(SPACE, dataset=source.name)


def test_retraining_learns_the_colours_and_takes_the_size_of_its_template(tmp_path):
    source = make_imagenet(tmp_path / "images")
    template = NetworkTemplate.imagenet(channels=4, n_cells=1, image_size=32)
    retraining = make_retraining(dataset=source.name, template=template, runs=1)
    assert retraining.template == template.for_images(n_classes=3, image_channels=3, image_size=32)
    assert retraining.recipe == RECIPE
    result = retraining.run(tmp_path / "out")
    assert result.accuracies[0] > 0.6
    assert result.top5 == (1.0,)


@pytest.mark.parametrize(("n_cores", "n_processes", "expected"), [(2, 4, 0), (2, 1, 1), (8, 2, 3), (64, 1, 16)])
def test_each_process_has_readers_for_its_share_of_the_cores(n_cores, n_processes, expected, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: range(n_cores))
    monkeypatch.setenv("LOCAL_WORLD_SIZE", str(n_processes))
    assert n_readers_here() == expected


@pytest.mark.parametrize("n_processes", [1, 8])
@pytest.mark.parametrize(("n_images", "size"), [(1024, 299), (256, 299), (12, 16), (2048, 299)])
def test_batches_read_ahead_keep_within_the_memory_of_a_machine(n_images, size, n_processes, monkeypatch):
    monkeypatch.setattr(streams, "_n_readers", lambda: 16)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", str(n_processes))
    n_bytes = n_images // n_processes * 3 * size**2
    n_readers, n_batches = streams._readers(n_bytes)
    assert 1 <= n_readers <= 16
    assert 1 <= n_batches <= 4
    assert n_processes * n_readers * n_batches * n_bytes <= 4 * 2**30
    if size == 16:
        assert (n_readers, n_batches) == (16, 4)


def test_readers_of_a_run_have_ended_when_its_test_images_are_read(tmp_path, monkeypatch):
    source, readers = make_imagenet(tmp_path / "images"), {}
    others = set(multiprocessing.active_children())
    monkeypatch.setattr(streams, "_n_readers", lambda: 1)
    read_test_images = StreamedImages.test_batches

    def test_batches(images):
        readers["testing"] = len(set(multiprocessing.active_children()) - others)
        return read_test_images(images)

    def observe(progress):
        readers["training"] = len(set(multiprocessing.active_children()) - others)

    monkeypatch.setattr(StreamedImages, "test_batches", test_batches)
    template = NetworkTemplate.imagenet(channels=2, n_cells=1, image_size=32)
    retraining = make_retraining(dataset=source.name, template=template, runs=1, recipe=replace(RECIPE, steps=2))
    retraining.run(tmp_path / "out", observer=observe)
    assert readers == {"training": 1, "testing": 0}


LONG = """
import sys
from deap_nas.errors import SettingsError
from deap_nas.training.data import streams
from tests.training.data.test_streams import Source, open_stream

streams._n_readers = lambda: 1
if __name__ == "__main__":
    try:
        open_stream(Source(f"imagenet:{sys.argv[1]}")).batches(1).next()
    except SettingsError as error:
        sys.exit(str(error))
"""


def test_a_folder_of_temporary_files_that_is_too_long_for_a_socket_is_named(tmp_path):
    make_imagenet(tmp_path / "images", n_training=6)
    (tmp_path / "long.py").write_text(LONG)
    long = tmp_path / ("x" * 110)
    long.mkdir()
    done = run(tmp_path / "long.py", tmp_path / "images", variables={"TMPDIR": str(long)})
    assert done.returncode == 1
    assert done.stderr == (
        "no process can be started to read images, since the folder of temporary files is too long for a socket: "
        f"{long}; set TMPDIR to a shorter one, such as /tmp\n"
    )


@pytest.mark.parametrize(("text", "expected"), [("", 1), ("3", 3)])
def test_a_launchers_variable_that_is_empty_says_nothing(text, expected, monkeypatch):
    for name in ("LOCAL_WORLD_SIZE", "RANK", "WORLD_SIZE", "LOCAL_RANK"):
        monkeypatch.setenv(name, text)
    assert streams._n_neighbours() == expected
    if not text:
        assert join_ranks(torch.device("cpu")) == ALONE
