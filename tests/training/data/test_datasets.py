import pickle

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from deap_nas.errors import DatasetError, SettingsError, UnknownNameError
from deap_nas.training import Augmentation, Source, dataset_info, dataset_names
from deap_nas.training.data.datasets import load_images, load_test_images, n_test_images, split
from deap_nas.training.data.image_folders import training_files
from deap_nas.training.data.sources import subset


def make_folder(path, *, n_classes=3, n_images=4, size=(6, 6)):
    """Images whose pixels tell their class and number."""
    for label in range(n_classes):
        folder = path / f"class{label}"
        folder.mkdir(parents=True)
        for number in range(n_images):
            Image.new("RGB", size, (label, number, 7)).save(folder / f"{number}.png")
    return path


def cut_png(path):
    """A PNG that ends inside the header of its second chunk of pixels."""
    Image.fromarray(np.random.default_rng(0).integers(256, size=(200, 200, 3), dtype=np.uint8)).save(path)
    content = path.read_bytes()
    path.write_bytes(content[: content.index(b"IDAT", content.index(b"IDAT") + 1) + 2])


def huge_bmp(path):
    """A BMP whose header says that it has a million pixels a side."""
    Image.new("RGB", (6, 6)).save(path, format="BMP")
    content = bytearray(path.read_bytes())
    content[18:26] = 2 * (10**6).to_bytes(4, "little")
    path.write_bytes(content)


def test_digits_are_scikit_learns_but_for_a_test_set():
    source = Source("digits")
    images, info = load_images(source), dataset_info(source)
    digits = load_digits()
    assert images.pixels.shape == (info.n_images, info.size, info.size, info.channels) == (1438, 8, 8, 1)
    assert len(np.unique(images.labels)) == info.n_classes == 10
    np.testing.assert_array_equal(images.labels[:4], digits.target[:4])
    np.testing.assert_allclose(images.pixels[:4, ..., 0] / 255, digits.images[:4] / 16, atol=1 / 255)
    assert images.labels[4] == digits.target[5]  # the fifth is kept back
    assert info.augmentation == Augmentation()


def test_split_is_a_partition_of_four_to_one_that_the_seed_decides():
    training, validation = split(50_000, seed=1)
    assert (len(training), len(validation)) == (40_000, 10_000)
    assert sorted([*training, *validation]) == list(range(50_000))
    np.testing.assert_array_equal(split(50_000, seed=1)[1], validation)
    assert 0.15 < np.isin(split(50_000, seed=2)[1], validation).mean() < 0.25


def test_unknown_dataset_names_the_known_ones():
    with pytest.raises(
        UnknownNameError,
        match=r"unknown dataset 'mnist'; known: cifar10, cifar100, digits, imagefolder:PATH, imagenet:PATH",
    ):
        dataset_info(Source("mnist"))
    assert "digits" in dataset_names()


def test_folder_gives_its_classes_in_order_and_the_papers_augmentation(tmp_path):
    source = Source(f"imagefolder:{make_folder(tmp_path / 'images', size=(8, 8))}")
    info, images = dataset_info(source), load_images(source)
    assert (info.n_images, info.n_classes, info.channels, info.size) == (12, 3, 3, 8)
    assert info.augmentation == Augmentation(crop=6, flip=True)
    np.testing.assert_array_equal(images.labels, np.repeat([0, 1, 2], 4))
    np.testing.assert_array_equal(images.pixels[:, 0, 0, 0], images.labels)
    np.testing.assert_array_equal(images.pixels[:, 5, 3, 1], np.tile([0, 1, 2, 3], 3))


def test_folder_with_train_and_test_is_read_from_train_only(tmp_path):
    make_folder(tmp_path / "train", n_images=2)
    make_folder(tmp_path / "test", n_images=9)
    assert dataset_info(Source(f"imagefolder:{tmp_path}")).n_images == 6
    assert len(load_images(Source(f"imagefolder:{tmp_path}")).labels) == 6


