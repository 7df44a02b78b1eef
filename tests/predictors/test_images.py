"""Pictures in the network's form: what passes unchanged, what is done to others, what is refused."""

import struct
import zlib

import numpy as np
import pytest
import torch
from PIL import Image

from practicezoo.data import NormalizeImages, synthetic_digits
from practicezoo.predictors import ImageInput

DIGITS = ImageInput(28, 0.1307, 0.3081, background="dark")
PLAIN = ImageInput(28, 0.0, 1 / 255, background="dark")  # the result's numbers are the grey values


def notes(picture):
    return DIGITS.prepare([picture]).notes[0]


def read_image(path):
    """One picture's grey values."""
    return PLAIN(path)[0].round().to(torch.uint8)


@pytest.fixture
def digits():
    return synthetic_digits(3, seed=0).images


def test_the_networks_own_form_passes_unchanged(digits, tmp_path):
    expected = NormalizeImages(0.1307, 0.3081)(digits)
    Image.fromarray(digits[0, 0].numpy()).save(tmp_path / "0.png")
    assert torch.equal(DIGITS(digits), expected)
    for same in (
        digits[0, 0],
        digits[0],
        digits[0].numpy(),
        digits[0].permute(1, 2, 0).numpy(),
        digits[0].long(),
        digits[0].float() / 255,
        digits[0, 0].double().numpy() / 255,
        tmp_path / "0.png",
        str(tmp_path / "0.png"),
        Image.fromarray(digits[0, 0].numpy()),
    ):
        assert torch.equal(DIGITS(same), expected[:1])
        assert DIGITS.is_one(same)
        assert notes(same) == []


@pytest.mark.parametrize("batch", ["NCHW", "NHW", "NHWC", "list"])
def test_one_dimension_more_is_a_batch(batch, digits):
    given = {
        "NCHW": digits,
        "NHW": digits[:, 0].numpy().repeat(2, axis=0),
        "NHWC": digits.permute(0, 2, 3, 1).numpy(),
        "list": [*digits],
    }[batch]
    assert not DIGITS.is_one(given)
    assert DIGITS(given)[-1].equal(DIGITS(digits)[-1])


def test_a_picture_of_nothing_is_said(digits):
    assert notes(torch.zeros_like(digits[0])) == ["all pixels alike"]
    assert notes(torch.full_like(digits[0], 255)) == ["all pixels alike", "inverted"]


def test_a_light_background_is_inverted_and_said(digits):
    assert torch.equal(DIGITS(255 - digits[0]), DIGITS(digits[0]))
    assert notes(255 - digits[0]) == ["inverted"]
    light = ImageInput(28, 0.1307, 0.3081, background="light")
    assert torch.equal(light(digits[0]), light(255 - digits[0]))
    either = ImageInput(28, 0.1307, 0.3081)
    assert not torch.equal(either(digits[0]), either(255 - digits[0]))


def test_colours_become_grey_with_pillows_weights():
    colours = torch.randint(0, 256, (40, 40, 3), dtype=torch.uint8)
    colours[[0, -1]] = 0
    colours[:, [0, -1]] = 0
    picture = Image.fromarray(colours.numpy())
    given = DIGITS.prepare([picture])
    assert torch.equal(given.inputs, DIGITS(np.array(picture.convert("L"))))
    assert given.notes[0] == ["grey from colours", "resized from 40x40"]


def test_a_network_of_colours_takes_grey_pictures(digits):
    colours = ImageInput(28, (0.5, 0.4, 0.3), (0.2, 0.2, 0.2), channels=3)
    assert colours(digits[0, 0]).shape == (1, 3, 28, 28)
    assert colours.is_one(torch.zeros(3, 28, 28))


def test_sixteen_bits_keep_their_range(digits, tmp_path):
    deep = digits[0, 0].numpy().astype(np.uint16) * 257
    Image.fromarray(deep).save(tmp_path / "deep.png")
    assert torch.equal(DIGITS(tmp_path / "deep.png"), DIGITS(digits[0]))


