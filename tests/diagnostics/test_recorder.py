"""The recorder sees layers, ReLUs and losses, whichever way they are computed."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from practicezoo.diagnostics.recorder import IndexOutOfRangeError, OperationRecorder


def record(function, **settings):
    with OperationRecorder(lambda: "here", **settings) as recorder:
        function()
    return recorder


@pytest.mark.parametrize(
    ("compute", "kind"),
    [
        (lambda outputs: nn.CrossEntropyLoss()(outputs, torch.tensor([0, 1])), "cross-entropy"),
        (lambda outputs: F.nll_loss(input=outputs, target=torch.tensor([0, 1])), "nll"),
        (lambda outputs: F.kl_div(outputs, torch.ones(2, 3), reduction="sum"), "kl"),
        (lambda outputs: F.binary_cross_entropy(outputs.sigmoid(), torch.ones(2, 3)), "bce"),
        (lambda outputs: nn.BCEWithLogitsLoss()(outputs, torch.ones(2, 3)), "bce-with-logits"),
        (lambda outputs: F.smooth_l1_loss(outputs, torch.ones(2, 3)), "difference"),
    ],
)
def test_a_loss_is_recorded_as_a_module_and_as_a_function(compute, kind):
    outputs = torch.randn(2, 3)
    (call,) = record(lambda: compute(outputs)).loss_calls
    assert call.kind == kind


def test_only_the_difference_of_outputs_and_targets_is_a_loss():
    outputs, targets = torch.randn(4, 1, requires_grad=True), torch.randn(4)
    recorder = record(lambda: (targets - outputs, outputs - 1, targets - 1), pair=(outputs, targets))
    (call,) = recorder.loss_calls
    assert call.inputs is outputs
    assert call.targets is targets


def test_a_layer_is_recorded_with_the_scale_of_its_inputs():
    inputs = torch.tensor([[1.0, 5.0], [3.0, 5.0]])
    (layer,) = record(lambda: nn.Linear(2, 3)(inputs)).layers
    assert layer.where == "here"
    assert layer.mean.tolist() == [2, 5]
    assert layer.std.tolist() == [1, 0]


def test_a_relu_is_recorded_with_the_units_that_are_zero_for_all_samples():
    (rectified,) = record(lambda: torch.tensor([[-1.0, 1.0], [-1.0, -1.0]]).relu()).rectified
    assert rectified.dead.tolist() == [True, False]
    assert rectified.num_values == 2


@pytest.mark.parametrize("index", [-1, 4])
def test_an_index_beyond_an_embedding_is_refused_before_a_gpu_sees_it(index):
    with pytest.raises(IndexOutOfRangeError, match=rf"ids must lie in \[0, 4\), got {min(0, index)} to"):
        record(lambda: nn.Embedding(4, 2)(torch.tensor([0, index])))


def test_the_ignored_class_is_not_wrong():
    targets = torch.tensor([0, -1, -100, 3])
    (call,) = record(lambda: F.cross_entropy(torch.randn(4, 3), targets.clamp(0, 2))).loss_calls
    assert call._replace(targets=targets).wrong_targets().tolist() == [-1, 3]
