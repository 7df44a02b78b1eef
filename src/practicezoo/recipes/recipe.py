"""What a recipe is: a system of the course with its data, network, training and reference result."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, OneCycleLR

from practicezoo.metrics.loss import Criterion
from practicezoo.models import create_model, list_models
from practicezoo.predictors.predictor import describe
from practicezoo.predictors.preprocessing import Preprocessing
from practicezoo.runtime.precision import Precision
from practicezoo.sequences import PaddedSequence

__all__ = ["DataOptions", "Distillation", "Recipe", "Setting", "Splits", "changed", "one_cycle"]

SchedulerFactory = Callable[[Optimizer, int], LRScheduler]


@dataclass(frozen=True, kw_only=True)
class Setting:
    """How a recipe trains; the architecture is the recipe's.

    Attributes:
        epochs: how many times to go through the training data.
        batch_size: samples in a batch.
        optimizer: makes the optimizer from the model's parameters.
        criterion: makes the loss.
        lr_scheduler: makes the scheduler from the optimizer and the number of updates of the whole run.
        model_overrides: keywords for the model beside the recipe's own, such as ``dropout``.
        transform: applied to the inputs of each training batch, before the data's own.
        precision: see :class:`~practicezoo.TrainStep`.
        max_grad_norm: clips the gradient's norm to this.
        num_threads: threads on the CPU while training; None for torch's choice.
        held_out: the fraction of the training data that is kept for validation and chooses the epoch; with 0
            the network trains on all of it and keeps the last epoch.
        report_every: epochs between two lines on the screen and two writes of history and checkpoint.
        dataset: which of the recipe's data sets it is meant for; None for the first.
        refit: whether to retrain on all training data, validation part included, for as many epochs
            as validation chose.
        averaging: the decay of a :class:`~practicezoo.training.WeightAveraging` whose weights the run ends
            with; None for the last update's.
        distillation: the networks whose answers are learnt in place of the labels; None for the labels.

    Raises:
        ValueError: if ``held_out`` comes with averaging or distillation, which know no best epoch.
    """

    epochs: int
    batch_size: int
    optimizer: Callable[[Iterable[nn.Parameter]], Optimizer]
    criterion: Callable[[], Criterion] = nn.CrossEntropyLoss
    lr_scheduler: SchedulerFactory | None = None
    model_overrides: Mapping[str, Any] = field(default_factory=dict)
    transform: Callable[[Any], Any] | None = None
    precision: Precision = "fp32"
    max_grad_norm: float | None = None
    num_threads: int | None = None
    held_out: float = 0.0
    report_every: int = 1
    dataset: str | None = None
    refit: bool = False
    averaging: float | None = None
    distillation: "Distillation | None" = None

    def __post_init__(self) -> None:
        if self.held_out and (self.averaging is not None or self.distillation is not None):
            raise ValueError(
                "held_out must be 0 with averaging or distillation, which know no best epoch, got "
                f"{self.held_out}"
            )


@dataclass(frozen=True, kw_only=True)
class Distillation:
    """Several networks of the recipe's, the teachers, whose mean answer one network then learns.

    Attributes:
        teacher: how each teacher is trained, on all training data, each from a seed of its own.
        num_teachers: how many.
        lowered: how much less the frequent classes get: this fraction of each class's log frequency is taken
            from its log probability.

    Source: Hinton, Vinyals and Dean (arXiv:1503.02531); Menon et al. (arXiv:2007.07314) for ``lowered``.
    """

    teacher: Setting
    num_teachers: int
    lowered: float = 0.0


@dataclass(frozen=True, kw_only=True)
class DataOptions:
    """Where a recipe's data comes from.

    Attributes:
        root: the data root; None stands for ``PRACTICEZOO_DATA``, else the user's cache folder.
        dataset: which of the recipe's data sets; None for the setting's own.
        train_csv: the user's own training file.
        test_csv: the test file that goes with it.
        name_column: the column of the names in both files, from 0 or by its name in the header.
        label_column: the column of the labels.
        header: whether the first row holds the columns' names; "auto" to decide by that row.
    """

    root: Path | None = None
    dataset: str | None = None
    train_csv: Path | None = None
    test_csv: Path | None = None
    name_column: int | str = 0
    label_column: int | str = 1
    header: bool | Literal["auto"] = "auto"


@dataclass(frozen=True, kw_only=True)
class Splits:
    """A recipe's data.

    Attributes:
        source: what the data is, in a few words.
        train: inputs and targets to train on, the part for validation included.
        test: inputs and targets for the final figures.
        classes: the labels, in the order of their indices.
        transform: turns each batch of inputs into what the network takes, in training and measuring.
        extra: what else :meth:`Recipe.measure` needs.
        saved: what checkpoints keep of the data, for a later measurement.
        test_source: the file of the test data, where there is one.
    """

    source: str
    train: tuple[Tensor | PaddedSequence, Tensor]
    test: tuple[Tensor | PaddedSequence, Tensor]
    classes: Sequence[str]
    transform: Callable[[Any], Any] | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    saved: Mapping[str, Any] = field(default_factory=dict)
    test_source: str = ""

    def part(self, mask: Tensor) -> tuple[Tensor | PaddedSequence, Tensor]:
        """The rows of ``train`` at which ``mask`` is true."""
        inputs, targets = self.train
        rows = mask.nonzero().flatten()
        return (inputs.rows(rows) if isinstance(inputs, PaddedSequence) else inputs[rows]), targets[rows]


class Recipe(ABC):
    """A system of the course that trains, measures and predicts by name.

    Attributes:
        name: as on the command line.
        network: the registered model that it trains; default: that of the recipe's name.
        summary: what it is, in a line.
        data: what it trains on, in a line.
        sample: what its network is asked about.
        reference: the course's own result.
        expected: where the figures of a "course" run must lie to agree with it, ends included.
        course_data: the data set that these figures are for; None for the only one.
        course_seed: the seed for such a run.
        judged_epochs: how many last epochs of such a run are measured on the test data; with more than one
            their median is judged, as ``median_test_accuracy``: where an optimizer jumps from epoch to epoch,
            the last one is a matter of rounding.
        quick: whether it takes seconds.
        datasets: the data sets it can train on, the default first; empty if there is only one.
        takes_csv: whether it trains on the user's own CSV files too.
        settings: "course" (the course's optimizer and epochs) and "tuned" (the same architecture, our
            best training in a few minutes; the default); "lecture" where lecture and notes differ; "best"
            (the same architecture, trained for longer); "plain" (the tuned one on samples as they are).
    """

    name: ClassVar[str]
    network: ClassVar[str] = ""
    summary: ClassVar[str]
    data: ClassVar[str]
    sample: ClassVar[str]
    reference: ClassVar[str]
    expected: ClassVar[Mapping[str, tuple[float, float]]] = {}
    course_data: ClassVar[str | None] = None
    course_seed: ClassVar[int] = 0
    judged_epochs: ClassVar[int] = 1
    quick: ClassVar[bool] = False
    datasets: ClassVar[Sequence[str]] = ()
    takes_csv: ClassVar[bool] = False
    settings: ClassVar[Mapping[str, Setting]]

    def load(self, options: DataOptions, *, seed: int) -> Splits:
        """Read the data.

        Args:
            options: where from.
            seed: for what is sampled at random.

        Raises:
            ValueError: if the recipe has no such data, or the data is wrong.
            OSError: if a file is missing or cannot be read.
        """
        if options.dataset is not None and options.dataset not in self.datasets:
            choices = f"one of {', '.join(self.datasets)}" if self.datasets else "left out"
            raise ValueError(f"dataset must be {choices} for {self.name}, got {options.dataset!r}")
        if not self.takes_csv and (options.train_csv or options.test_csv):
            raise ValueError(
                f"train_csv and test_csv must be left out for {self.name}, which takes no CSV files"
            )
        return self.read(options, seed=seed)

    @abstractmethod
    def read(self, options: DataOptions, *, seed: int) -> Splits:
        """Read the data that :meth:`load` found to be the recipe's own."""

    @abstractmethod
    def model_config(self, splits: Splits) -> dict[str, Any]:
        """The keywords that build the network for this data."""

    def build(self, config: Mapping[str, Any]) -> nn.Module:
        """The registered model, with the keywords of :meth:`model_config`."""
        return create_model(self.network or self.name, **config)

    @abstractmethod
    def measure(self, model: nn.Module, splits: Splits) -> dict[str, Any]:
        """The figures on the test data: numbers or texts, None for what it cannot tell."""

    @abstractmethod
    def preprocessing(self, splits: Splits) -> Preprocessing:
        """How samples given by hand become the network's input."""

    def describe(self, splits: Splits, config: Mapping[str, Any]) -> dict[str, Any]:
        """What a checkpoint keeps, beside the weights, for :func:`~practicezoo.load`."""
        network = self.network or self.name
        return describe(
            network if network in list_models() else None,
            config,
            preprocess=self.preprocessing(splits),
            classes=splits.classes,
        )

    def check_data(self, splits: Splits, state: Mapping[str, Any]) -> None:
        """Raise ValueError unless the model of a checkpoint's ``state`` can be measured on this data."""
        if list(splits.classes) != state["classes"]:
            raise ValueError(
                f"the data's classes must be the checkpoint's {listed(state['classes'])}, "
                f"got {listed(splits.classes)}"
            )

    def setting_for(self, splits: Splits, name: str) -> Setting:
        """The setting for this data: a recipe may train longer on less of it."""
        return self.settings[name]


def changed(setting: Setting, **changes: Any) -> Setting:
    """The setting with other values, its teachers' too."""
    distillation = setting.distillation
    if distillation is not None:
        distillation = replace(distillation, teacher=changed(distillation.teacher, **changes))
    return replace(setting, **changes, distillation=distillation)


def listed(classes: Sequence[str]) -> str:
    """The number of classes, and the first few."""
    return f"{len(classes)} ({', '.join(classes[:5])}{', ...' if len(classes) > 5 else ''})"


def one_cycle(max_lr: float) -> SchedulerFactory:
    """The learning rate rises to ``max_lr`` over the first 30 % of all updates, then falls to nearly 0.

    Source: Smith and Topin (arXiv:1708.07120).
    """
    return lambda optimizer, num_updates: OneCycleLR(optimizer, max_lr, total_steps=num_updates)