def test_digits_kept_back_are_the_test_images():
    images = load_test_images(Source("digits"))
    digits = load_digits()
    assert len(images.labels) == n_test_images(Source("digits")) == 359
    np.testing.assert_array_equal(images.labels, digits.target[4::5])
    np.testing.assert_allclose(images.pixels[..., 0] / 255, digits.images[4::5] / 16, atol=1 / 255)


@pytest.mark.parametrize("name", ["test", "val"])
def test_images_beside_the_training_folder_are_the_test_images(tmp_path, name):
    make_folder(tmp_path / "train", n_images=2)
    make_folder(tmp_path / name, n_images=9)
    source = Source(f"imagefolder:{tmp_path}")
    assert n_test_images(source) == 27
    np.testing.assert_array_equal(load_test_images(source).labels, np.repeat([0, 1, 2], 9))


def test_folder_of_classes_alone_has_no_test_images(tmp_path):
    make_folder(tmp_path)
    make_folder(tmp_path / "test")
    with pytest.raises(DatasetError, match=r"has no test images: expected .*train and .*test or .*val"):
        n_test_images(Source(f"imagefolder:{tmp_path}"))


def test_test_images_of_other_classes_are_refused(tmp_path):
    make_folder(tmp_path / "train", n_classes=4)
    make_folder(tmp_path / "test", n_classes=3)
    with pytest.raises(DatasetError, match="must have the same classes; only one of them has class3"):
        load_test_images(Source(f"imagefolder:{tmp_path}"))


def test_part_of_the_training_images_is_always_the_same_and_the_test_images_are_whole():
    few, whole = Source("digits", n_images=100), load_images(Source("digits"))
    assert dataset_info(few).n_images == len(load_images(few).labels) == 100
    chosen = subset(1438, 100)
    np.testing.assert_array_equal(load_images(few).pixels, whole.pixels[chosen])
    np.testing.assert_array_equal(load_images(few).labels, whole.labels[chosen])
    assert len(set(chosen.tolist())) == 100
    assert chosen.max() > 1300  # drawn from all over
    assert len(load_test_images(few).labels) == 359


def test_of_a_folder_only_the_images_in_use_are_read(tmp_path):
    name = f"imagefolder:{make_folder(tmp_path, n_images=20)}"
    whole, files = load_images(Source(name)), training_files(Source(name))
    chosen = subset(60, 7).tolist()
    for number in set(range(1, 60)) - set(chosen):  # the first tells the size
        files[number][0].write_bytes(b"no image")
    few = load_images(Source(name, n_images=7))
    np.testing.assert_array_equal(few.pixels, whole.pixels[chosen])
    np.testing.assert_array_equal(few.labels, whole.labels[chosen])


@pytest.mark.parametrize("n_images", [0, -1, 1439, 10.0])
def test_part_of_a_size_that_makes_no_sense_is_refused(n_images):
    with pytest.raises(SettingsError, match=r"n_images must be an integer in 1\.\.1438, found"):
        dataset_info(Source("digits", n_images=n_images))


def test_missing_folder_is_named(tmp_path):
    with pytest.raises(DatasetError, match=r"nowhere is not a folder: expected imagefolder:PATH"):
        dataset_info(Source(f"imagefolder:{tmp_path / 'nowhere'}"))


def test_folder_without_images_says_what_is_expected(tmp_path):
    (tmp_path / "cats").mkdir()
    with pytest.raises(DatasetError, match=r"holds 1 class folders and 0 images; expected at least two"):
        dataset_info(Source(f"imagefolder:{tmp_path}"))


def test_folders_that_start_with_a_dot_are_no_classes(tmp_path):
    (make_folder(tmp_path, n_classes=2) / ".ipynb_checkpoints").mkdir()
    assert dataset_info(Source(f"imagefolder:{tmp_path}")).n_classes == 2
    assert set(load_images(Source(f"imagefolder:{tmp_path}")).labels.tolist()) == {0, 1}


def test_empty_class_folders_are_named(tmp_path):
    make_folder(tmp_path)
    for name in ("cats", "dogs"):
        (tmp_path / name).mkdir()
    (tmp_path / "dogs" / "notes.txt").write_text("no image")
    with pytest.raises(DatasetError, match="has class folders without images: cats, dogs"):
        dataset_info(Source(f"imagefolder:{tmp_path}"))