def test_a_photo_is_turned_as_its_exif_says(digits, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    Image.fromarray(digits[0, 0].numpy()).save(tmp_path / "turned.png", exif=exif)
    assert torch.equal(DIGITS(tmp_path / "turned.png"), DIGITS(digits[0, 0].rot90(-1)))


@pytest.mark.parametrize(
    ("picture", "message"),
    [
        (
            torch.full((28, 28), 128, dtype=torch.uint8),
            "must have a dark or a light border, to tell its backgro",
        ),
        ("", "path of a picture must not be empty, got ''"),
        (torch.zeros(0, 28), r"image must have at least one pixel, got shape \(0, 28\)"),
        (np.zeros((28, 28, 0)), "image must have at least one pixel"),
        (torch.zeros(28), r"or a batch of them, got shape \(28,\)"),
        (torch.zeros(3, 28, 28), r"whether it is one in colours or 3 in grey, got shape \(3, 28, 28\)"),
        (torch.zeros(2, 5, 28, 28), r"image must have 1, 3 or 4 channels, got shape \(5, 28, 28\)"),
        (torch.full((28, 28), 256), "image of integers must lie between 0 and 255, got 256 to 256"),
        (torch.full((28, 28), -1), "image of integers must lie between 0 and 255, got -1 to -1"),
        (torch.full((28, 28), 1.5), "image of floats must lie between 0 and 1, got 1.5 to 1.5"),
        (torch.full((28, 28), float("nan")), "image of floats must lie between 0 and 1, got nan to nan"),
        (
            np.broadcast_to(np.uint8(0), (10_000, 10_000)),
            "image must have at most 67108864 pixels, got 10000x10000",
        ),
        (Image.new("F", (28, 28)), "image must have 8 or 16 bits a channel, got one of Pillow's mode 'F'"),
        (
            [torch.zeros(28, 28), torch.full((28, 28), 0.5)],
            r"samples\[1\]: image must have a dark or a light",
        ),
    ],
)
def test_pictures_that_are_refused(picture, message):
    with pytest.raises(ValueError, match=message):
        DIGITS(picture)


@pytest.mark.parametrize(
    ("sample", "message"),
    [
        (7, "sample must be a picture, or a list of them, got int"),
        ([7], r"sample must be a picture \(a path, PIL image, array or tensor\), got int"),
        (
            torch.zeros(28, 28, dtype=torch.complex64),
            "image must hold integers or floats, got torch.complex64",
        ),
        (np.array([["a"]]), "image must hold integers or floats, got <U1"),
        (np.array([[None]]), "image must hold integers or floats, got object"),
    ],
)
def test_what_is_no_picture_at_all(sample, message):
    with pytest.raises(TypeError, match=message):
        DIGITS(sample)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"size": 0}, "size must be at least 1, got 0"),
        ({"channels": 2}, "channels must be 1 or 3, got 2"),
        ({"background": "blue"}, "background must be one of dark, light, got 'blue'"),
        ({"std": 0.0}, "std must be positive, got 0.0"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        ImageInput(**{"size": 28, "mean": 0.1, "std": 0.3, **arguments})


def test_a_picture_is_brought_to_the_form_of_the_training_images(tmp_path):
    (digit,) = synthetic_digits(1, seed=0).images
    drawn = Image.fromarray(255 - digit[0].numpy()).resize((56, 56)).convert("RGB")  # dark on light paper
    drawn.save(tmp_path / "drawn.png")
    image = read_image(tmp_path / "drawn.png")
    assert (image.shape, image.dtype) == ((1, 28, 28), torch.uint8)
    assert (image.float() - digit.float()).abs().mean() < 12


def test_a_transparent_background_is_paper(tmp_path):
    (digit,) = synthetic_digits(1, seed=0).images
    strokes = Image.new("RGBA", (28, 28), (0, 0, 0, 0))
    strokes.putalpha(Image.fromarray(digit[0].numpy()))  # black where the digit is, nothing elsewhere
    strokes.save(tmp_path / "drawn.png")
    assert (read_image(tmp_path / "drawn.png").float() - digit.float()).abs().max() <= 1


def test_a_picture_that_is_no_square_keeps_its_proportions(tmp_path):
    picture = torch.zeros(28, 56, dtype=torch.uint8)
    picture[4:24, 18:38] = 255  # a square of 20 pixels in the middle
    Image.fromarray(picture.numpy()).save(tmp_path / "wide.png")
    image = read_image(tmp_path / "wide.png")[0]
    assert (image > 127).any(dim=0).sum() == (image > 127).any(dim=1).sum() == 10


def png(width: int, height: int, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG file of grey pixels whose header says this size."""
    header = b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    written = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in (header, *chunks, (b"IEND", b""))
    )
    return b"\x89PNG\r\n\x1a\n" + written


@pytest.mark.parametrize("side", [9_000, 11_000, 20_000, 2**31 - 1])
def test_a_picture_with_a_huge_header(side, tmp_path):
    (tmp_path / "bomb.png").write_bytes(png(side, side, (b"IDAT", zlib.compress(b"\0"))))
    message = r"bomb\.png must have at most 67108864 pixels, got a picture of more"
    with pytest.raises(ValueError, match=message):
        read_image(tmp_path / "bomb.png")


def test_what_is_no_picture(tmp_path):
    (tmp_path / "digit.png").write_text("seven")
    with pytest.raises(ValueError, match=r"digit\.png must be a picture"):
        read_image(tmp_path / "digit.png")
    with pytest.raises(FileNotFoundError, match=r"got .*digits\.png, which is not there; near: .*digit\.png"):
        read_image(tmp_path / "digits.png")
    with pytest.raises(IsADirectoryError, match=r"sample must be a picture's path, got the folder"):
        read_image(tmp_path)
