"""NormalizeImages: torchvision's ToTensor and Normalize, to the last bit."""

import pickle

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close
from torchvision.transforms import Compose, Normalize, ToTensor
from torchvision.transforms.functional import to_pil_image

from practicezoo.data import NormalizeImages

GREYS = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16)


def by_torchvision(images, mean, std):
    """Image by image, as a data set's ``transform`` does it."""
    transform = Compose([ToTensor(), Normalize(mean, std)])
    return torch.stack([transform(to_pil_image(image)) for image in images])


@given(mean=st.floats(0, 1), std=st.floats(0.01, 1))
def test_every_grey_value_has_torchvisions_bits(mean, std):
    assert torch.equal(NormalizeImages(mean, std)(GREYS), by_torchvision(GREYS, (mean,), (std,)))


@pytest.mark.parametrize("num_channels", [1, 3])
def test_random_images_have_torchvisions_bits(num_channels):
    images = torch.randint(256, (50, num_channels, 28, 28), dtype=torch.uint8)
    mean, std = (0.1307, 0.5, 0.9)[:num_channels], (0.3081, 0.2, 0.7)[:num_channels]
    normalized = NormalizeImages(mean, std)(images)
    assert normalized.dtype == torch.float32
    assert torch.equal(normalized, by_torchvision(images, mean, std))
    assert torch.equal(NormalizeImages(mean, std)(images[0]), normalized[0])


def test_one_mean_for_all_channels():
    images = torch.randint(256, (2, 3, 4, 5), dtype=torch.uint8)
    assert torch.equal(NormalizeImages(0.1, 0.2)(images), NormalizeImages([0.1] * 3, [0.2] * 3)(images))


def test_an_array_as_another_source():
    image = np.random.default_rng(0).integers(0, 256, (28, 28, 1), dtype=np.uint8)
    expected = Normalize((0.1307,), (0.3081,))(ToTensor()(image))
    images = torch.from_numpy(image).permute(2, 0, 1)[None]
    assert torch.equal(NormalizeImages(0.1307, 0.3081)(images)[0], expected)


@pytest.mark.gpu
def test_a_gpu_gives_the_same_bits(cuda):
    normalize = NormalizeImages(0.1307, 0.3081)
    images = torch.randint(256, (50, 1, 28, 28), dtype=torch.uint8)
    assert torch.equal(normalize(images.to(cuda)).cpu(), normalize(images))
    assert torch.equal(normalize(GREYS.to(cuda)).cpu(), by_torchvision(GREYS, (0.1307,), (0.3081,)))


def test_the_images_stay_as_they_are():
    images = GREYS.clone()
    NormalizeImages(0.5, 0.5)(images)
    assert torch.equal(images, GREYS)


def test_channels_last_stays():
    images = torch.zeros(2, 3, 4, 5, dtype=torch.uint8).to(memory_format=torch.channels_last)
    assert NormalizeImages(0.5, 0.5)(images).is_contiguous(memory_format=torch.channels_last)


def test_no_images_and_the_meta_device():
    normalize = NormalizeImages(0.5, 0.5)
    assert normalize(torch.zeros(0, 1, 28, 28, dtype=torch.uint8)).shape == (0, 1, 28, 28)
    assert normalize(GREYS.to("meta")).shape == GREYS.shape


def test_first_called_in_inference_mode_it_serves_training():
    normalize = NormalizeImages(0.123, 0.456)
    with torch.inference_mode():
        normalize(GREYS)
    weight = torch.ones((), requires_grad=True)
    (normalize(GREYS) * weight).sum().backward()
    assert weight.grad.isfinite()


def test_copies_are_equal():
    normalize = NormalizeImages((0.1, 0.2), (0.3, 0.4))
    copied = pickle.loads(pickle.dumps(normalize))  # noqa: S301
    assert copied == normalize
    assert hash(copied) == hash(normalize)
    assert normalize != NormalizeImages((0.1, 0.2), (0.3, 0.5))
    assert normalize != (0.1, 0.2)
    assert repr(normalize) == "NormalizeImages(mean=(0.1, 0.2), std=(0.3, 0.4))"


class TestFromImages:
    @given(st.integers(1, 5), st.integers(1, 3))
    def test_it_has_their_mean_and_deviation(self, num_images, num_channels):
        images = torch.randint(256, (num_images, num_channels, 6, 7), dtype=torch.uint8)
        normalize = NormalizeImages.from_images(images)
        values = images.transpose(0, 1).flatten(1).double() / 255
        assert normalize.mean == pytest.approx(values.mean(dim=1).tolist(), rel=1e-12)
        assert normalize.std == pytest.approx(values.std(dim=1, correction=0).tolist(), rel=1e-12)
        normalized = normalize(images).transpose(0, 1).flatten(1)
        assert_close(normalized.mean(dim=1), torch.zeros(num_channels), atol=1e-5, rtol=0)
        assert_close(normalized.std(dim=1, correction=0), torch.ones(num_channels))

    def test_images_that_have_none(self):
        with pytest.raises(
            ValueError, match=r"images must hold at least one pixel, got shape \(0, 1, 2, 2\)"
        ):
            NormalizeImages.from_images(torch.zeros(0, 1, 2, 2, dtype=torch.uint8))
        with pytest.raises(ValueError, match=r"std must be positive, got \[0.0\]"):
            NormalizeImages.from_images(torch.zeros(3, 1, 2, 2, dtype=torch.uint8))
        with pytest.raises(TypeError, match=r"images must be a uint8 tensor, got torch\.float32"):
            NormalizeImages.from_images(torch.zeros(3, 1, 2, 2))
        with pytest.raises(ValueError, match=r"images must be \(N, C, H, W\), got shape \(3, 2\)"):
            NormalizeImages.from_images(torch.zeros(3, 2, dtype=torch.uint8))


@pytest.mark.parametrize(
    ("mean", "std", "message"),
    [
        (0.5, 0.0, "std must be positive, got 0.0"),
        (0.5, float("nan"), "std must be positive, got nan"),
        ((0.5, 0.5), (0.5, -1), r"std must be positive, got \(0.5, -1\)"),
        ((0.5, 0.5), 0.5, r"mean and std must have as many channels .* got \(0.5, 0.5\) and \(0.5,\)"),
        ((), (), "mean must hold at least one number, got none"),
    ],
)
def test_means_and_deviations_that_do_not_fit_are_refused(mean, std, message):
    with pytest.raises(ValueError, match=message):
        NormalizeImages(mean, std)


def test_wrong_images():
    normalize = NormalizeImages((0.5, 0.5), (0.5, 0.5))
    for call in (normalize, NormalizeImages.from_images):
        with pytest.raises(TypeError, match="images must be a uint8 tensor, got ndarray"):
            call(np.zeros((1, 2, 4, 4), dtype=np.uint8))
    with pytest.raises(TypeError, match=r"images must be a uint8 tensor, got torch\.float32"):
        normalize(torch.zeros(1, 2, 4, 4))
    for shape in ((4, 3, 8, 8), (8, 8)):
        with pytest.raises(ValueError, match=rf"with the 2 channels of mean, got shape \({shape[0]}, "):
            normalize(torch.zeros(shape, dtype=torch.uint8))
