import pytest
import torch
from torch import nn

from practicezoo.models import MLP


def _count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(
    ("sizes", "expected"), [((784, 512, 256, 128, 64, 10), 575_050), ((8, 6, 4, 1), 87), ((4, 3), 15)]
)
def test_counts(sizes: tuple[int, ...], expected: int):
    model = MLP(sizes)
    assert _count(model) == expected
    assert model.sizes == sizes


def test_equals_layers_in_a_row():
    model = MLP([6, 5, 4, 2], activation=nn.Sigmoid)
    first, second = (layer for layer in model.features if isinstance(layer, nn.Linear))
    inputs = torch.randn(3, 6)
    expected = model.head(second(first(inputs).sigmoid()).sigmoid())
    assert torch.equal(model(inputs), expected)


def test_images_and_their_values_give_the_same():
    model = MLP([12, 5, 2])
    images = torch.randn(3, 3, 2, 2)
    assert torch.equal(model(images), model(images.reshape(3, 12)))


def test_hidden_layers_have_norm_activation_dropout_in_this_order():
    model = MLP([12, 5, 2], norm=nn.BatchNorm1d, activation=nn.GELU, dropout=0.3)
    assert [type(layer) for layer in model.features] == [nn.Linear, nn.BatchNorm1d, nn.GELU, nn.Dropout]
    assert [type(layer) for layer in MLP([12, 5, 2], activation=None).features] == [nn.Linear]


def test_reset_head_updates_the_sizes():
    model = MLP([12, 5, 2])
    model.reset_head(7)
    assert model.sizes == (12, 5, 7)
    assert model.num_classes == 7


@pytest.mark.parametrize(
    ("sizes", "settings", "message"),
    [
        ([784], {}, r"sizes must be two or more, got \(784,\)"),
        ([784, 0, 10], {}, r"sizes must be integers of at least 1, got \[784, 0, 10\]"),
        ([784, 64 / 2, 10], {}, r"sizes must be integers of at least 1, got \[784, 32.0, 10\]"),
        (784, {}, "sizes must be integers of at least 1, got 784"),
        ([784, 10], {"dropout": -0.1}, r"dropout must lie in \[0, 1\), got -0.1"),
        ([784, 10], {"dropout": 1.0}, r"dropout must lie in \[0, 1\), got 1.0"),
    ],
)
def test_too_few_sizes_sizes_below_one_and_dropout_outside_its_range_are_refused(
    sizes: list[int], settings: dict, message: str
):
    with pytest.raises(ValueError, match=message):
        MLP(sizes, **settings)


def test_an_activation_that_is_an_instance_is_refused():
    with pytest.raises(TypeError, match=r"activation must be a class such as .*, got ReLU\(\)"):
        MLP([4, 3, 2], activation=nn.ReLU())


def test_nothing_is_reshaped_across_samples():
    message = r"MLP expects 784 values in each sample, got inputs of shape \(16, 1, 32, 32\)"
    with pytest.raises(ValueError, match=message):
        MLP([784, 10])(torch.zeros(16, 1, 32, 32))
