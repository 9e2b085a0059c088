import numpy as np
import torch

from deap_nas.training import Augmentation, Source
from deap_nas.training.data.batches import augmented_batch, search_sets, to_device
from deap_nas.training.data.sources import Images

CPU = torch.device("cpu")


def numbered_images(n_images=6, size=8):
    """Every pixel of an image tells where it was: row in channel 0, column in channel 1, image in channel 2."""
    rows, columns = np.mgrid[:size, :size]
    pixels = np.stack([np.stack([rows, columns, np.full_like(rows, i)], axis=-1) for i in range(n_images)])
    return Images(pixels.astype(np.uint8), np.arange(n_images))


def undone(images, batch):
    """Pixels of a normalised batch, (batch, height, width, channels)."""
    return (batch.permute(0, 2, 3, 1) / images.scale + images.mean).round().to(torch.int64)


def cut(augmentation, *, n_images=500, seed=0):
    images = to_device(numbered_images(), device=CPU)
    indices = torch.arange(n_images) % 6
    batch = augmented_batch(images, indices, augmentation, torch.Generator().manual_seed(seed))
    return indices, undone(images, batch)


def test_whole_images_are_only_normalised():
    indices, pixels = cut(Augmentation())
    assert pixels.shape == (500, 8, 8, 3)
    assert (pixels[..., 2] == indices[:, None, None]).all()
    assert (pixels[:, :, 0, 0] == torch.arange(8)).all()
    assert (pixels[:, 0, :, 1] == torch.arange(8)).all()


def test_crops_are_connected_and_every_offset_occurs():
    indices, pixels = cut(Augmentation(crop=6))
    assert pixels.shape == (500, 6, 6, 3)
    assert (pixels[..., 2] == indices[:, None, None]).all()
    assert (pixels.diff(dim=1)[..., 0] == 1).all()
    assert (pixels.diff(dim=2)[..., 1] == 1).all()
    offsets = {(int(row), int(column)) for row, column in pixels[:, 0, 0, :2]}
    assert offsets == {(row, column) for row in range(3) for column in range(3)}


def test_about_half_of_the_images_are_mirrored_and_no_row_moves():
    _, pixels = cut(Augmentation(flip=True))
    steps = pixels.diff(dim=2)[..., 1]
    mirrored = (steps == -1).all(dim=(1, 2))
    assert (mirrored | (steps == 1).all(dim=(1, 2))).all()
    assert 200 < mirrored.sum() < 300
    assert (pixels[:, :, 0, 0] == torch.arange(8)).all()


def test_crops_and_mirroring_follow_the_generator():
    both = Augmentation(crop=5, flip=True)
    assert torch.equal(cut(both, seed=1)[1], cut(both, seed=1)[1])
    assert not torch.equal(cut(both, seed=1)[1], cut(both, seed=2)[1])


def test_batches_are_channels_last():
    images = to_device(numbered_images(), device=CPU)
    batch = augmented_batch(images, torch.arange(4), Augmentation(crop=5, flip=True), torch.Generator())
    assert batch.is_contiguous(memory_format=torch.channels_last)


def test_training_images_have_zero_mean_and_unit_deviation_and_validation_the_same_scale():
    training, validation = search_sets(Source("digits"), 0, CPU)
    normalised = training.normalised(training.pixels)
    torch.testing.assert_close(normalised.mean(), torch.tensor(0.0), atol=1e-3, rtol=0)
    torch.testing.assert_close(normalised.std(), torch.tensor(1.0), atol=1e-3, rtol=0)
    assert validation.mean is training.mean
    assert (len(training.labels), len(validation.labels)) == (1150, 288)


def test_constant_images_stay_finite():
    images = to_device(Images(np.zeros((4, 2, 2, 1), np.uint8), np.zeros(4, np.int64)), device=CPU)
    assert torch.isfinite(images.normalised(images.pixels)).all()
