import struct
import warnings

import numpy as np
import pytest
from PIL import Image

from deap_nas.errors import DatasetError
from deap_nas.training.data.decoding import n_pictures, open_image

#: Grey of what lies behind transparent pixels.
BACKGROUND = 128


def read(path):
    image = open_image(path)
    assert image.mode == "RGB"
    return np.asarray(image)


def save(path, image, **options):
    image.save(path, **options)
    return path


def ramp(dtype, step):
    return (np.arange(64).reshape(8, 8) * step).astype(dtype)


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_grey_of_16_bits_is_scaled_and_not_cut_off(tmp_path, suffix):
    values = ramp(np.uint16, 1040)
    pixels = read(save(tmp_path / f"a.{suffix}", Image.fromarray(values)))
    np.testing.assert_array_equal(pixels, np.rint(values / 257)[..., None].repeat(3, axis=2))
    assert len(np.unique(pixels)) == 64


@pytest.mark.parametrize(("largest", "step"), [(65535, 1040), (4095, 65)])
def test_grey_of_a_pgm_is_scaled_by_the_largest_value_that_it_names(tmp_path, largest, step):
    values = ramp(np.uint16, step)
    path = tmp_path / "a.pgm"
    path.write_bytes(f"P5 8 8 {largest}\n".encode() + values.astype(">u2").tobytes())
    np.testing.assert_allclose(read(path)[..., 0], values / largest * 255, atol=0.51)


def test_a_tiff_of_12_bits_is_scaled_by_its_own_range(tmp_path):
    values = ramp(np.uint16, 65)
    first, second = values.ravel()[::2].astype(int), values.ravel()[1::2].astype(int)
    packed = np.stack([first >> 4, (first & 15) << 4 | second >> 8, second & 255], axis=1).astype(np.uint8).tobytes()
    tags = ((256, 8), (257, 8), (258, 12), (259, 1), (262, 1), (273, 110), (277, 1), (279, len(packed)))
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    (tmp_path / "a.tif").write_bytes(b"II*\0\x08\0\0\0" + struct.pack("<H", 8) + entries + bytes(4) + packed)
    np.testing.assert_allclose(read(tmp_path / "a.tif")[..., 0], values / 4095 * 255, atol=0.51)


def test_a_transparent_value_of_16_bits_is_background(tmp_path):
    values = ramp(np.uint16, 1040)
    path = tmp_path / "a.png"
    Image.fromarray(values).save(path, transparency=0)
    pixels = read(path)
    assert pixels[0, 0].tolist() == [BACKGROUND] * 3
    assert pixels[-1, -1].tolist() == [255] * 3


@pytest.mark.parametrize("mode", ["I", "F"])
def test_numbers_without_a_range_are_refused_by_mode_and_file(tmp_path, mode):
    path = save(tmp_path / "a.tif", Image.new(mode, (4, 4)))
    with pytest.raises(DatasetError, match=rf"a\.tif is an image of mode {mode}, .* save it with 8 or 16 bits"):
        open_image(path)


@pytest.mark.parametrize("colour", [0, 255])
@pytest.mark.parametrize(("mode", "suffix"), [("LA", "png"), ("RGBA", "png"), ("RGBA", "webp"), ("PA", "tif")])
def test_a_shape_of_the_alpha_channel_is_seen_whatever_its_colour(tmp_path, mode, suffix, colour):
    shape = np.zeros((8, 8), dtype=np.uint8)
    shape[2:5, 3:6] = 255
    image = Image.new("L", (8, 8), colour).convert(mode.removesuffix("A"))
    image.putalpha(Image.fromarray(shape))
    assert image.mode == mode
    pixels = read(save(tmp_path / f"a.{suffix}", image, **({"lossless": True} if suffix == "webp" else {})))
    expected = np.where(shape[..., None] == 255, colour, BACKGROUND).repeat(3, axis=2)
    np.testing.assert_array_equal(pixels, expected)


def test_half_transparent_colours_are_mixed_with_the_background(tmp_path):
    path = save(tmp_path / "a.png", Image.new("RGBA", (2, 2), (255, 0, 128, 128)))
    np.testing.assert_allclose(read(path)[0, 0], [191.5, 64, 128], atol=1)


