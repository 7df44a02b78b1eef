"""Augmentation of whole batches: each image moves by its own numbers."""

import math
import pickle

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F
from torchvision.transforms import v2

from practicezoo.data import NormalizeImages, RandomFlip, RandomShift, RandomWarp

dtypes = pytest.mark.parametrize("dtype", [torch.uint8, torch.float32, torch.bfloat16])


def shifted(image, down, right, padding_mode, fill=0):
    """One image ``(C, H, W)``, pixel by pixel."""
    _, height, width = image.shape
    result = torch.full_like(image, fill)
    for y in range(height):
        for x in range(width):
            source_y, source_x = y - down, x - right
            if padding_mode == "edge":
                source_y, source_x = min(max(source_y, 0), height - 1), min(max(source_x, 0), width - 1)
            if 0 <= source_y < height and 0 <= source_x < width:
                result[:, y, x] = image[:, source_y, source_x]
    return result


@pytest.mark.parametrize("padding_mode", ["constant", "edge"])
@given(
    k=st.integers(0, 3), num_channels=st.integers(1, 3), size=st.tuples(st.integers(1, 6), st.integers(1, 6))
)
def test_every_result_is_a_shift_of_its_image(padding_mode, k, num_channels, size):
    images = torch.randint(1, 256, (4, num_channels, *size), dtype=torch.uint8)
    results = RandomShift(k, padding_mode=padding_mode)(images)
    assert results.shape == images.shape
    steps = range(-k, k + 1)
    for image, result in zip(images, results, strict=True):
        candidates = [shifted(image, down, right, padding_mode) for down in steps for right in steps]
        assert any(torch.equal(result, candidate) for candidate in candidates)


@dtypes
def test_all_shifts_come_equally_often_and_independently(dtype):
    k, num_images = 1, 9000
    images = torch.zeros(num_images, 1, 5, 5, dtype=dtype)
    images[:, :, 2, 2] = 1
    moved = RandomShift(k)(images)
    assert moved.dtype == dtype
    counts = moved.float().sum(dim=(0, 1))
    assert counts.sum() == num_images
    assert counts[1:4, 1:4].sum() == num_images
    assert ((counts[1:4, 1:4] - num_images / 9).abs() < 150).all()  # five standard deviations


def test_fill():
    images = torch.full((50, 1, 4, 4), 7, dtype=torch.uint8)
    values = RandomShift(2, fill=9)(images).unique().tolist()
    assert values == [7, 9]
    assert RandomShift(2, padding_mode="edge")(images).unique().tolist() == [7]


def test_no_shift_is_the_identity():
    images = torch.rand(3, 2, 4, 5)
    assert torch.equal(RandomShift(0)(images), images)


def test_a_shift_larger_than_the_image():
    images = torch.ones(200, 1, 2, 2)
    moved = RandomShift(5)(images)
    assert moved.shape == images.shape
    assert not moved.flatten(1).any(dim=1).all()
    assert RandomShift(5, padding_mode="edge")(images).eq(1).all()


def test_the_seed_decides_and_the_images_stay_as_they_are():
    images = torch.rand(20, 1, 8, 8)
    before, shift = images.clone(), RandomShift(2)
    torch.manual_seed(1)
    first = shift(images)
    second = shift(images)
    torch.manual_seed(1)
    assert torch.equal(shift(images), first)
    assert not torch.equal(first, second)
    assert torch.equal(images, before)


def test_an_empty_batch():
    assert RandomShift(2)(torch.zeros(0, 1, 28, 28)).shape == (0, 1, 28, 28)


def test_it_composes_with_others():
    images = torch.randint(256, (6, 1, 28, 28), dtype=torch.uint8)
    transform = v2.Compose([RandomShift(2), NormalizeImages(0.5, 0.5)])
    torch.manual_seed(0)
    expected = NormalizeImages(0.5, 0.5)(RandomShift(2)(images))
    torch.manual_seed(0)
    assert torch.equal(transform(images), expected)


def test_shifting_before_or_after_normalizing_is_the_same_with_the_right_fill():
    images = torch.randint(256, (6, 1, 28, 28), dtype=torch.uint8)
    normalize = NormalizeImages(0.25, 0.5)
    torch.manual_seed(0)
    before = normalize(RandomShift(2)(images))
    torch.manual_seed(0)
    assert torch.equal(RandomShift(2, fill=-0.5)(normalize(images)), before)


@pytest.mark.parametrize("padding_mode", ["constant", "edge"])
def test_gradients_pass(padding_mode):
    images = torch.rand(3, 1, 4, 4, requires_grad=True)
    RandomShift(1, padding_mode=padding_mode)(F.pad(images, (1, 1, 1, 1))).sum().backward()
    assert images.grad.eq(1).all()


@pytest.mark.gpu
def test_it_works_on_the_images_device(cuda):
    images = torch.randint(1, 256, (40, 1, 28, 28), dtype=torch.uint8)
    moved = RandomShift(2)(images.to(cuda))
    assert moved.is_cuda
    for image, result in zip(images, moved.cpu(), strict=True):
        assert any(
            torch.equal(result, shifted(image, down, right, "constant"))
            for down in range(-2, 3)
            for right in range(-2, 3)
        )