def test_images_of_different_sizes_are_named(tmp_path):
    make_folder(tmp_path)
    Image.new("RGB", (9, 9)).save(tmp_path / "class1" / "z.png")
    with pytest.raises(DatasetError, match=r"z\.png has 9x9 pixels, .* has 6x6"):
        load_images(Source(f"imagefolder:{tmp_path}"))


def test_images_that_are_used_or_tested_are_compared_with_the_first_training_image(tmp_path):
    make_folder(tmp_path / "train", n_images=20)
    make_folder(tmp_path / "test", size=(20, 12))
    source = Source(f"imagefolder:{tmp_path}", n_images=7)
    with pytest.raises(DatasetError, match=r"test/.* has 20x12 pixels, .*train/.* has 6x6: resize all images"):
        load_test_images(source)
    for path, _ in training_files(source)[1:]:
        Image.new("RGB", (9, 9)).save(path)
    with pytest.raises(DatasetError, match=r"has 9x9 pixels, .*0\.png has 6x6: resize all images"):
        load_images(source)


def test_oblong_images_are_refused(tmp_path):
    make_folder(tmp_path, size=(6, 4))
    with pytest.raises(DatasetError, match="has 6x4 pixels"):
        dataset_info(Source(f"imagefolder:{tmp_path}"))


@pytest.mark.parametrize("damage", [lambda path: path.write_bytes(b"no image"), cut_png, huge_bmp])
def test_file_that_is_no_image_is_named(tmp_path, damage):
    make_folder(tmp_path)
    damage(tmp_path / "class0" / "a.png")
    with pytest.raises(DatasetError, match=r"a\.png cannot be read as an image"):
        load_images(Source(f"imagefolder:{tmp_path}"))


def test_cifar_that_is_not_there_says_how_to_get_it(tmp_path):
    with pytest.raises(DatasetError, match="--download to fetch cifar10"):
        dataset_info(Source("cifar10", tmp_path))
    info = dataset_info(Source("cifar100", tmp_path, download=True))
    assert (info.n_images, info.n_classes, info.size) == (50_000, 100, 32)
    assert info.augmentation == Augmentation(crop=24, flip=True)


@pytest.mark.parametrize(("name", "n_classes"), [("cifar10", 10), ("cifar100", 100)])
def test_cifar_in_its_own_format_is_read_from_its_training_files_only(tmp_path, monkeypatch, name, n_classes):
    """Files in the format of the published archives, a few images each, without their checksums."""
    from torchvision import datasets

    key = "labels" if name == "cifar10" else "fine_labels"
    kind = datasets.CIFAR10 if name == "cifar10" else datasets.CIFAR100
    folder = tmp_path / kind.base_folder
    folder.mkdir()
    files = [file for file, _ in kind.train_list]
    for number, file in enumerate([*files, kind.test_list[0][0]]):
        pixels = np.full((4, 3072), number, dtype=np.uint8)
        (folder / file).write_bytes(pickle.dumps({"data": pixels, key: [0, 1, 2, n_classes - 1]}))
    (folder / kind.meta["filename"]).write_bytes(pickle.dumps({kind.meta["key"]: [str(i) for i in range(n_classes)]}))
    monkeypatch.setattr(kind, "_check_integrity", lambda self: True)
    monkeypatch.setattr(kind, "_load_meta", lambda self: None)
    images = load_images(Source(name, tmp_path))
    assert images.pixels.shape == (4 * len(files), 32, 32, 3)
    assert images.labels[:4].tolist() == [0, 1, 2, n_classes - 1]
    assert images.pixels[-1].max() == len(files) - 1
    test = load_test_images(Source(name, tmp_path))
    assert test.pixels.shape == (4, 32, 32, 3)
    assert test.pixels.min() == len(files)
    assert n_test_images(Source(name, tmp_path)) == 10_000


def test_broken_cifar_is_a_dataset_error(tmp_path):
    (tmp_path / "cifar-10-batches-py").mkdir()
    with pytest.raises(DatasetError, match="cifar10 cannot be read"):
        load_images(Source("cifar10", tmp_path))
