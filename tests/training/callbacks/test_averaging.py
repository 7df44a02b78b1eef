"""Laws of averaged weights: the formula bit by bit, torch's own class, and a resumed run."""

import copy
import math
from contextlib import nullcontext

import pytest
import torch
from torch import nn
from torch.optim import SGD
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from practicezoo.training import Callback, Checkpointer, Run, WeightAveraging, evaluate, fit
from support.toys import HostReads, classes, mlp, same_weights, split


class Weights(Callback):
    """Remembers the model after each update."""

    def __init__(self):
        self.states = []

    def on_step_end(self, run, result):
        self.states.append(copy.deepcopy(run.model.state_dict()))


def train(model, *callbacks, epochs=3, **settings):
    torch.manual_seed(1)
    return fit(
        model,
        split(*classes(dtype=next(model.parameters()).dtype), 7),
        criterion=nn.CrossEntropyLoss(),
        optimizer=SGD(model.parameters(), lr=0.1),
        epochs=epochs,
        callbacks=callbacks,
        **settings,
    )


def test_is_the_formula_bit_by_bit():
    model = mlp().double()
    averaging, weights = WeightAveraging(model, decay=0.75), Weights()
    train(model, averaging, weights)
    first, *others = weights.states
    assert len(others) == averaging.num_updates - 1 == 14
    expected = first
    for state in others:  # 0.75 and 0.25 are exact; the sum in the order in which torch adds
        for name, value in state.items():
            is_counter = name.endswith("num_batches_tracked")
            expected[name] = value if is_counter else expected[name] + 0.25 * (value - expected[name])
    actual = averaging.averaged.state_dict()
    assert actual.keys() == expected.keys()
    assert all(torch.equal(actual[name], expected[name]) for name in expected)


@pytest.mark.parametrize("decay", [0.0, 0.9, 0.999])
def test_is_torchs_averaged_model(decay):
    model = mlp()
    reference = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True)

    class Reference(Callback):
        def on_step_end(self, run, result):
            reference.update_parameters(run.model)

    averaging = WeightAveraging(model, decay=decay)
    train(model, averaging, Reference())
    expected = reference.module.state_dict()
    del expected["1.num_batches_tracked"]  # the reference rounds an average of counts
    actual = averaging.averaged.state_dict()
    assert actual.pop("1.num_batches_tracked") == 15
    assert actual.keys() == expected.keys()
    assert all(torch.equal(actual[name], expected[name]) for name in expected)


def test_masks_and_constants_are_the_models():
    model = mlp()
    model.register_buffer("mask", torch.full((3, 3), -math.inf).triu(1))
    model.register_buffer("scale", torch.ones(()), persistent=False)
    averaging = WeightAveraging(model, decay=0.5)
    model.scale.fill_(2.0)
    train(model, averaging)
    assert torch.equal(averaging.averaged.mask, model.mask)
    assert averaging.averaged.scale == 2


def test_shared_weights_stay_shared_and_dtypes_may_differ():
    model = nn.Sequential(nn.Linear(5, 5), nn.Linear(5, 5), nn.Linear(5, 3, bias=False))
    model[1].weight = model[0].weight
    model[2].to(torch.float64)
    averaging = WeightAveraging(model, decay=0.5)
    update(averaging, model, 1.0, 2.0)
    assert averaging.averaged[1].weight is averaging.averaged[0].weight
    assert (averaging.averaged[0].weight == 1.5).all()
    assert (averaging.averaged[2].weight == 1.5).all()


def update(averaging, model, *values):
    """Updates after which all parameters have these values."""
    for value in values:
        for parameter in model.parameters():
            nn.init.constant_(parameter, value)
        averaging.on_step_end(Run(model, None, 1), None)


def test_the_model_is_left_alone_and_the_average_evaluates():
    alone, watched = mlp(), mlp()
    averaging = WeightAveraging(watched)
    train(alone)
    train(watched, averaging)
    assert same_weights(alone, watched)
    assert not any(module.training for module in averaging.averaged.modules())
    results = evaluate(averaging.averaged, [classes()], criterion=nn.CrossEntropyLoss())
    assert math.isfinite(results["loss"])


def test_nothing_is_read_from_the_device():
    model = mlp()
    averaging = WeightAveraging(model)
    counts = []

    class Count(Callback):
        def on_step_end(self, run, result):
            with HostReads() as reads:
                averaging.on_step_end(run, result)
            counts.append(reads.count)

    train(model, Count())
    assert counts == [0] * 15


@pytest.mark.gpu
def test_no_update_waits_for_the_gpu(cuda, never_waiting):
    model = mlp()
    averaging = WeightAveraging(model, decay=0.5)
    model.to(cuda)  # after the callback was made

    class Watch(Callback):
        def on_step_end(self, run, result):
            if run.num_updates == 1:
                averaging.on_step_end(run, result)
                return
            with never_waiting():
                averaging.on_step_end(run, result)

    train(model, Watch())
    assert {tensor.device.type for tensor in averaging.averaged.state_dict().values()} == {"cuda"}


def test_a_resumed_average_is_the_uninterrupted_one():
    model = nn.BatchNorm1d(3)
    whole = WeightAveraging(model, decay=0.9)
    update(whole, model, 1.0, 5.0)
    state = copy.deepcopy(whole.state_dict())
    update(whole, model, 2.0, 7.0)
    resumed = WeightAveraging(model, decay=0.9)
    resumed.load_state_dict(state)
    update(resumed, model, 2.0, 7.0)
    assert resumed.num_updates == whole.num_updates == 4
    assert same_weights(resumed.averaged, whole.averaged)
    assert resumed.averaged.weight[0].item() == pytest.approx(((0.9 + 0.5) * 0.9 + 0.2) * 0.9 + 0.7)


def test_fit_resumes_the_average_with_the_run(tmp_path):
    class Kill(Callback):
        def on_step_end(self, run, result):
            if run.num_updates == 8:
                raise KeyboardInterrupt

    whole = mlp()
    uninterrupted = WeightAveraging(whole)
    train(whole, uninterrupted)
    for others in ([Kill()], []):
        model = mlp()
        averaging = WeightAveraging(model)
        with pytest.raises(KeyboardInterrupt) if others else nullcontext():
            train(model, averaging, Checkpointer(tmp_path, every=3), *others, resume_from=tmp_path)
    assert averaging.num_updates == 15
    assert same_weights(averaging.averaged, uninterrupted.averaged)


class StopAfterTwo(Callback):
    def on_epoch_end(self, run):
        run.should_stop = run.epoch == 2


@pytest.mark.parametrize("others", [(), (StopAfterTwo(),)])
def test_the_model_gets_the_average_back_at_the_end_if_asked(others):
    model, untouched = mlp(), mlp()
    averaging = WeightAveraging(model, copy_back=True)
    history = train(model, *others, averaging)
    train(untouched, *others)
    assert len(history) == (2 if others else 3)
    assert same_weights(model, averaging.averaged)
    assert not same_weights(model, untouched)


@pytest.mark.parametrize("decay", [1.0, -0.1, math.nan])
def test_decay_out_of_range(decay):
    with pytest.raises(ValueError, match=rf"decay must lie in \[0, 1\), got {decay}"):
        WeightAveraging(mlp(), decay=decay)


def test_another_model():
    with pytest.raises(ValueError, match="model must be the one that is trained, got another one"):
        train(mlp(), WeightAveraging(mlp()))
