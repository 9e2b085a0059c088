"""Mirroring and cropping as one chooses them, from the source to the batches."""

import numpy as np
import pytest
import torch
from PIL import Image

from deap_nas import FlatSpace, NetworkTemplate
from deap_nas.errors import SettingsError
from deap_nas.store.settings import differences
from deap_nas.training import AccuracyFitness, Augmentation, Recipe, Source, dataset_info
from deap_nas.training.data.batches import augmented_batch, to_device
from deap_nas.training.data.streams import StreamedImages
from deap_nas.training.retraining.process_group import ALONE
from tests.training.data.test_batches import CPU, cut, numbered_images
from tests.training.data.test_datasets import make_folder
from tests.training.data.test_streams import SIZE, bytes_of, make_imagenet, take
from tests.training.retraining.retrain import make_retraining

SPACE = FlatSpace(nodes=3)


@pytest.fixture
def folder(tmp_path):
    for part in ("train", "test"):
        make_folder(tmp_path / "images" / part, size=(8, 8), n_images=12)
    return f"imagefolder:{tmp_path / 'images'}"


def make_fitness(dataset="digits", **options):
    template = NetworkTemplate.small_cifar(channels=2)
    recipe = Recipe(steps=2, batch_size=8)
    return AccuracyFitness(SPACE, dataset=dataset, template=template, recipe=recipe, repeats=1, device="cpu", **options)


def test_padded_images_are_moved_over_every_offset_and_have_the_mean_colour_around():
    _, pixels = cut(Augmentation(padding=2), n_images=800)
    assert pixels.shape == (800, 8, 8, 3)
    mean = to_device(numbered_images(), device=CPU).mean.round().to(torch.int64)
    offsets = set()
    for image in pixels:
        is_mean = (image == mean).all(dim=-1)
        top, left = int(is_mean.all(dim=1)[:2].sum()), int(is_mean.all(dim=0)[:2].sum())
        bottom, right = int(is_mean.all(dim=1)[-2:].sum()), int(is_mean.all(dim=0)[-2:].sum())
        offsets.add((top - bottom, left - right))
        inside = image[top : 8 - bottom, left : 8 - right]
        assert (inside[..., 0].diff(dim=0) == 1).all()
        assert (inside[..., 1].diff(dim=1) == 1).all()
        assert inside[0, 0, :2].tolist() == [bottom, right]
    assert offsets == {(row, column) for row in range(-2, 3) for column in range(-2, 3)}


def test_padding_and_mirroring_go_together_and_ranks_share_the_batch():
    images = to_device(numbered_images(), device=CPU)
    both, indices = Augmentation(padding=2, flip=True), torch.arange(6)
    whole = augmented_batch(images, indices, both, torch.Generator().manual_seed(1))
    assert whole.is_contiguous(memory_format=torch.channels_last)
    parts = [
        augmented_batch(images, indices, both, torch.Generator().manual_seed(1), share=share)
        for share in (slice(0, 3), slice(3, 6))
    ]
    assert torch.equal(torch.cat(parts), whole)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, Augmentation(crop=6, flip=True)),
        ({"flip": False}, Augmentation(crop=6)),
        ({"crop": 0}, Augmentation(flip=True)),
        ({"flip": False, "crop": 0}, Augmentation()),
        ({"crop": 2}, Augmentation(flip=True, padding=2)),
        ({"crop": 4, "image_size": 4}, Augmentation(flip=True, padding=2)),
        ({"crop": 1, "image_size": 2}, Augmentation(flip=True, padding=1)),
    ],
)
def test_options_change_what_they_name_and_leave_the_rest_of_the_default(folder, options, expected):
    assert dataset_info(Source(folder, **options)).augmentation == expected


def test_digits_can_be_moved_and_imagenet_left_alone(tmp_path):
    assert dataset_info(Source("digits", crop=1)).augmentation == Augmentation(padding=1)
    info = dataset_info(Source(make_imagenet(tmp_path).name, crop=0, flip=False))
    assert info.augmentation == Augmentation(brightness=32 / 255, contrast=0.5)


@pytest.mark.parametrize("options", [{"crop": -1}, {"crop": 1.5}, {"crop": 9}, {"flip": "no"}])
def test_options_that_make_no_sense_are_refused(options):
    with pytest.raises(SettingsError, match=next(iter(options))):
        make_fitness(**options)


def test_fitness_and_retraining_train_with_what_was_chosen(folder):
    fitness = make_fitness(folder, flip=False, crop=1)
    candidate = fitness.candidate([1, 1, 1], seed=1)
    assert fitness.augmentation == candidate.batches._augmentation == Augmentation(padding=1)
    assert fitness.cheaper(steps=1).augmentation == fitness.augmentation
    retraining = make_retraining(dataset=folder, recipe=Recipe(steps=1, batch_size=8), flip=False, crop=1)
    assert retraining.to_dict()["augmentation"] == Augmentation(padding=1).to_dict()
    assert (
        "padding" not in make_retraining(dataset=folder, recipe=Recipe(steps=1, batch_size=8)).to_dict()["augmentation"]
    )


def test_what_was_chosen_is_described_and_made_again_and_another_choice_differs(folder):
    plain, chosen = make_fitness(folder), make_fitness(folder, flip=False, crop=1)
    fields = chosen.to_dict()
    assert (fields["flip"], fields["crop"], fields["augmentation"]) == (
        False,
        1,
        {"crop": None, "flip": False, "padding": 1},
    )
    assert AccuracyFitness.from_dict(fields).to_dict() == fields
    assert plain.to_dict().keys().isdisjoint({"flip", "crop"})
    assert plain.to_dict()["augmentation"] == {"crop": 6, "flip": True}
    texts = differences(plain.to_dict(), fields)
    assert "flip is nothing there, but False was asked for" in texts
    assert "crop is nothing there, but 1 was asked for" in texts


def test_images_read_file_by_file_are_left_whole_or_moved(tmp_path):
    source = make_imagenet(tmp_path)
    shaped = np.full((40, 40, 3), 250, dtype=np.uint8)
    shaped[:20] = 10
    for part in ("train", "val"):
        for path in (tmp_path / part).glob("*/*"):
            Image.fromarray(shaped).save(path, quality=100)
    whole = streamed(source, Augmentation())
    assert torch.equal(whole[0], whole[-1])
    moved = streamed(source, Augmentation(padding=5))
    edges = {int((bytes_of(image)[0, :, SIZE // 2] > 200).int().argmax()) for image in moved}
    assert len(edges) > 5
    assert whole.shape == moved.shape == (48, 3, SIZE, SIZE)


def streamed(source, augmentation):
    images, _ = take(StreamedImages(source, augmentation, 12, size=SIZE, ranks=ALONE).batches(1), 4)
    return images.flatten(0, 1)
