"""Labels that mean one class in training and another in validation: each split listed its own classes."""

import time
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence

from practicezoo.batches import num_items, split_batch
from practicezoo.diagnostics.finding import Finding
from practicezoo.diagnostics.reading import batches

__all__ = ["find_shuffled_labels"]

NUM_ITEMS = 16_384
SECONDS = 1.0  # reading files may take long
MIN_ITEMS = 64
NUM_FEATURES = 1024
# Standard errors by which another assignment of the labels must do better where it was not chosen, and by
# which it must do better than in training: of honest splits fewer than one in 30,000 gets there.
CERTAIN = 4


def find_shuffled_labels(loader: Any, val_loader: Any) -> Iterator[Finding]:
    """Compare the class lists of both data sets; where there is none, the data itself."""
    ours, theirs = _classes(loader), _classes(val_loader)
    if ours is not None and theirs is not None:
        differing = [
            index for index, pair in enumerate(zip(ours, theirs, strict=False)) if pair[0] != pair[1]
        ]
        if differing:
            index = differing[0]
            yield Finding(
                "class-lists-differ",
                f"class {index} is {ours[index]!r} in training and {theirs[index]!r} in validation",
                "build the validation set with the training set's class list",
            )
        return
    train, val = _features(loader), _features(val_loader)
    if train is None or val is None or train[0].shape[1:] != val[0].shape[1:]:
        return
    if (pair := _better_assignment(*train, *val)) is not None:
        yield Finding(
            "class-lists-differ",
            f"validation's samples of class {pair[0]} look like training's of class {pair[1]}, and so for "
            "other classes: the splits seem to number their classes differently",
            "build the validation set with the training set's class list",
        )


def _classes(loader: Any) -> list[Any] | None:
    """The class list of the data set, also of one that others wrap."""
    part = loader
    while part is not None:
        own = getattr(part, "classes", None)
        if isinstance(own, list | tuple):
            return list(own)
        part = getattr(part, "dataset", None)
    return None


def _features(loader: Any) -> tuple[Tensor, Tensor] | None:
    """A row of numbers for each of a few thousand samples, and their classes."""
    rows: list[Tensor] = []
    labels: list[Tensor] = []
    count = 0
    started = time.perf_counter()
    for batch in batches(loader):
        inputs, targets = split_batch(batch)
        if not isinstance(targets, Tensor) or targets.is_floating_point() or targets.ndim != 1:
            return None
        row = _row(inputs)
        if row is None or len(row) != len(targets) or (rows and row.shape[1:] != rows[0].shape[1:]):
            return None
        rows.append(row)
        labels.append(targets.cpu().long())
        count += num_items(targets)
        if count >= NUM_ITEMS or time.perf_counter() - started > SECONDS:
            break
    if count < MIN_ITEMS or int(torch.cat(labels).min()) < 0:
        return None
    return torch.cat(rows), torch.cat(labels)


def _row(inputs: Any) -> Tensor | None:
    """Pixels and measurements as they are; of ids, how often each occurs."""
    data: Any = getattr(inputs, "data", None)
    lengths: Any = getattr(inputs, "lengths", None)
    if isinstance(inputs, PackedSequence):
        data, lengths = pad_packed_sequence(inputs, batch_first=True)
    if not isinstance(data, Tensor) or data.ndim < 2 or data.numel() == 0:
        return None
    data = data.detach().cpu()
    if data.is_floating_point() or data.dtype == torch.uint8:
        row = data.float().flatten(1)
        if lengths is not None or not row.isfinite().all():
            return None
        return row if row.shape[1] <= NUM_FEATURES else F.adaptive_avg_pool1d(row, NUM_FEATURES)
    if data.ndim > 2 or data.is_complex():
        return None
    real = torch.ones_like(data, dtype=torch.float32)
    if isinstance(lengths, Tensor):
        real = (torch.arange(data.shape[1]) < lengths.cpu()[:, None]).float()
    return torch.zeros(len(data), NUM_FEATURES).scatter_add_(1, data.long() % NUM_FEATURES, real)


