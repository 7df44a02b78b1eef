"""A trained network with what turns samples into its input, and its output into words."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, overload

import torch
from torch import Tensor, nn

from practicezoo.arguments import check_count
from practicezoo.predictors.inputs import TensorInput
from practicezoo.predictors.prediction import Prediction
from practicezoo.predictors.preprocessing import Preprocessing
from practicezoo.sequences import PaddedSequence
from practicezoo.weights.reading import FORMAT

__all__ = ["Predictor", "describe"]

BATCH_SIZE = 1024


class Predictor:
    """A network, its preprocessing and its classes: asked about what people have, it answers in words.

    Args:
        model: the network; it is put into evaluation mode.
        preprocess: turns samples into the network's input, such as an :class:`ImageInput` or a
            :class:`TextInput`; None if samples are tensors as the network takes them.
        classes: the labels in the order of their indices; none for a regression. For a network of one logit
            two: the label of a 0 and that of a 1.
        temperature: what logits are divided by before they become probabilities.

    Raises:
        ValueError: if classes repeat, or the temperature is not positive.
        TypeError: if ``model``, ``preprocess`` or ``classes`` is of another kind.

    Example:
        >>> from practicezoo.models import MLP
        >>> from practicezoo.predictors import RowInput
        >>> predictor = Predictor(MLP([2, 3]), preprocess=RowInput(2), classes=["a", "b", "c"])
        >>> len(predictor([[0.5, 1.0], [2.0, 3.0]]))
        2
        >>> predictor([0.5, 1.0], top=1).label in predictor.classes
        True
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        preprocess: Preprocessing | None = None,
        classes: Sequence[str] = (),
        temperature: float = 1.0,
    ) -> None:
        if not isinstance(model, nn.Module):
            raise TypeError(f"model must be an nn.Module, got {type(model).__name__}")
        if preprocess is None:
            preprocess = TensorInput()
        if not isinstance(preprocess, Preprocessing):
            raise TypeError(f"preprocess must be a preprocessing such as ImageInput, got {preprocess!r}")
        if isinstance(classes, str) or not isinstance(classes, Sequence):
            raise TypeError(f"classes must be a list of labels, got {classes!r}")
        if len({*classes}) < len(classes):
            raise ValueError(f"classes must not repeat, got {list(classes)}")
        outputs = getattr(model, "num_classes", None)
        if (
            classes
            and isinstance(outputs, int)
            and outputs != len(classes)
            and (outputs, len(classes)) != (1, 2)
        ):
            raise ValueError(
                f"classes must be as many as the network's {outputs} outputs, got {len(classes)}"
            )
        if not isinstance(temperature, int | float) or not 0 < temperature < float("inf"):
            raise ValueError(f"temperature must be a positive number, got {temperature!r}")
        self.model = model.eval()
        self.preprocess = preprocess
        self.classes = tuple(classes)
        self.temperature = float(temperature)

    @overload
    def __call__(self, samples: str | Path, *, top: int = 3) -> Prediction: ...
    @overload
    def __call__(self, samples: Any, *, top: int = 3) -> Any: ...
    def __call__(self, samples: Any, *, top: int = 3) -> Any:
        """What the network says of a sample, or of each of a list or batch of them, in their order.

        Args:
            samples: a text, path, picture, array, tensor or table row, as ``preprocess`` takes it; or a
                list of them. An array with one dimension more than a sample is a batch.
            top: how many labels to rank.

        Returns:
            A :class:`Prediction`; for a list or batch a list of them.

        Raises:
            TypeError: if a sample is of the wrong kind.
            ValueError: if a sample is wrong, or the network's output is not one logit for each class.
            OSError: if a file cannot be read.
        """
        check_count(top=top)
        one = self.preprocess.is_one(samples)
        if not one and hasattr(samples, "__len__") and len(samples) == 0:
            return []
        inputs, names, notes = self.preprocess.prepare([samples] if one else samples)
        outputs = self.outputs(inputs)
        predictions = [
            self._decode(name, row, top, tuple(note))
            for name, row, note in zip(names, outputs, notes, strict=True)
        ]
        return predictions[0] if one else predictions

    def outputs(self, inputs: Any) -> list[Tensor]:
        """The network's output for each row of its input: a text's without what stands behind its end."""
        from practicezoo.training import predict  # half of what loading would cost

        rows = predict(self.model, [(part, None) for part in _batches(inputs)])
        if isinstance(inputs, PaddedSequence) and rows.ndim == 3:
            return [row[:, :length] for row, length in zip(rows, inputs.lengths.tolist(), strict=True)]
        return [*rows]

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({type(self.model).__name__}, preprocess={self.preprocess!r}, "
            f"{len(self.classes)} classes)"
        )

    def _decode(self, name: str, output: Tensor, top: int, notes: tuple[str, ...]) -> Prediction:
        output = output.float()
        if not self.classes:
            values = output.flatten().tolist()
            answer = ", ".join(f"{value:.4f}" for value in values)
            return Prediction(name, [(answer, None)], values[0] if len(values) == 1 else values, notes)
        if output.shape == (1,) and len(self.classes) == 2:  # the logit of the second class
            output = torch.cat([torch.zeros(1), output])
        if output.ndim not in {1, 2} or len(output) != len(self.classes):
            raise ValueError(
                f"the network must give one logit for each of the {len(self.classes)} classes, got shape "
                f"{tuple(output.shape)}"
            )
        if output.ndim == 2:  # (num_classes, T): one label a character
            labels = [self.classes[index] for index in output.argmax(dim=0).tolist()]
            separator = "" if all(len(label) == 1 for label in self.classes) else " "
            return Prediction(name, [(separator.join(labels), None)], notes=notes)
        return Prediction.from_logits(name, output / self.temperature, self.classes, top=top, notes=notes)


def describe(
    model: str | None,
    config: Mapping[str, Any],
    *,
    preprocess: Preprocessing,
    classes: Sequence[str],
    temperature: float = 1.0,
) -> dict[str, Any]:
    """What has to be written down, beside the tensors, to make a predictor again; in types that JSON has.

    Args:
        model: the registered name of its network; None for a network of the user's own.
        config: keywords of the network's constructor.
        preprocess: its preprocessing.
        classes: its labels.
        temperature: what its logits are divided by.
    """
    return {
        "format": FORMAT,
        "model": model,
        "config": dict(config),
        "preprocessing": preprocess.as_dict(),
        "classes": list(classes),
        "temperature": temperature,
    }


def _batches(inputs: Any) -> Iterator[Any]:
    """The rows in parts that fit a small memory."""
    count = len(inputs.lengths) if isinstance(inputs, PaddedSequence) else len(inputs)
    for start in itertools.count(0, BATCH_SIZE):
        if start >= count:
            return
        rows = slice(start, start + BATCH_SIZE)
        yield (
            PaddedSequence(inputs.data[rows], inputs.lengths[rows])
            if isinstance(inputs, PaddedSequence)
            else inputs[rows]
        )
