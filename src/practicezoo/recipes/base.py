"""What a recipe is: a system of the course with its data, network, training and reference result."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from practicezoo.sequences import PaddedSequence
from practicezoo.training.step import Criterion, Precision

__all__ = ["DataOptions", "Prediction", "Recipe", "Setting", "SettingName", "Splits"]

SettingName = Literal["course", "tuned"]


@dataclass(frozen=True, kw_only=True)
class Setting:
    """How a recipe trains; the architecture is the recipe's.

    Attributes:
        epochs: how many times to go through the training data.
        batch_size: samples in a batch.
        optimizer: makes the optimizer from the model's parameters.
        criterion: makes the loss.
        lr_scheduler: makes the schedule from the optimizer and the number of updates of the whole run.
        model_overrides: keywords for the model beside the recipe's own, such as ``dropout``.
        transform: applied to the inputs of each training batch.
        precision: see :class:`~practicezoo.TrainStep`.
        max_grad_norm: clips the gradient's norm to this.
        num_threads: threads on the CPU while training; None for torch's choice.
        refit: whether to train anew on all training data, validation part included, for as many epochs
            as validation chose.
    """

    epochs: int
    batch_size: int
    optimizer: Callable[[Iterable[nn.Parameter]], Optimizer]
    criterion: Callable[[], Criterion] = nn.CrossEntropyLoss
    lr_scheduler: Callable[[Optimizer, int], LRScheduler] | None = None
    model_overrides: Mapping[str, Any] = field(default_factory=dict)
    transform: Callable[[Any], Any] | None = None
    precision: Precision = "fp32"
    max_grad_norm: float | None = None
    num_threads: int | None = None
    refit: bool = False


@dataclass(frozen=True, kw_only=True)
class DataOptions:
    """Where a recipe's data comes from.

    Attributes:
        root: the data root; None stands for ``PRACTICEZOO_DATA``, else the user's cache folder.
        train_csv: the user's own training file.
        test_csv: the test file that goes with it.
    """

    root: Path | None = None
    train_csv: Path | None = None
    test_csv: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Splits:
    """A recipe's data.

    Attributes:
        source: what the data is, in a few words.
        train: inputs and targets to train on, the part for validation included.
        held_out: the rows of ``train`` that choose the epoch, as a mask ``(N,)``.
        test: inputs and targets for the final figures.
        classes: the labels, in the order of their indices.
        extra: what else :meth:`Recipe.measure` needs.
        saved: what checkpoints keep of the data, for :meth:`Recipe.predict` and a later measurement.
    """

    source: str
    train: tuple[Tensor | PaddedSequence, Tensor]
    held_out: Tensor
    test: tuple[Tensor | PaddedSequence, Tensor]
    classes: Sequence[str]
    extra: Mapping[str, Any] = field(default_factory=dict)
    saved: Mapping[str, Any] = field(default_factory=dict)

    def part(self, mask: Tensor) -> tuple[Tensor | PaddedSequence, Tensor]:
        """The rows of ``train`` at which ``mask`` is true."""
        inputs, targets = self.train
        rows = mask.nonzero().flatten()
        return (inputs.rows(rows) if isinstance(inputs, PaddedSequence) else inputs[rows]), targets[rows]


@dataclass(frozen=True)
class Prediction:
    """What a model says of one sample.

    Attributes:
        sample: what was asked about.
        ranking: labels with their probabilities, the likeliest first.
    """

    sample: str
    ranking: Sequence[tuple[str, float]]


class Recipe(ABC):
    """A system of the course that trains, measures and predicts by name.

    Attributes:
        name: as on the command line.
        summary: what it is, in a line.
        data: what it trains on, in a line.
        reference: the course's own result.
        settings: "course" (the course's optimizer and epochs) and "tuned" (the same architecture, our
            best training; the default).
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    data: ClassVar[str]
    reference: ClassVar[str]
    settings: ClassVar[Mapping[SettingName, Setting]]

    @abstractmethod
    def load(self, options: DataOptions, *, seed: int) -> Splits:
        """Read the data and keep part of the training data for validation."""

    @abstractmethod
    def model_config(self, splits: Splits) -> dict[str, Any]:
        """The keywords that build the network for this data."""

    @abstractmethod
    def build(self, config: Mapping[str, Any]) -> nn.Module:
        """The network of :meth:`model_config`."""

    @abstractmethod
    def measure(self, model: nn.Module, splits: Splits) -> dict[str, float | None]:
        """The figures on the test data; None for what it cannot tell."""

    @abstractmethod
    def predict(self, model: nn.Module, state: Mapping[str, Any], samples: Sequence[str]) -> list[Prediction]:
        """What the model of a checkpoint's ``state`` says of samples given on the command line."""

    def setting_for(self, splits: Splits, name: SettingName) -> Setting:  # noqa: ARG002
        """The setting for this data: a recipe may train longer on less of it."""
        return self.settings[name]
