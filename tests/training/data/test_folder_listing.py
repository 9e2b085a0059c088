import os

import pytest
from PIL import Image
from torchvision.datasets import ImageFolder

from deap_nas.errors import DatasetError
from deap_nas.training import Source, dataset_info
from deap_nas.training.data.datasets import load_images
from deap_nas.training.data.folder_listing import list_images
from tests.training.data.test_datasets import make_folder


@pytest.fixture
def nested(tmp_path):
    """Three classes; the first has images in folders of its own, and names whose order depends on how they are read."""
    make_folder(tmp_path)
    for place in ("b", "b-2", "b/inner", "a"):
        folder = tmp_path / "class0" / place
        folder.mkdir(exist_ok=True)
        Image.new("RGB", (6, 6), (200, 0, 0)).save(folder / "0.PNG")
        Image.new("RGB", (6, 6), (201, 0, 0)).save(folder / "z.jpeg")
    return tmp_path


def test_nested_folders_are_read_in_the_order_of_image_folder(nested):
    expected = ImageFolder(nested)
    found = list_images(nested)
    assert list(found.classes) == expected.classes
    assert [(str(path), label) for path, label in found.files] == expected.samples
    assert load_images(Source(f"imagefolder:{nested}")).labels.tolist() == expected.targets
    assert found.ignored == {}


def test_what_is_used_and_what_is_ignored_is_told(nested):
    for name in ("class0/a/x.gif", "class1/y.GIF", "class1/README", "class1/a.npy", "notes.txt"):
        (nested / name).touch()
    (nested / "class2" / ".ipynb_checkpoints").mkdir()
    (nested / "class2" / ".ipynb_checkpoints" / "0.png").touch()
    (nested / ".git").mkdir()
    info = dataset_info(Source(f"imagefolder:{nested}"))
    assert (info.classes, info.counts, info.n_images) == (("class0", "class1", "class2"), (12, 4, 4), 20)
    assert dict(info.ignored) == {
        "files .gif": 2, "files .npy": 1, "files without suffix": 1, "files beside the class folders": 1,
        "folders with a leading dot": 2,
    }  # fmt: skip
    assert info.in_words() == (
        "20 of 3 classes: class0 12, class1 4, class2 4; ignored files .gif: 2, files .npy: 1, "
        "files beside the class folders: 1, files without suffix: 1, folders with a leading dot: 2"
    )


def test_the_counts_are_those_of_the_images_in_use(nested):
    info = dataset_info(Source(f"imagefolder:{nested}", n_images=9))
    labels = load_images(Source(f"imagefolder:{nested}", n_images=9)).labels.tolist()
    assert info.counts == tuple(labels.count(label) for label in range(3))
    assert info.in_words().startswith("9 of 3 classes: class0 ")


def test_of_many_classes_the_smallest_and_the_largest_are_told(tmp_path):
    make_folder(tmp_path, n_classes=20, n_images=2)
    (tmp_path / "class7" / "1.png").unlink()
    Image.new("RGB", (6, 6)).save(tmp_path / "class12" / "2.png")
    info = dataset_info(Source(f"imagefolder:{tmp_path}"))
    assert info.in_words() == "40 of 20 classes, from 1 of class7 to 3 of class12"


def test_links_are_followed_and_one_that_leads_back_ends(nested):
    (nested / "class1" / "back").symlink_to(nested / "class1")
    (nested / "class1" / "there").symlink_to(nested / "class2")
    (nested / "class2" / "again").symlink_to(nested / "class1")
    found = list_images(nested)
    assert found.ignored == {"links that lead back": 4}
    names = [path.relative_to(nested).as_posix() for path, label in found.files if label == 1]
    assert names == [f"class1/{n}.png" for n in range(4)] + [f"class1/there/{n}.png" for n in range(4)]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every folder")
def test_a_folder_that_may_not_be_read_is_named_and_not_left_out(nested):
    (nested / "class0" / "b").chmod(0)
    with pytest.raises(DatasetError, match=r"class0/b cannot be read as a folder of images"):
        list_images(nested)


def test_a_folder_that_cannot_be_read_is_named_and_not_left_out(nested, monkeypatch):
    scandir = os.scandir

    def refuse(path):
        if str(path).endswith("inner"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(DatasetError, match=r"b/inner cannot be read as a folder of images: Permission denied"):
        list_images(nested)
