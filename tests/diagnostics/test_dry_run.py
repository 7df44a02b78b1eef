"""The program runs as a copy."""

import torch
from torch import nn
from torch.optim import Adam

from support.programs import CLASSES, FEATURES, classify, labels, mlp


def test_an_error_inside_the_model_names_its_layer():
    model = nn.Sequential(nn.Linear(FEATURES, 4), nn.Sequential(nn.ReLU(), nn.Linear(5, CLASSES)))
    (finding,) = classify(model).check()
    assert finding.message.startswith("the model failed in layer '1.1': RuntimeError: mat1 and mat2 shapes")


def test_tensors_outside_the_model_get_no_gradient():
    weight = torch.ones(CLASSES, requires_grad=True)
    (finding,) = classify(
        criterion=lambda outputs, targets: nn.functional.cross_entropy(outputs * weight, targets)
    ).check()
    assert finding.code == "unregistered-parameters"
    assert weight.grad is None


def test_a_compiled_model_runs_as_it_was_written():
    model = mlp()
    compiled = torch.compile(model)
    assert classify(compiled, optimizer=Adam(compiled.parameters())).check() == []


def test_a_lazy_layer_stays_lazy():
    model = nn.Sequential(nn.LazyLinear(4), nn.ReLU(), nn.Linear(4, CLASSES))
    assert classify(model).check() == []
    assert isinstance(model[0], nn.LazyLinear)


def test_a_wrong_index_does_not_end_the_use_of_the_gpu(cuda):
    model = mlp().to(cuda)
    state = torch.cuda.get_rng_state()
    assert classify(model, optimizer=Adam(model.parameters())).check() == []
    assert torch.equal(torch.cuda.get_rng_state(), state)
    (finding,) = classify(model, targets=labels() + 1).check()  # no assertion on the device
    assert finding.code == "target-out-of-range"
    (finding,) = classify(model, criterion=nn.CrossEntropyLoss(weight=torch.ones(CLASSES))).check()
    assert finding.code == "devices-differ"
    assert (torch.ones(1, device=cuda) + 1).item() == 2
