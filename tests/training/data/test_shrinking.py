import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deap_nas.errors import SettingsError
from deap_nas.training import AccuracyFitness, DatasetInfo, Source, dataset_info
from deap_nas.training.data.datasets import load_images, load_test_images
from deap_nas.training.data.shrinking import shrunk, shrunk_info
from deap_nas.training.data.sources import Augmentation, Images
from tests.toolboxes import SPACE


def images_of(pixels):
    return Images(np.asarray(pixels, dtype=np.uint8), np.zeros(len(pixels), dtype=np.int64))


def noise(size, n_images=3, channels=2):
    return images_of(np.random.default_rng(size).integers(0, 256, (n_images, size, size, channels)))


@pytest.mark.parametrize(("old", "new"), [(8, 4), (9, 3), (32, 16), (6, 1)])
def test_a_pixel_is_the_mean_of_the_block_that_it_covers(old, new):
    images = noise(old)
    blocks = images.pixels.reshape(3, new, old // new, new, old // new, 2)
    np.testing.assert_allclose(shrunk(images, new).pixels, blocks.mean(axis=(2, 4)), atol=0.501)


def test_a_pixel_that_covers_parts_of_others_weighs_them_by_their_area():
    images = images_of([[[[0], [30], [90]]] * 3])
    np.testing.assert_array_equal(shrunk(images, 2).pixels[0, :, :, 0], [[10, 70]] * 2)


@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 255))
def test_a_plain_image_stays_plain_at_any_size(old, new, value):
    small = shrunk(images_of(np.full((2, old, old, 1), value)), min(old, new)).pixels
    assert small.shape == (2, min(old, new), min(old, new), 1)
    assert (small == value).all()


def test_many_images_are_shrunk_as_one_is():
    images = noise(4, n_images=2100)
    small = shrunk(images, 3).pixels
    for number in (0, 1023, 1024, 2099):
        np.testing.assert_array_equal(shrunk(images.part(np.array([number])), 3).pixels[0], small[number])


def test_the_same_size_or_none_leaves_the_images_alone():
    images = noise(4)
    assert shrunk(images, None) is images
    assert shrunk(images, 4) is images


def test_crops_shrink_with_the_images():
    info = DatasetInfo(100, 10, 3, 32, Augmentation(crop=24, flip=True))
    small = shrunk_info(info, 16)
    assert (small.size, small.augmentation) == (16, Augmentation(crop=12, flip=True))
    assert shrunk_info(info, 1).augmentation.crop == 1
    assert shrunk_info(info, None) is info


@pytest.mark.parametrize("size", [0, 9, 4.0])
def test_a_size_that_the_images_do_not_have_is_refused(size):
    with pytest.raises(SettingsError, match=r"image_size must be an integer in 1\.\.8"):
        AccuracyFitness(SPACE, image_size=size)


def test_images_read_file_by_file_are_not_shrunk():
    info = DatasetInfo(100, 10, 3, None, Augmentation())
    with pytest.raises(SettingsError, match="image_size is for images in memory"):
        shrunk_info(info, 16)


def test_training_and_test_images_of_a_source_are_shrunk():
    source = Source("digits", n_images=50, image_size=4)
    assert dataset_info(source).size == 4
    assert load_images(source).pixels.shape == (50, 4, 4, 1)
    assert load_test_images(source).pixels.shape == (359, 4, 4, 1)
    whole = load_images(Source("digits", n_images=50))
    np.testing.assert_array_equal(load_images(source).pixels, shrunk(whole, 4).pixels)
