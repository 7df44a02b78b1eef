"""The course's networks under their names, for :func:`~practicezoo.create_model`."""

from collections.abc import Sequence
from functools import partial

import torch
from torch import nn

from practicezoo.blocks.factories import ActivationFactory, NormFactory
from practicezoo.models.cnn import CNN
from practicezoo.models.inception import InceptionNet
from practicezoo.models.linear import LinearRegression, LogisticRegression
from practicezoo.models.mlp import MLP
from practicezoo.models.recurrent import CharGRUClassifier
from practicezoo.models.registry import register_model
from practicezoo.models.residual import ResidualNet, notes_stage
from practicezoo.models.stepwise import StepwiseTagger
from practicezoo.models.tagger import CharTagger

__all__ = ["diabetes_mlp", "mnist_mlp"]


@register_model("mnist_mlp")
def mnist_mlp(
    in_channels: int = 1,
    num_classes: int = 10,
    *,
    image_size: int = 28,
    hidden_sizes: Sequence[int] = (512, 256, 128, 64),
    activation: ActivationFactory | None = nn.ReLU,
    norm: NormFactory | None = None,
    dropout: float = 0.0,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
) -> MLP:
    """The course's network for digits, 784-512-256-128-64-10, as an :class:`~practicezoo.MLP`.

    Args:
        in_channels: channels of the images.
        num_classes: classes.
        image_size: height and width of the images.
        hidden_sizes: values of each hidden layer.
        activation: class of the activation after each hidden layer; ``None`` for none.
        norm: class of the normalisation of each hidden layer; ``None`` for none.
        dropout: dropout probability after each hidden layer.
        device: where the parameters live.
        dtype: type of the parameters.

    Example:
        >>> mnist_mlp(hidden_sizes=[100])(torch.randn(2, 1, 28, 28)).shape
        torch.Size([2, 10])
    """
    return MLP(
        [in_channels * image_size**2, *hidden_sizes, num_classes],
        activation=activation,
        norm=norm,
        dropout=dropout,
        device=device,
        dtype=dtype,
    )


@register_model("diabetes_mlp")
def diabetes_mlp(
    in_features: int = 8,
    *,
    hidden_sizes: Sequence[int] = (6, 4),
    activation: ActivationFactory | None = nn.Sigmoid,
    norm: NormFactory | None = None,
    dropout: float = 0.0,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
) -> MLP:
    """The course's network for a table with a binary target, 8-6-4-1, as an :class:`~practicezoo.MLP`.

    Its output is the logit of the positive class, ``(N, 1)``; ``nn.BCEWithLogitsLoss`` has the last sigmoid.

    Args:
        in_features: values of a sample.
        hidden_sizes: values of each hidden layer.
        activation: class of the activation after each hidden layer; ``None`` for none.
        norm: class of the normalisation of each hidden layer; ``None`` for none.
        dropout: dropout probability after each hidden layer.
        device: where the parameters live.
        dtype: type of the parameters.

    Example:
        >>> diabetes_mlp()(torch.zeros(2, 8)).shape
        torch.Size([2, 1])
    """
    return MLP(
        [in_features, *hidden_sizes, 1],
        activation=activation,
        norm=norm,
        dropout=dropout,
        device=device,
        dtype=dtype,
    )


register_model("linear_regression")(LinearRegression)
register_model("logistic_regression")(LogisticRegression)
register_model("mnist_cnn")(CNN)
register_model("mnist_inception")(InceptionNet)
register_model("mnist_resnet")(ResidualNet)
register_model("mnist_resnet_notes")(partial(ResidualNet, channels=(10, 20), stage=notes_stage))
register_model("names_gru")(CharGRUClassifier)
register_model("hello_rnn_cell")(StepwiseTagger)
register_model("hello_rnn")(
    partial(CharTagger, embedding_dim=None, hidden_size=4, num_layers=1, head=None)  # the state is the logits
)
register_model("hello_embedding_rnn")(CharTagger)