def test_it_can_be_sent_to_a_worker():
    shift = pickle.loads(pickle.dumps(RandomShift(3, padding_mode="edge")))  # noqa: S301
    assert repr(shift) == "RandomShift(3, padding_mode='edge', fill=0.0)"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"max_pixels": -1}, "max_pixels must be at least 0, got -1"),
        (
            {"max_pixels": 1, "padding_mode": "reflect"},
            "padding_mode must be one of constant, edge, got 'reflect'",
        ),
    ],
)
def test_shifts_and_padding_modes_that_are_unknown_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        RandomShift(**arguments)


def test_wrong_images():
    with pytest.raises(ValueError, match=r"images must be a batch \(N, C, H, W\), got shape \(28, 28\)"):
        RandomShift(1)(torch.zeros(28, 28))


def test_wrong_types():
    with pytest.raises(TypeError, match=r"max_pixels must be an integer, got 1\.5"):
        RandomShift(1.5)
    with pytest.raises(TypeError, match="images must be a tensor, got ndarray"):
        RandomShift(1)(torch.zeros(1, 1, 28, 28).numpy())


STRONG = {"degrees": 20.0, "shear": 15.0, "scale": 0.2, "max_pixels": 2.0, "bend": 1.0}


def sampled(monkeypatch, *numbers):
    """Makes the next numbers these, as fractions of their bounds: angle, lean, width, height, right, down."""
    row = torch.tensor(numbers) / 2 + 0.5
    monkeypatch.setattr(torch, "rand", lambda *size, dtype, device: row.to(dtype)[:, None].expand(size))


@dtypes
@given(num_channels=st.integers(1, 3), size=st.tuples(st.integers(1, 9), st.integers(1, 9)))
def test_an_affine_map_of_no_strength_is_the_identity(dtype, num_channels, size):
    images = torch.randint(256, (4, num_channels, *size)).to(dtype)
    results = RandomWarp()(images)
    assert results.dtype == dtype
    torch.testing.assert_close(results, images, rtol=0, atol=0 if dtype == torch.uint8 else 1e-3)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.float16, torch.bfloat16, torch.float64])
def test_an_affine_map_keeps_shape_and_dtype(dtype):
    images = torch.randint(256, (5, 3, 7, 9)).to(dtype)
    moved = RandomWarp(**STRONG)(images)
    assert (moved.shape, moved.dtype) == (images.shape, dtype)
    assert not torch.equal(moved, images)


@pytest.mark.parametrize("size", [(28, 28), (20, 30)])
@pytest.mark.parametrize(
    ("arguments", "numbers", "expected"),
    [  # torchvision rotates clockwise, and scales both sides alike
        ({"degrees": 30}, (0.5, 0, 0, 0, 0, 0), {"angle": -15.0}),
        ({"scale": 0.4}, (0, 0, 0.5, 0.5, 0, 0), {"scale": 1.2}),
        ({"scale": 0.4}, (0, 0, -0.5, -0.5, 0, 0), {"scale": 0.8}),
        ({"max_pixels": 4}, (0, 0, 0, 0, -0.5, 0.75), {"translate": [2, -3]}),
        ({"shear": 40}, (0, 0.5, 0, 0, 0, 0), {"shear": [20.0, 0.0]}),
    ],
)
def test_each_affine_map_is_torchvisions(size, arguments, numbers, expected, monkeypatch):
    images = torch.rand(2, 1, *size)
    sampled(monkeypatch, *numbers)
    whole = {"angle": 0.0, "translate": [0, 0], "scale": 1.0, "shear": [0.0, 0.0], **expected}
    theirs = v2.functional.affine(images, **whole, interpolation=v2.InterpolationMode.BILINEAR)
    torch.testing.assert_close(RandomWarp(**arguments)(images), theirs, rtol=0, atol=1e-4)


def test_width_and_height_are_scaled_by_factors_of_their_own(monkeypatch):
    images = torch.zeros(1, 1, 40, 40)
    images[..., 10:30, 10:30] = 1
    sampled(monkeypatch, 0, 0, 1, -1, 0, 0)
    (mask,) = RandomWarp(scale=0.5)(images)[0] > 0.5
    assert (mask.any(dim=0).sum(), mask.any(dim=1).sum()) == (30, 10)


def test_the_numbers_lie_evenly_between_their_bounds_and_each_image_has_its_own():
    images = torch.zeros(4000, 1, 1, 9)
    images[..., 4] = 1
    moved = RandomWarp(max_pixels=2)(images)
    places = (moved * torch.arange(9)).sum(dim=(1, 2, 3)) / moved.sum(dim=(1, 2, 3)).clamp(min=1e-9) - 4
    seen = moved.sum(dim=(1, 2, 3)) > 0.05  # the others have left the row downwards
    assert places[seen].abs().max() <= 2 + 1e-4
    assert abs(places[seen].mean()) < 0.15
    assert 1.0 < places[seen].std() < 1.3  # 2 / sqrt(3) = 1.15


