"""Fully connected networks."""

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from practicezoo.arguments import check_counts, check_fraction
from practicezoo.blocks.checks import check_tensor
from practicezoo.blocks.factories import ActivationFactory, NormFactory, build_activation, build_norm
from practicezoo.models.classifier import Classifier

__all__ = ["MLP"]


class MLP(Classifier):
    """Linear layers with activations between them; images are flattened.

    Args:
        sizes: values of a sample, then of each layer, the last of them the logits.
        activation: class of the activation after each hidden layer; ``None`` for none.
        norm: class of the normalisation of each hidden layer, such as ``nn.BatchNorm1d``; ``None`` for
            none.
        dropout: dropout probability after each hidden layer.
        device: where the parameters live.
        dtype: type of the parameters.

    Shape:
        - input: ``(N, ...)``, floating point, with ``sizes[0]`` values in each sample
        - output: logits ``(N, sizes[-1])``

    Raises:
        ValueError: if there are fewer than two sizes, a size is below 1, ``dropout`` is outside [0, 1), or
            samples have another size.
        TypeError: if the input is not a floating-point tensor.

    Example:
        >>> model = MLP([784, 128, 10], activation=nn.GELU)
        >>> model(torch.randn(2, 1, 28, 28)).shape
        torch.Size([2, 10])

    Source: the course's lectures on the multi-layer perceptron and softmax classification.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        *,
        activation: ActivationFactory | None = nn.ReLU,
        norm: NormFactory | None = None,
        dropout: float = 0.0,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        check_counts("sizes", sizes)
        if len(sizes) < 2:  # input and output
            raise ValueError(f"sizes must be two or more, got {tuple(sizes)}")
        check_fraction(dropout=dropout)
        self.dropout = dropout
        self.features = nn.Sequential()
        for in_features, out_features in pairwise(sizes[:-1]):
            self.features.append(nn.Linear(in_features, out_features, device=device, dtype=dtype))
            if norm is not None:
                self.features.append(build_norm(norm, out_features, device=device, dtype=dtype))
            if activation is not None:
                self.features.append(build_activation(activation, device=device, dtype=dtype))
            if dropout:
                self.features.append(nn.Dropout(dropout))
        self.sizes = tuple(sizes)
        self.head = nn.Linear(sizes[-2], sizes[-1], device=device, dtype=dtype)

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits ``(N, sizes[-1])`` of a batch of samples; see the class for shapes."""
        return self.head(self.forward_features(inputs))

    def forward_features(self, inputs: Tensor) -> Tensor:
        """The last hidden layer, ``(N, sizes[-2])``."""
        self._check_inputs(inputs)
        return self.features(inputs.flatten(1))

    def example_inputs(self) -> Tensor:
        """A small batch that ``forward`` takes, of zeros."""
        return self.head.weight.new_zeros(2, self.sizes[0])

    def reset_head(self, num_classes: int) -> None:
        """As in every classifier; the last of ``sizes`` follows."""
        super().reset_head(num_classes)
        self.sizes = (*self.sizes[:-1], num_classes)

    def _check_inputs(self, inputs: Tensor) -> None:
        if not check_tensor(self, inputs, floating=True):
            return
        if inputs.ndim < 2 or math.prod(inputs.shape[1:]) != self.sizes[0]:  # N, ...
            raise ValueError(
                f"{type(self).__name__} expects {self.sizes[0]} values in each sample, "
                f"got inputs of shape {tuple(inputs.shape)}"
            )