def _better_assignment(
    features: Tensor, labels: Tensor, val_features: Tensor, val_labels: Tensor
) -> tuple[int, int] | None:
    """A pair of validation class and training class that belong together, if the labels are shuffled.

    Class means of one half of the training data guess the classes of the other half and of the validation
    data. One half of the validation data chooses which training class each label means; on the other half
    that must agree with the guesses better than the labels as they are. Guesses may confuse alike classes one
    way only, so it must be better by more than the same assignment is on the training data's other half.
    """
    num_classes = int(max(labels.max(), val_labels.max())) + 1
    generator = torch.Generator().manual_seed(0)  # the same data, the same finding
    fit, control = torch.randperm(len(labels), generator=generator).tensor_split(2)
    choose, confirm = torch.randperm(len(val_labels), generator=generator).tensor_split(2)
    guess = _Means(features[fit], labels[fit], num_classes)
    guessed = guess(val_features)
    means = _assign(val_labels[choose], guessed[choose], num_classes)
    weights = val_labels[confirm].bincount(minlength=num_classes) / len(confirm)
    gain, variance = _gain(means, val_labels[confirm], guessed[confirm], weights)
    usual, usual_variance = _gain(means, labels[control], guess(features[control]), weights)
    if gain < CERTAIN * variance**0.5 or gain - usual < CERTAIN * (variance + usual_variance) ** 0.5:
        return None
    label = int((weights * (means != torch.arange(num_classes))).argmax())
    return label, int(means[label])


class _Means:
    """Guesses the class with the nearest mean, in each feature's standard deviations within the classes."""

    def __init__(self, features: Tensor, labels: Tensor, num_classes: int) -> None:
        counts = labels.bincount(minlength=num_classes)[:, None]
        sums = torch.zeros(num_classes, features.shape[1]).index_add_(0, labels, features)
        self.means = sums / counts.clamp(min=1)
        variance = (features - self.means[labels]).square().mean(dim=0)
        # a feature that hardly varies must not decide alone
        self.precision = 1 / (variance + variance.mean() / 10 + 1e-12)
        self.offsets = (self.means.square() * self.precision).sum(dim=1) / 2
        self.offsets[counts.flatten() == 0] = torch.inf

    def __call__(self, features: Tensor) -> Tensor:
        """The class of each row."""
        return (features @ (self.means * self.precision).T - self.offsets).argmax(dim=1)


def _assign(labels: Tensor, guessed: Tensor, num_classes: int) -> Tensor:
    """The training class that each label means: the most frequent pair first, each class once."""
    pairs = (labels * num_classes + guessed).bincount(minlength=num_classes**2)
    means = torch.arange(num_classes)
    free_labels, free_classes = set(range(num_classes)), set(range(num_classes))
    for pair in pairs.argsort(descending=True)[: int((pairs > 0).sum())].tolist():
        label, guess = divmod(pair, num_classes)
        if label in free_labels and guess in free_classes:
            means[label] = guess
            free_labels.remove(label)
            free_classes.remove(guess)
    for label, guess in zip(
        sorted(free_labels - free_classes), sorted(free_classes - free_labels), strict=True
    ):
        means[label] = guess
    return means


def _gain(means: Tensor, labels: Tensor, guessed: Tensor, weights: Tensor) -> tuple[float, float]:
    """How much better the assignment agrees with the guesses than the labels do, and its variance.

    Each label has its weight; of a label without samples everything is possible.
    """
    gains = (means[labels] == guessed).float() - (labels == guessed).float()
    counts = labels.bincount(minlength=len(weights)).float()
    divisor = counts.clamp(min=1)
    mean, square = (
        torch.zeros(len(weights)).index_add_(0, labels, each) / divisor for each in (gains, gains.square())
    )
    variance = torch.where(counts > 1, square - mean.square(), 1) / divisor
    # a few samples that happen to agree are no proof of a variance of 0
    variance = variance.maximum(1 / (counts + 1).square())
    return float(weights @ mean), float(weights.square() @ variance)
