"""One linear layer: a line through three points, and the chance to pass after so many hours of study."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.optim import LBFGS, SGD, Adam

from practicezoo.predictors import RowInput
from practicezoo.recipes.recipe import DataOptions, Recipe, Setting, Splits
from practicezoo.training import predict

__all__ = ["LinearRegressionRecipe", "LogisticRegressionRecipe", "regress_by_hand"]

HOURS = (1.0, 2.0, 3.0)
POINTS = (2.0, 4.0, 6.0)  # two points an hour
PASSED = (0.0, 0.0, 1.0)


def regress_by_hand(*, weight: float = 1.0, lr: float = 0.01, epochs: int = 100) -> list[float]:
    """Fit y = w x to three points with one tensor and no optimizer, point by point.

    Args:
        weight: where w starts.
        lr: the learning rate.
        epochs: how many times to go through the points.

    Returns:
        w after each epoch. In exact arithmetic 2 - w shrinks by 0.739312 an epoch at the default ``lr``; in
        float32 it stops at 1.9999996, where an update is too small to change the last digit.

    Example:
        >>> regress_by_hand(epochs=3)
        [1.2606..., 1.4534..., 1.5959...]

    Source: the course's lecture on back propagation.
    """
    w = torch.tensor([weight], requires_grad=True)
    weights = []
    for _ in range(epochs):
        for x, y in zip(HOURS, POINTS, strict=True):
            loss = (x * w - y) ** 2
            loss.backward()
            assert w.grad is not None  # noqa: S101  # backward has just made it
            with torch.no_grad():
                w -= lr * w.grad
                w.grad.zero_()
        weights.append(w.item())
    return weights


class _HoursRecipe(Recipe):
    """A network of one input, on three hours."""

    data = "three points written in the recipe"
    sample = "hours"
    quick = True
    targets: ClassVar[Sequence[float]]
    labels: ClassVar[Sequence[str]] = ()

    def read(self, options: DataOptions, *, seed: int) -> Splits:  # nothing to choose
        """The three points, to train and to measure on."""
        points = _column(HOURS), _column(self.targets)
        return Splits(source="three points", train=points, test=points, classes=list(self.labels))

    def model_config(self, splits: Splits) -> dict[str, Any]:  # always the same
        """Nothing to set."""
        return {}

    def preprocessing(self, splits: Splits) -> RowInput:
        """A row of one number, the hours."""
        return RowInput(1)

    def outputs(self, model: nn.Module, hours: Sequence[float]) -> list[float]:
        """What the model says of so many hours."""
        values: Tensor = predict(model, [(_column(hours), None)])
        return values.flatten().tolist()


class LinearRegressionRecipe(_HoursRecipe):
    """Points by hours: y = 2x from three points."""

    name = "linear_regression"
    summary = "y = 2x from three points: one linear layer"
    reference = "w = 1.9999957, b = 8.70e-6, y(4) = 8.0000 (float32)"
    expected: ClassVar[Mapping[str, tuple[float, float]]] = {
        "weight": (1.9999957084655762 - 3e-7, 1.9999957084655762 + 3e-7),
        "bias": (8.70e-6 - 3e-7, 8.70e-6 + 3e-7),
        "prediction_at_4": (7.99995, 8.00005),
    }
    targets = POINTS
    settings: ClassVar[Mapping[str, Setting]] = {
        "course": Setting(
            epochs=10_000,
            batch_size=3,
            optimizer=partial(SGD, lr=0.01),
            criterion=nn.MSELoss,
            report_every=1000,
        ),
        "tuned": Setting(
            epochs=3,
            batch_size=3,
            optimizer=partial(LBFGS, line_search_fn="strong_wolfe"),
            criterion=nn.MSELoss,
        ),
    }

    def build(self, config: Mapping[str, Any]) -> nn.Module:
        """One linear layer; where float32 stops depends on the start, so that is fixed."""
        model = super().build(config)
        for parameter in model.parameters():
            nn.init.constant_(parameter, 0.5)
        return model

    def measure(self, model: nn.Module, splits: Splits) -> dict[str, Any]:
        """The line, and its value at 4."""
        bias, one, four = self.outputs(model, [0.0, 1.0, 4.0])
        weight = model.get_parameter("weight").item()
        assert abs(one - bias - weight) < 1e-3 * max(1, abs(one))  # noqa: S101  # it is a line
        return {"weight": weight, "bias": bias, "prediction_at_4": four}


class LogisticRegressionRecipe(_HoursRecipe):
    """Pass or fail by hours."""

    name = "logistic_regression"
    summary = "pass or fail after so many hours: one linear layer and a sigmoid"
    reference = "an S-shaped curve that crosses 0.5 between 2 and 3 hours"
    expected: ClassVar[Mapping[str, tuple[float, float]]] = {"crosses_half_at": (2, 3)}
    targets = PASSED
    labels = ("fail", "pass")
    settings: ClassVar[Mapping[str, Setting]] = {
        "course": Setting(
            epochs=1000,
            batch_size=3,
            optimizer=partial(SGD, lr=0.01),
            criterion=nn.BCEWithLogitsLoss,
            report_every=100,
        ),
        "tuned": Setting(
            epochs=300,
            batch_size=3,
            optimizer=partial(Adam, lr=0.1),
            criterion=nn.BCEWithLogitsLoss,
            report_every=30,
        ),
    }

    def measure(self, model: nn.Module, splits: Splits) -> dict[str, Any]:
        """Where the curve crosses 0.5, and the chances of the three."""
        at_zero, *logits = self.outputs(model, [0.0, *HOURS])
        slope = logits[0] - at_zero
        chances = torch.tensor(logits).sigmoid().tolist()
        return {
            "crosses_half_at": -at_zero / slope if slope else None,
            **{f"chance_at_{hours:g}": chance for hours, chance in zip(HOURS, chances, strict=True)},
        }


def _column(values: Sequence[float]) -> Tensor:
    return torch.tensor(values).unsqueeze(1)
