import os
import shutil

import pytest
from PIL import Image

from deap_nas import FlatSpace
from deap_nas.errors import DatasetError, DifferentRunError
from deap_nas.store import HDF5Store, MemoryStore
from deap_nas.store.settings import check_same, differences
from deap_nas.training import AccuracyFitness, Recipe, Source
from deap_nas.training.data.folder_listing import list_images
from deap_nas.training.data.image_identity import _digest, image_identity
from tests.training.data.test_datasets import make_folder

SPACE = FlatSpace(nodes=3)


@pytest.fixture
def folder(tmp_path):
    for part in ("train", "test"):
        make_folder(tmp_path / "images" / part, size=(8, 8))
    return tmp_path / "images"


@pytest.fixture(autouse=True)
def forget():
    """A process reads a folder once; these tests change it as others would between two processes."""
    yield
    forget_folders()


def forget_folders():
    list_images.cache_clear()
    _digest.cache_clear()


def make_fitness(folder, **options):
    recipe = Recipe(steps=1, batch_size=4)
    return AccuracyFitness(SPACE, dataset=f"imagefolder:{folder}", recipe=recipe, repeats=1, device="cpu", **options)


def begin(path, folder, **options):
    """A population file as it was begun with the images of a folder."""
    settings = {"fitness": make_fitness(folder, **options).to_dict()}
    HDF5Store.create(path, space=SPACE, settings=settings, seed=0).close()
    forget_folders()
    return path


def resume(path, folder, **options):
    HDF5Store.resume(path, settings={"fitness": make_fitness(folder, **options).to_dict()}).close()


def test_classes_counts_and_a_digest_are_recorded(folder, tmp_path):
    with HDF5Store.read(begin(tmp_path / "run.h5", folder)) as store:
        images = store.settings["fitness"]["images"]
        assert store.settings["fitness"]["dataset"] == f"imagefolder:{folder}"
    assert images["classes"] == ["class0", "class1", "class2"]
    assert images["counts"] == [4, 4, 4]
    assert images["digest"].startswith("sha256:")
    assert images["covers"] == "names and contents"


def test_published_datasets_have_class_names_and_no_digest():
    assert image_identity(Source("digits")) == {"classes": [str(digit) for digit in range(10)]}
    cifar = image_identity(Source("cifar100", download=True))
    assert (len(set(cifar["classes"])), cifar["counts"], "digest" in cifar) == (100, [500] * 100, False)


def change_contents(folder):
    Image.new("RGB", (8, 8), (99, 99, 99)).save(folder / "train" / "class1" / "2.png")


def rename(folder):
    (folder / "train" / "class1" / "2.png").rename(folder / "train" / "class1" / "5.png")


def remove(folder):
    (folder / "train" / "class1" / "2.png").unlink()


def rename_class(folder):
    for part in ("train", "test"):
        (folder / part / "class1").rename(folder / part / "dogs")


CHANGES = (
    (change_contents, "as many as there, but with other names or contents"),
    (rename, "as many as there, but with other names or contents"),
    (remove, r"other numbers of images in class1 \(4 there, 3 asked for\)"),
    (rename_class, "of 3 classes, these are of 3, only one has class1, dogs"),
)


@pytest.mark.parametrize(("change", "message"), CHANGES)
def test_a_resume_with_other_images_is_refused(folder, tmp_path, change, message):
    path = begin(tmp_path / "run.h5", folder)
    change(folder)
    with pytest.raises(DifferentRunError, match=message):
        resume(path, folder)


@pytest.mark.parametrize(("change", "message"), CHANGES)
def test_a_resume_that_names_no_settings_is_refused_by_the_fitness(folder, tmp_path, change, message):
    path = begin(tmp_path / "run.h5", folder)
    change(folder)
    with HDF5Store.resume(path) as store, pytest.raises(DatasetError, match=message):
        make_fitness(folder).check_store(store)


