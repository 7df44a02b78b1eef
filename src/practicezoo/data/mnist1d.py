"""MNIST-1D: ten shapes as short signals, made by the library itself to the package's own numbers.

The templates and the order of the random numbers are those of ``mnist1d``, copyright Sam Greydanus and
contributors, under the Apache License 2.0 (assets/mnist1d-LICENSE.txt); written anew here, without SciPy.
"""

import functools
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from practicezoo.arguments import check_choice, check_count

__all__ = ["mnist1d_signals"]

NUM_CLASSES = 10
NUM_STEPS = 40
TRAIN_FRACTION = 0.8

# One row a digit: twelve points of its stroke, which starts and ends at 5.
TEMPLATES = np.array(
    [
        [5, 6, 6.5, 6.75, 7, 7, 7, 7, 6.75, 6.5, 6, 5],
        [5, 3, 3, 3.4, 3.8, 4.2, 4.6, 5, 5.4, 5.8, 5, 5],
        [5, 6, 6.5, 6.5, 6, 5.25, 4.75, 4, 3.5, 3.5, 4, 5],
        [5, 6, 6.5, 6.5, 6, 5, 5, 6, 6.5, 6.5, 6, 5],
        [5, 4.4, 3.8, 3.2, 2.6, 2.6, 5, 5, 5, 5, 5, 5],
        [5, 3, 3, 3, 3, 5, 6, 6.5, 6.5, 6, 4.5, 5],
        [5, 4, 3.5, 3.25, 3, 3, 3, 3, 3.25, 3.5, 4, 5],
        [5, 7, 7, 6.6, 6.2, 5.8, 5.4, 5, 4.6, 4.2, 5, 5],
        [5, 4, 3.5, 3.5, 4, 5, 5, 4, 3.5, 3.5, 4, 5],
        [5, 4, 3.5, 3.5, 4, 5, 5, 5, 5, 4.7, 4.3, 5],
    ]
)
FEWEST_ZEROS, MOST_ZEROS = 36, 60  # behind a stroke: the more of them, the narrower it becomes
NUM_PLACES = TEMPLATES.shape[1] + MOST_ZEROS
SCALE, SHEAR, MAX_SHIFT = 0.4, 0.75, 48
SMOOTH_NOISE, NOISE = 0.25, 0.02
SMOOTHNESS, REACH = 2, 8  # standard deviation of the Gaussian that smooths noise, and where it is cut off
NOT_ZERO = 1e-8  # tells a stroke that crosses zero from what is around it


def mnist1d_signals(
    split: Literal["train", "test"], *, num_samples: int = 5000, seed: int = 42
) -> tuple[Tensor, Tensor]:
    """Make MNIST-1D: ten shapes, stretched, shifted, sheared and under noise, as signals of 40 values.

    The defaults give 4,000 signals to train and 1,000 to test, bit for bit those that the package ``mnist1d``
    makes with its default arguments, in about a second. The signals are a function of the arguments alone;
    the global random generators are left as they are.

    Args:
        split: "train" or "test": the first four fifths of the samples, or the rest.
        num_samples: signals of both splits together, a multiple of 10.
        seed: another seed gives another data set, both of its splits.

    Returns:
        Signals and targets, for :class:`~practicezoo.TensorLoader`.

    Shape:
        - signals: ``(N, 40, 1)``, float32, with mean 0 and standard deviation 1 over both splits
        - targets: ``(N,)``, int64

    Raises:
        ValueError: if ``split`` is neither of the two, or ``num_samples`` no multiple of 10 of at least 10.

    Example:
        >>> signals, targets = mnist1d_signals("test")
        >>> signals.shape, targets.bincount().tolist()
        (torch.Size([1000, 40, 1]), [102, 104, 89, 106, 106, 98, 99, 96, 98, 102])

    Source: Greydanus and Kobak, arXiv:2011.14439.
    """
    check_choice(("train", "test"), split=split)
    check_count(num_samples=num_samples, at_least=NUM_CLASSES)
    if num_samples % NUM_CLASSES:
        raise ValueError(f"num_samples must be a multiple of {NUM_CLASSES}, got {num_samples}")
    signals, targets = _make(num_samples, seed)
    first = int(num_samples * TRAIN_FRACTION)
    rows = slice(first) if split == "train" else slice(first, None)
    # torch.tensor, not from_numpy: whatever the user's default device is, data starts on the CPU
    return (
        torch.tensor(signals[rows, :, None], dtype=torch.float32, device="cpu"),
        torch.tensor(targets[rows], dtype=torch.int64, device="cpu"),
    )


@functools.lru_cache(maxsize=1)  # both splits are cut from it
def _make(num_samples: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """All signals ``(N, 40)`` as float64, in the data set's order, and their digits."""
    random = np.random.RandomState(seed)
    strokes = TEMPLATES - TEMPLATES.mean(1, keepdims=True)
    strokes /= strokes.std(1, keepdims=True)
    strokes -= strokes[:, :1]
    strokes /= 6.0
    targets = np.arange(NUM_CLASSES).repeat(num_samples // NUM_CLASSES)
    signals = np.stack([_signal(strokes[target], random) for target in targets])
    order = random.permutation(num_samples)
    signals = signals[order]
    return (signals - signals.mean()) / signals.std(), targets[order]


def _signal(stroke: np.ndarray, random: np.random.RandomState) -> np.ndarray:
    """A stroke somewhere among noise, ``(40,)``."""
    num_zeros = FEWEST_ZEROS + int(random.rand() * (MOST_ZEROS - FEWEST_ZEROS + 1))
    signal = _resample(np.concatenate([stroke + NOT_ZERO, np.zeros(num_zeros)]), NUM_PLACES)
    signal *= 1 + SCALE * (random.rand() - 0.5)
    signal = np.roll(signal, random.choice(MAX_SHIFT))
    around = _smooth(SMOOTH_NOISE * random.randn(NUM_PLACES))
    signal = np.where(signal != 0, signal, around) + NOISE * random.randn(NUM_PLACES)
    slope = SHEAR * (random.rand() - 0.5)
    return _resample(signal - slope * np.linspace(-0.5, 0.5, NUM_PLACES), NUM_STEPS)


def _resample(signal: np.ndarray, num_values: int) -> np.ndarray:
    """Values at equal distances on the lines between a signal's points."""
    return np.interp(np.linspace(0, 1, num_values), np.linspace(0, 1, len(signal)), signal)


@functools.cache
def _gaussian() -> np.ndarray:
    """The weights of a value's neighbours and its own, ``(2 * REACH + 1,)``."""
    weights = np.exp(-0.5 / SMOOTHNESS**2 * np.arange(-REACH, REACH + 1) ** 2)
    return weights / weights.sum()


def _smooth(noise: np.ndarray) -> np.ndarray:
    """The noise under a Gaussian, mirrored at its ends; summed in SciPy's order, so to the same bits."""
    weights = _gaussian()
    mirrored = np.concatenate([noise[:REACH][::-1], noise, noise[-REACH:][::-1]])
    smooth = weights[REACH] * noise
    for far in range(REACH, 0, -1):
        before = mirrored[REACH - far : len(mirrored) - REACH - far]
        behind = mirrored[REACH + far : len(mirrored) - REACH + far]
        smooth += (before + behind) * weights[REACH - far]
    return smooth
