"""What a run's result depends on, beside the code."""

import hashlib
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor

import practicezoo
from practicezoo.recipes.experiment import Experiment
from practicezoo.runtime.device import processor_name
from practicezoo.runtime.processes import world_size
from practicezoo.sequences import PaddedSequence

__all__ = ["RunIdentity", "fingerprint", "machine", "versions"]

COMPARED = ("recipe", "setting", "data", "calibration_fraction", "data_digest", "seed", "epochs", "init")


@dataclass(frozen=True)
class RunIdentity:
    """What a run's result depends on; ``result.json`` and the run's checkpoints begin with it.

    Attributes:
        recipe: the recipe's name.
        setting: the setting's name.
        data: what the data is, in a few words.
        data_digest: the fingerprint of the training data: other data of the same name has another one.
        seed: the seed of split, weights and order.
        epochs: how many epochs to train.
        refit: whether the network is retrained on all training data.
        device: the kind of device.
        processes: how many processes train together.
        init: the trained weights that it started from, with their fingerprint; None for a random start.
        calibration_fraction: the fraction of the training data that it was not shown.
    """

    recipe: str
    setting: str
    data: str
    data_digest: str
    seed: int
    epochs: int
    refit: bool
    device: str
    processes: int
    init: str | None
    calibration_fraction: float

    @classmethod
    def of(cls, experiment: Experiment) -> Self:
        """The identity of an experiment that this process, and those that it has joined, run."""
        return cls(
            recipe=experiment.recipe.name,
            setting=experiment.setting_name,
            data=experiment.splits.source,
            data_digest=fingerprint(experiment.splits.train),
            seed=experiment.seed,
            epochs=experiment.setting.epochs,
            refit=experiment.setting.refit,
            device=experiment.device.type,
            processes=world_size(),
            init=experiment.start_name,
            calibration_fraction=experiment.calibration_fraction,
        )

    def as_dict(self) -> dict[str, Any]:
        """All of it by name."""
        return asdict(self)

    def check_same(self, earlier: Mapping[str, Any], *, folder: Path) -> None:
        """Raise ValueError if the run in ``folder``, of which this is the record, is another one.

        Device and number of processes are left to ``fit``: a finished run may be read anywhere.
        """
        earlier = {"calibration_fraction": 0.0, **earlier}  # a run of before there was such a thing
        for name in COMPARED:
            if earlier.get(name) != getattr(self, name):
                raise ValueError(
                    f"{name} must be {earlier.get(name)!r} to resume the run in {folder}, "
                    f"got {getattr(self, name)!r}"
                )


def fingerprint(data: tuple[Tensor | PaddedSequence, Tensor]) -> str:
    """A digest of inputs and targets: other data of the same name has another one."""
    inputs, targets = data
    parts = [*inputs, targets] if isinstance(inputs, PaddedSequence) else [inputs, targets]
    whole = hashlib.sha256()
    for tensor in parts:
        whole.update(tensor.cpu().contiguous().numpy().tobytes())
    return whole.hexdigest()[:16]


def versions() -> dict[str, str]:
    """The versions that a result depends on."""
    return {
        "practicezoo": practicezoo.__version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def machine() -> str:
    """The kind of machine, as far as it tells, and the number of threads."""
    return f"{platform.system()}, {processor_name()}, {torch.get_num_threads()} threads"