def test_bending_moves_neighbours_almost_alike():
    ramp = torch.arange(40.0, dtype=torch.float64).expand(200, 1, 40, 40)  # each pixel tells its column
    moved = (RandomWarp(bend=0.8)(ramp) - ramp)[..., 6:-6, 6:-6]
    assert abs(moved.mean()) < 0.1
    assert 0.4 < moved.std() < 0.8
    for dim in (-1, -2):
        assert moved.diff(dim=dim).abs().mean() < 0.15
    assert moved.std(dim=0).min() > 0.2  # each image has its own net


def test_some_images_stay_as_they_are():
    images = torch.randint(256, (2000, 1, 9, 9), dtype=torch.uint8)
    moved = RandomWarp(**STRONG, probability=0.75)(images)
    stayed = (moved == images).flatten(1).all(dim=1).double().mean()
    assert 0.2 < stayed < 0.3


def test_a_probability_of_one_draws_no_further_numbers():
    images = torch.rand(5, 1, 8, 8)
    torch.manual_seed(0)
    RandomWarp(degrees=5, probability=1)(images)
    after = torch.rand(1)
    torch.manual_seed(0)
    torch.rand(6, 5)
    assert torch.equal(torch.rand(1), after)


def test_what_moves_in_at_the_border_is_the_fill():
    images = torch.full((50, 1, 6, 6), 7, dtype=torch.uint8)
    assert RandomWarp(max_pixels=3, fill=7)(images).eq(7).all()
    assert RandomWarp(max_pixels=3)(images).min() == 0
    assert RandomWarp(max_pixels=3, fill=200)(images).max() > 190


def test_the_seed_decides_the_affine_maps_and_the_images_stay_as_they_are():
    images = torch.rand(20, 1, 8, 8)
    before, affine = images.clone(), RandomWarp(**STRONG)
    torch.manual_seed(1)
    first = affine(images)
    second = affine(images)
    torch.manual_seed(1)
    assert torch.equal(affine(images), first)
    assert not torch.equal(first, second)
    assert torch.equal(images, before)


def test_an_empty_batch_of_affine_maps():
    assert RandomWarp(**STRONG)(torch.zeros(0, 1, 28, 28)).shape == (0, 1, 28, 28)


def test_an_affine_map_lets_gradients_pass_and_can_be_sent_to_a_worker():
    affine = pickle.loads(pickle.dumps(RandomWarp(**STRONG)))  # noqa: S301
    assert (
        repr(affine) == "RandomWarp(degrees=20.0, shear=15.0, scale=0.2, max_pixels=2.0, bend=1.0, fill=0.0, "
        "probability=1.0)"
    )
    images = torch.rand(3, 1, 9, 9, requires_grad=True)
    affine(images).sum().backward()
    assert images.grad.isfinite().all()
    assert images.grad[:, :, 3:6, 3:6].gt(0).all()


@pytest.mark.gpu
def test_affine_maps_work_on_the_images_device(cuda):
    images = torch.randint(256, (40, 1, 28, 28), dtype=torch.uint8, device=cuda)
    assert RandomWarp(**STRONG)(images).is_cuda
    assert torch.equal(RandomWarp()(images), images)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"degrees": -1}, r"degrees must be an angle in \[0, 90\), got -1"),
        ({"shear": 90}, r"shear must be an angle in \[0, 90\), got 90"),
        ({"scale": 1.0}, r"scale must lie in \[0, 1\), got 1\.0"),
        ({"max_pixels": -0.5}, r"max_pixels must be at least 0, got -0\.5"),
        ({"probability": 0}, r"probability must lie in \(0, 1\], got 0"),
        ({"probability": 1.5}, r"probability must lie in \(0, 1\], got 1\.5"),
        ({"bend": -1}, "bend must be at least 0, got -1"),
        ({"max_pixels": math.nan}, "max_pixels must be at least 0, got nan"),
    ],
)
def test_bounds_of_affine_maps_that_make_no_sense_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        RandomWarp(**arguments)


def test_images_that_are_no_batch_have_no_affine_maps():
    with pytest.raises(ValueError, match=r"images must be a batch \(N, C, H, W\), got shape \(28, 28\)"):
        RandomWarp()(torch.zeros(28, 28))
    with pytest.raises(TypeError, match="images must be a tensor, got list"):
        RandomWarp()([0])


def test_each_image_is_flipped_or_stays_at_its_own_chance():
    images = torch.randint(256, (1000, 2, 3, 4), dtype=torch.uint8)
    results = RandomFlip()(images)
    assert results.dtype == images.dtype
    flipped = (results == images.flip(-1)).flatten(1).all(dim=1)
    stayed = (results == images).flatten(1).all(dim=1)
    assert (flipped | stayed).all()
    assert 420 < flipped.sum() < 580
    assert torch.equal(RandomFlip(probability=1.0)(images), images.flip(-1))
    assert repr(RandomFlip(probability=0.25)) == "RandomFlip(probability=0.25)"


@pytest.mark.parametrize("probability", [0, -0.1, 1.1])
def test_a_flip_has_a_probability(probability):
    with pytest.raises(ValueError, match=rf"probability must lie in \(0, 1\], got {probability}"):
        RandomFlip(probability=probability)
