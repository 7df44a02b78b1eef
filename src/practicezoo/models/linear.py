"""One linear layer: the first two lessons' regressions."""

import torch
from torch import Tensor, nn

from practicezoo.arguments import check_count
from practicezoo.blocks.checks import check_shape

__all__ = ["LinearRegression", "LogisticRegression"]


class LinearRegression(nn.Linear):
    """A weighted sum of the features plus a bias: ``nn.Linear`` that refuses inputs of another width.

    Weight, bias, their names and their start are those of ``nn.Linear``.

    Args:
        in_features: values of a sample.
        out_features: values predicted for it.
        device: where the parameters live.
        dtype: type of the parameters.

    Shape:
        - input: ``(N, in_features)``, floating point
        - output: predictions ``(N, out_features)``

    Raises:
        ValueError: if a size is below 1, or the input has another shape.
        TypeError: if the input is not a floating-point tensor.

    Example:
        >>> model = LinearRegression()
        >>> model(torch.tensor([[1.0], [2.0], [3.0]])).shape
        torch.Size([3, 1])

    Source: the course's lecture on linear regression.
    """

    def __init__(
        self,
        in_features: int = 1,
        out_features: int = 1,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        check_count(in_features=in_features, out_features=out_features)
        super().__init__(in_features, out_features, device=device, dtype=dtype)

    def forward(self, inputs: Tensor) -> Tensor:
        """Predictions ``(N, out_features)`` for a batch of samples; see the class for shapes."""
        check_shape(self, inputs, ("N", self.in_features), floating=True)
        return super().forward(inputs)

    def example_inputs(self) -> Tensor:
        """A small batch that ``forward`` takes, of zeros."""
        return self.weight.new_zeros(2, self.in_features)


class LogisticRegression(nn.Linear):
    """Binary classification by the logit, a weighted sum of the features plus a bias.

    Train it with ``nn.BCEWithLogitsLoss`` and targets ``(N, 1)`` of 0 and 1. Weight, bias, their names and
    their start are those of ``nn.Linear``.

    Args:
        in_features: values of a sample.
        device: where the parameters live.
        dtype: type of the parameters.

    Shape:
        - input: ``(N, in_features)``, floating point
        - output: logits ``(N, 1)``

    Raises:
        ValueError: if ``in_features`` is below 1, or the input has another shape.
        TypeError: if the input is not a floating-point tensor.

    Example:
        >>> model = LogisticRegression(8)
        >>> model(torch.zeros(2, 8)).shape
        torch.Size([2, 1])

    Source: the course's lecture on logistic regression.
    """

    def __init__(
        self,
        in_features: int = 1,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        check_count(in_features=in_features)
        super().__init__(in_features, 1, device=device, dtype=dtype)

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits ``(N, 1)`` of a batch of samples; see the class for shapes."""
        check_shape(self, inputs, ("N", self.in_features), floating=True)
        return super().forward(inputs)

    def example_inputs(self) -> Tensor:
        """A small batch that ``forward`` takes, of zeros."""
        return self.weight.new_zeros(2, self.in_features)

    def predict_proba(self, inputs: Tensor) -> Tensor:
        """The probability of the positive class, ``(N, 1)``: the sigmoid of the logits."""
        return self(inputs).sigmoid()
