"""Networks for signals of one length, and those that are compared on MNIST-1D under their names."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from practicezoo.arguments import check_count, check_counts
from practicezoo.blocks import ConvNormAct, SequenceEncoder
from practicezoo.blocks.checks import check_shape, is_traced
from practicezoo.blocks.factories import ActivationFactory, NormFactory
from practicezoo.models.classifier import Classifier
from practicezoo.models.image import FeatureInfo
from practicezoo.models.mlp import MLP
from practicezoo.models.registry import register_model
from practicezoo.models.sequence import SequenceClassifier

__all__ = ["SignalCNN", "mnist1d_gru", "mnist1d_mlp"]


@register_model("mnist1d_cnn")
class SignalCNN(Classifier):
    """Classifies signals by convolutions with max pooling between them, and the mean over what is left.

    Pooling halves the steps, so signals have no padding: a batch is a tensor. For sequences of varying length
    there is :class:`~practicezoo.TemporalConvNet`.

    Args:
        in_channels: values at each step.
        num_classes: classes.
        channels: channels of each convolution; between two of them the steps are halved.
        kernel_size: steps that each convolution reads, odd.
        norm: class of the normalisation after each convolution; ``None`` for none.
        activation: class of the activation; ``None`` for none.
        device: where the parameters live.
        dtype: type of the parameters.

    Shape:
        - input: ``(N, T, in_channels)``, floating point, with T of at least ``2**(len(channels) - 1)``
        - output: logits ``(N, num_classes)``

    Raises:
        ValueError: if a size is below 1, ``kernel_size`` is even, or signals have another shape or are too
            short.
        TypeError: if the input is not a floating-point tensor.

    Example:
        >>> model = SignalCNN()
        >>> model(torch.randn(2, 40, 1)).shape
        torch.Size([2, 10])

    Source: global average pooling over time: Wang, Yan and Oates, arXiv:1611.06455.
    """

    def __init__(
        self,
        in_channels: int = 1,
        num_classes: int = 10,
        *,
        channels: Sequence[int] = (32, 64, 64),
        kernel_size: int = 5,
        norm: NormFactory | None = nn.BatchNorm2d,
        activation: ActivationFactory | None = nn.ReLU,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        check_count(in_channels=in_channels, num_classes=num_classes, kernel_size=kernel_size)
        check_counts("channels", channels)
        if not channels:
            raise ValueError(f"channels must be one or more, got {channels!r}")
        self.in_channels = in_channels
        self.channels = tuple(channels)
        self.kernel_size = kernel_size
        self.features = nn.Sequential(
            *(
                nn.Sequential(
                    nn.MaxPool2d((1, 2)) if place else nn.Identity(),
                    ConvNormAct(
                        *ends,
                        kernel_size=(1, kernel_size),
                        norm=norm,
                        activation=activation,
                        device=device,
                        dtype=dtype,
                    ),
                )
                for place, ends in enumerate(pairwise((in_channels, *channels)))
            )
        )
        self.head = nn.Linear(channels[-1], num_classes, device=device, dtype=dtype)

    def forward(self, signals: Tensor) -> Tensor:
        """Logits ``(N, num_classes)`` of a batch of signals; see the class for shapes."""
        return self.head(self.forward_features(signals))

    def forward_features(self, signals: Tensor) -> Tensor:
        """The mean of each channel over what is left of the steps, ``(N, channels[-1])``."""
        check_shape(self, signals, ("N", "T", self.in_channels), floating=True, noun="signals")
        fewest = 2 ** (len(self.channels) - 1)
        if not is_traced(signals) and signals.shape[1] < fewest:
            raise ValueError(
                f"{type(self).__name__} expects signals of at least {fewest} steps, got {signals.shape[1]}"
            )
        images = signals.transpose(1, 2).unsqueeze(2)  # (N, in_channels, 1, T): one pixel high
        return self.features(images).mean(dim=(-2, -1))

    def example_inputs(self) -> Tensor:
        """A small batch that ``forward`` takes, of zeros."""
        return self.head.weight.new_zeros(2, 2 ** len(self.channels), self.in_channels)

    @property
    def feature_info(self) -> list[FeatureInfo]:
        """Name, channels and reduction of each stage."""
        return [
            FeatureInfo(f"features.{place}", count, 2**place) for place, count in enumerate(self.channels)
        ]


@register_model("mnist1d_gru")
def mnist1d_gru(
    in_channels: int = 1,
    num_classes: int = 10,
    *,
    hidden_size: int = 64,
    num_layers: int = 1,
    bidirectional: bool = True,
    dropout: float = 0.0,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
) -> SequenceClassifier:
    """A GRU over the steps of sequences, its final state read by a linear head.

    Args:
        in_channels: values at each step.
        num_classes: classes.
        hidden_size: features of the hidden state, in each direction.
        num_layers: recurrent layers.
        bidirectional: whether to read backward as well.
        dropout: dropout probability between the layers and of the final state.
        device: where the parameters live.
        dtype: type of the parameters.

    Example:
        >>> mnist1d_gru()(torch.randn(2, 40, 1)).shape
        torch.Size([2, 10])
    """
    encoder = SequenceEncoder(
        in_channels,
        hidden_size,
        num_layers=num_layers,
        bidirectional=bidirectional,
        dropout=dropout if num_layers > 1 else 0.0,
        device=device,
        dtype=dtype,
    )
    return SequenceClassifier(
        encoder,
        in_channels=in_channels,
        num_classes=num_classes,
        pooling="last",
        dropout=dropout,
        device=device,
        dtype=dtype,
    )


@register_model("mnist1d_mlp")
def mnist1d_mlp(
    in_channels: int = 1,
    num_classes: int = 10,
    *,
    num_steps: int = 40,
    hidden_sizes: Sequence[int] = (256, 256),
    activation: ActivationFactory | None = nn.ReLU,
    norm: NormFactory | None = None,
    dropout: float = 0.2,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
) -> MLP:
    """Linear layers over all values of a signal, 40-256-256-10, as an :class:`~practicezoo.MLP`.

    Args:
        in_channels: values at each step.
        num_classes: classes.
        num_steps: steps of a signal.
        hidden_sizes: values of each hidden layer.
        activation: class of the activation after each hidden layer; ``None`` for none.
        norm: class of the normalisation of each hidden layer; ``None`` for none.
        dropout: dropout probability after each hidden layer.
        device: where the parameters live.
        dtype: type of the parameters.

    Example:
        >>> mnist1d_mlp()(torch.randn(2, 40, 1)).shape
        torch.Size([2, 10])
    """
    return MLP(
        [in_channels * num_steps, *hidden_sizes, num_classes],
        activation=activation,
        norm=norm,
        dropout=dropout,
        device=device,
        dtype=dtype,
    )