@pytest.mark.parametrize("mode", ["L", "RGB", "P", "1"])
def test_a_transparent_colour_of_an_image_without_alpha_is_background(tmp_path, mode):
    image = Image.new("RGB", (4, 4), (255, 255, 255))
    image.paste((0, 0, 0), (1, 1, 3, 3))
    image = image.convert(mode)
    dark = image.getpixel((1, 1))
    pixels = read(save(tmp_path / "a.png", image, transparency=dark))
    assert pixels[1, 1].tolist() == [BACKGROUND] * 3
    assert pixels[0, 0].tolist() == [255] * 3


def test_a_palette_with_an_opacity_for_each_colour_warns_of_nothing(tmp_path):
    image = Image.new("P", (4, 4), 1)
    image.putpalette([10, 20, 30, 40, 50, 60])
    path = save(tmp_path / "a.png", image, transparency=bytes([255, 0]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read(path)[0, 0].tolist() == [BACKGROUND] * 3


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "CMYK", "YCbCr"])
def test_opaque_images_are_read_as_pillow_converts_them(tmp_path, mode):
    colours = np.random.default_rng(0).integers(256, size=(8, 8, 3), dtype=np.uint8)
    path = save(tmp_path / "a.tif", Image.fromarray(colours).convert(mode))
    with Image.open(path) as image:
        np.testing.assert_array_equal(read(path), np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_images_are_turned_as_their_exif_says(tmp_path, orientation, suffix):
    from PIL import ImageOps

    colours = np.zeros((6, 8, 3), dtype=np.uint8)
    colours[:3, :4] = 250  # a corner, so that each orientation differs
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = Image.fromarray(colours)
    path = save(tmp_path / f"a.{suffix}", image, exif=exif, **({"quality": 100} if suffix != "png" else {}))
    with Image.open(path) as expected:
        np.testing.assert_array_equal(read(path), np.asarray(ImageOps.exif_transpose(expected).convert("RGB")))
    assert read(path).shape[:2] == ((6, 8) if orientation < 5 else (8, 6))


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_damaged_exif_leaves_the_image_as_it_is(tmp_path):
    path = save(tmp_path / "a.jpg", Image.new("RGB", (6, 4), (9, 9, 9)), exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    assert read(path).shape == (4, 6, 3)


@pytest.mark.parametrize(
    "error",
    [RuntimeError("Failed to\ndecode"), SyntaxError("broken"), AssertionError(), KeyError(3), ZeroDivisionError(),
     Image.DecompressionBombError("too large"), EOFError(), TypeError("no")],
)  # fmt: skip
def test_every_error_of_a_decoder_names_the_file_in_one_line(tmp_path, monkeypatch, error):
    def load(image):
        raise error

    path = save(tmp_path / "a.bmp", Image.new("RGB", (6, 4)))
    monkeypatch.setattr("PIL.BmpImagePlugin.BmpImageFile.load", load)
    with pytest.raises(DatasetError, match=r"a\.bmp cannot be read as an image: \S") as caught:
        open_image(path)
    assert "\n" not in str(caught.value)


def test_lack_of_memory_is_no_fault_of_the_file(tmp_path, monkeypatch):
    def load(image):
        raise MemoryError

    path = save(tmp_path / "a.bmp", Image.new("RGB", (6, 4)))
    monkeypatch.setattr("PIL.BmpImagePlugin.BmpImageFile.load", load)
    with pytest.raises(MemoryError):
        open_image(path)


def test_a_damaged_avif_by_the_name_of_a_jpeg_is_named(tmp_path):
    from PIL import features

    if not features.check("avif"):
        pytest.skip("this Pillow reads no AVIF")
    path = tmp_path / "a.jpg"
    colours = np.random.default_rng(0).integers(256, size=(32, 32, 3), dtype=np.uint8)
    Image.fromarray(colours).save(path, format="AVIF")
    content = path.read_bytes()
    for place in range(40, 200):
        path.write_bytes(content[:place] + bytes([content[place] ^ 255]) + content[place + 1 :])
        try:
            with Image.open(path) as image:
                image.load()
        except RuntimeError:
            break
        except (OSError, SyntaxError):
            pass
    else:
        pytest.skip("this Pillow raises no RuntimeError for it")
    with pytest.raises(DatasetError, match=r"a\.jpg cannot be read as an image: Failed"):
        open_image(path)


def test_pictures_in_a_file_are_counted(tmp_path):
    one, two = Image.new("L", (4, 4), 1), Image.new("L", (4, 4), 2)
    assert n_pictures(save(tmp_path / "a.png", one)) == 1
    assert n_pictures(save(tmp_path / "a.tif", one, save_all=True, append_images=[two, two])) == 3
