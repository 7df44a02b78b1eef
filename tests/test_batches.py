"""What a batch is, how many items it has, and how a model is called with it."""

from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_sequence
from torch.utils.data import TensorDataset

from practicezoo import PaddedSequence, evaluate, fit, predict
from practicezoo.batches import call_model, check_loaders, num_items, split_batch, unwrap


class TwoInputs(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(3, 2)

    def forward(self, image: Tensor, scale: Tensor) -> Tensor:
        return self.head(image) * scale


class Pair(NamedTuple):
    image: Tensor
    scale: Tensor


class TakesOne(nn.Module):
    def forward(self, pair: Pair) -> Tensor:
        return pair.image + pair.scale


IMAGE, SCALE = torch.randn(4, 3), torch.rand(4, 1)


def test_a_dict_of_inputs_and_targets_is_a_batch():
    inputs, targets = split_batch({"targets": 1, "inputs": 0})
    assert (inputs, targets) == (0, 1)


@pytest.mark.parametrize(
    ("batch", "found"),
    [
        ({"inputs": 0}, "dict with the keys inputs: let the loader's collate_fn return such pairs"),
        ({"x": 0, "y": 1}, "dict with the keys x, y: let the loader's collate_fn return such pairs"),
        (torch.zeros(2), "Tensor: let the loader's collate_fn return such pairs"),
        ((1, 2, 3), "tuple of 3"),
    ],
)
def test_other_batches_are_refused_with_advice(batch, found):
    message = rf"a batch must be a plain pair \(inputs, targets\), or a dict of these two, got {found}$"
    with pytest.raises(TypeError, match=message):
        split_batch(batch)


def test_tuples_are_positional_arguments_and_mappings_keywords():
    model = TwoInputs()
    expected = model(IMAGE, SCALE)
    for inputs in ((IMAGE, SCALE), [IMAGE, SCALE], {"scale": SCALE, "image": IMAGE}):
        torch.testing.assert_close(call_model(model, inputs), expected)
    assert torch.equal(call_model(TakesOne(), Pair(IMAGE, SCALE)), IMAGE + SCALE)


def test_fit_evaluate_and_predict_call_alike():
    model, targets = TwoInputs(), torch.tensor([0, 1, 0, 1])
    for inputs in ((IMAGE, SCALE), {"scale": SCALE, "image": IMAGE}):
        batches = [(inputs, targets)]
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        fit(model, batches, criterion=nn.CrossEntropyLoss(), optimizer=optimizer, epochs=1)
        loss = evaluate(model, batches, criterion=nn.CrossEntropyLoss())["loss"]
        outputs = predict(model, batches)
        assert nn.functional.cross_entropy(outputs, targets).item() == pytest.approx(loss, rel=1e-6)


@pytest.mark.parametrize(
    ("inputs", "given"),
    [((IMAGE,), "1 positional arguments"), ({"image": IMAGE, "size": SCALE}, "the keywords image, size")],
)
def test_what_does_not_bind_names_the_parameters(inputs, given):
    message = rf"inputs must fit TwoInputs.forward\(image: .*scale: .*got {given}: missing a required"
    with pytest.raises(TypeError, match=message):
        call_model(TwoInputs(), inputs)


def test_a_list_of_samples_is_not_taken_for_arguments():
    message = "inputs must be arguments of forward .* got a list of tensors with 2, 5 rows: pad samples"
    with pytest.raises(ValueError, match=message):
        call_model(TwoInputs(), [torch.zeros(5, 3), torch.zeros(2, 3)])


@pytest.mark.parametrize(
    ("targets", "count"),
    [
        (torch.zeros(3, 7), 3),
        ([torch.zeros(10), torch.zeros(1)], 2),  # entries of two items
        ((torch.zeros(5, 2), torch.zeros(5)), 5),  # two values of five items
        ({"boxes": torch.zeros(5, 2), "labels": torch.zeros(5)}, 5),
        ([1, 0, 1], 3),
        (PaddedSequence(torch.zeros(2, 4), torch.tensor([4, 1])), 2),
        (pack_sequence([torch.zeros(3), torch.zeros(1)]), 2),
    ],
)
def test_items_are_counted(targets, count):
    assert num_items(targets) == count


def test_the_inputs_tell_how_a_list_of_equal_tensors_is_meant():
    targets = [torch.zeros(10), torch.ones(10)]
    assert num_items(targets, beside=torch.zeros(2, 1)) == 2
    assert num_items(targets, beside=torch.zeros(10, 1)) == 10
    message = "targets must be for the 7 items of the batch, got a list of 2 tensors with 10 rows each"
    with pytest.raises(ValueError, match=message):
        num_items(targets, beside=torch.zeros(7, 1))


def test_a_list_of_targets_weighs_by_its_items():
    def criterion(outputs, targets):
        return torch.stack([each.mean() for each in targets]).mean()

    batches = [
        (torch.zeros(2, 1), [torch.zeros(10), torch.zeros(1)]),
        (torch.zeros(2, 1), [torch.ones(1), torch.ones(10)]),
    ]
    assert evaluate(nn.Identity(), batches, criterion=criterion) == {"loss": 0.5}


def test_a_dataset_and_tensors_are_no_loaders():
    with pytest.raises(TypeError, match="loader must give batches, got the data set TensorDataset: give"):
        evaluate(nn.Identity(), TensorDataset(IMAGE, SCALE), criterion=nn.MSELoss())
    with pytest.raises(TypeError, match=r"val_loader must give batches, .*, got tensors"):
        check_loaders(train_loader=[], val_loader=(IMAGE, SCALE))
    with pytest.raises(TypeError, match="train_loader must be an iterable of batches, got int"):
        check_loaders(train_loader=3)


def test_wrappers_are_taken_off():
    model = nn.Linear(2, 1)
    assert unwrap(nn.DataParallel(torch.compile(model, backend="eager"))) is model