def test_a_resume_with_the_same_images_elsewhere_is_accepted_and_recorded(folder, tmp_path):
    path = begin(tmp_path / "run.h5", folder)
    moved = shutil.move(folder, tmp_path / "moved")
    resume(path, moved)
    with HDF5Store.read(path) as store:
        assert store.settings["fitness"]["dataset"] == f"imagefolder:{moved}"
        make_fitness(moved).check_store(store)


def test_only_the_images_in_use_count(folder, tmp_path):
    path = begin(tmp_path / "run.h5", folder, n_images=8)
    used = make_fitness(folder, n_images=8).images.counts
    forget_folders()
    from deap_nas.training.data.image_folders import training_files, used_files

    source = Source(f"imagefolder:{folder}", n_images=8)
    unused = {file for file, _ in training_files(source)} - {file for file, _ in used_files(source)}
    for file in unused - {training_files(source)[0][0]}:
        file.write_bytes(b"other")
    resume(path, folder, n_images=8)
    assert sum(used) == 8


def test_a_cheaper_estimate_is_no_other_run(folder, tmp_path):
    with HDF5Store.resume(begin(tmp_path / "run.h5", folder)) as store:
        make_fitness(folder).cheaper(n_images=10).check_store(store)
    make_fitness(folder).check_store(MemoryStore())


def test_a_file_without_identity_and_with_a_relative_path_can_be_resumed(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fitness = make_fitness(folder).to_dict()
    del fitness["images"]
    settings = {"fitness": fitness | {"dataset": "imagefolder:images"}, "dataset": "imagefolder:images"}
    HDF5Store.create("run.h5", space=SPACE, settings=settings, seed=0).close()
    new = {"fitness": make_fitness("images").to_dict(), "dataset": f"imagefolder:{folder}", "flip": None}
    with HDF5Store.read("run.h5") as store:
        make_fitness(folder).check_store(store)
    HDF5Store.resume("run.h5", settings=new).close()
    with HDF5Store.read("run.h5") as store:
        assert store.settings["fitness"]["images"]["counts"] == [4, 4, 4]
    with pytest.raises(DifferentRunError, match="dataset is imagefolder:images there, but imagefolder:/elsewhere was"):
        check_same("run.h5", settings, new | {"dataset": "imagefolder:/elsewhere"})


def test_a_path_is_whole_wherever_it_is_used_from(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    source = Source("imagefolder:images", "data")
    assert (source.name, source.data_dir) == (f"imagefolder:{folder}", tmp_path / "data")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Source("imagefolder:~/images").name == source.name
    monkeypatch.chdir("/")
    assert make_fitness(source.name.partition(":")[2]).source.name == source.name
    with pytest.raises(DatasetError, match=r"^/nowhere is not a folder: .* name their new place"):
        make_fitness("nowhere")


def test_a_file_that_cannot_be_read_is_named(folder):
    file = folder / "train" / "class1" / "2.png"
    file.unlink()
    file.symlink_to(folder / "gone.png")
    with pytest.raises(DatasetError, match=r"class1/2\.png cannot be read: No such file"):
        image_identity(Source(f"imagefolder:{folder}"))


def test_images_that_are_read_file_by_file_are_known_by_names_and_sizes(folder):
    (folder / "test").rename(folder / "val")
    before = image_identity(Source(f"imagenet:{folder}"), tested=True)
    assert before["covers"] == "names and sizes"
    assert before["test"]["n_images"] == 12
    forget_folders()
    with open(folder / "train" / "class0" / "0.png", "ab") as file:
        file.write(b"x")
    assert differences({"images": before}, {"images": image_identity(Source(f"imagenet:{folder}"), tested=True)})


def test_order_of_reading_does_not_matter(folder, monkeypatch):
    before = image_identity(Source(f"imagefolder:{folder}"))
    forget_folders()
    walk = os.walk
    monkeypatch.setattr(os, "walk", lambda *args, **options: (
        (place, folders[::-1], names[::-1]) for place, folders, names in walk(*args, **options)
    ))  # fmt: skip
    assert image_identity(Source(f"imagefolder:{folder}")) == before
