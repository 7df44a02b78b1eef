"""What an update refuses, and what it leaves as it was."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.optim import SGD
from torch.optim.lr_scheduler import StepLR

from practicezoo import CNN, PaddedSequence
from practicezoo.training import TrainStep
from support.toys import classes


class TestErrors:
    def make(self, **settings):
        model = nn.Linear(5, 3)
        return TrainStep(model, SGD(model.parameters(), lr=0.1), nn.CrossEntropyLoss(), **settings)

    def test_fp16_on_the_cpu(self):
        with pytest.raises(ValueError, match="precision 'fp16' needs a model on CUDA, got one on cpu"):
            self.make(precision="fp16")

    def test_unknown_precision(self):
        with pytest.raises(ValueError, match="precision must be one of fp32, bf16, fp16, got 'half'"):
            self.make(precision="half")

    @pytest.mark.parametrize("value", [0, -1.0, math.nan])
    def test_max_grad_norm(self, value):
        with pytest.raises(ValueError, match=f"max_grad_norm must be positive, got {value}"):
            self.make(max_grad_norm=value)

    def test_an_optimizer_of_another_model(self):
        message = "optimizer must hold parameters of the model, got none of them: make it from this model"
        model, other = nn.Linear(5, 3), nn.Linear(5, 3)
        own, foreign = SGD(model.parameters(), lr=0.1), SGD(other.parameters(), lr=0.1)
        for optimizer in (foreign, [own, foreign]):
            with pytest.raises(ValueError, match=message):
                TrainStep(model, optimizer, nn.CrossEntropyLoss())

    def test_an_optimizer_of_the_old_head(self):
        model = CNN()
        optimizer = SGD(model.head.parameters(), lr=0.1)
        model.reset_head(5)
        with pytest.raises(ValueError, match=r"after its last change \(such as reset_head\)"):
            TrainStep(model, optimizer, nn.CrossEntropyLoss())

    def test_the_criterions_parameters_can_be_trained_alone(self):
        class Temperature(nn.Module):
            def __init__(self):
                super().__init__()
                self.scale = nn.Parameter(torch.ones(()))

            def forward(self, outputs, targets):
                return F.cross_entropy(outputs * self.scale, targets)

        criterion = Temperature()
        TrainStep(nn.Linear(5, 3), SGD(criterion.parameters(), lr=0.1), criterion)([classes()])
        assert criterion.scale != 1

    @pytest.mark.parametrize(
        ("argument", "given"),
        [("criterion", nn.CrossEntropyLoss), ("optimizer", SGD), ("lr_scheduler", StepLR)],
    )
    def test_a_class_for_an_instance(self, argument, given):
        model = nn.Linear(5, 3)
        settings = {"criterion": nn.CrossEntropyLoss(), "optimizer": SGD(model.parameters(), lr=0.1)}
        with pytest.raises(
            TypeError, match=f"{argument} must be an instance, got the class {given.__name__}"
        ):
            TrainStep(model, **settings | {argument: given})

    def test_no_batches(self):
        with pytest.raises(ValueError, match="micro_batches must hold at least one batch, got none"):
            self.make()([])

    @pytest.mark.parametrize(
        ("batch", "got"),
        [
            (torch.zeros(2, 5), "Tensor"),
            ((torch.zeros(2, 5), torch.zeros(2), torch.zeros(2)), "tuple of 3"),
            ([torch.zeros(2, 5)], "list of 1"),
            (PaddedSequence(torch.zeros(2, 5), torch.tensor([5, 5])), "PaddedSequence"),
            (nn.utils.rnn.pack_sequence([torch.zeros(2, 5)]), "PackedSequence"),
            ({"inputs": 1, "labels": 2}, "dict with the keys inputs, labels: let the loader's collate_fn"),
        ],
    )
    def test_batch_that_is_no_pair(self, batch, got):
        with pytest.raises(
            TypeError,
            match=rf"a batch must be a plain pair \(inputs, targets\), or a dict of these two, got {got}",
        ):
            self.make()([batch])

    def test_a_micro_batch_that_is_no_pair_changes_nothing(self):
        step = self.make()
        before = [parameter.detach().clone() for parameter in step.model.parameters()]
        with pytest.raises(TypeError, match="a batch must be a plain pair"):
            step([classes(), torch.zeros(2, 5)])
        for parameter, old in zip(step.model.parameters(), before, strict=True):
            assert torch.equal(parameter, old)
            assert parameter.grad is None


def test_targets_without_rows():
    model = nn.Linear(1, 1)
    step = TrainStep(model, SGD(model.parameters(), lr=0.1), nn.MSELoss())
    with pytest.raises(TypeError, match="targets must be a tensor or a collection of tensors, got NoneType"):
        step([(torch.zeros(2, 1), None)])


def test_a_criterion_that_does_not_reduce():
    model = nn.Linear(1, 1)
    step = TrainStep(model, SGD(model.parameters(), lr=0.1), nn.MSELoss(reduction="none"))
    with pytest.raises(ValueError, match=r"criterion must return a scalar, got shape \(2, 1\)"):
        step([(torch.zeros(2, 1), torch.zeros(2, 1))])
