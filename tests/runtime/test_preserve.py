"""Whatever is tried with a model and its loaders, they are afterwards as they were."""

import copy
import random
from contextlib import suppress

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim import SGD, Adam
from torch.utils.data import DataLoader, TensorDataset

from practicezoo import find_learning_rate
from practicezoo.runtime.preserve import preserve_loaders, preserve_model, preserve_training_mode
from runtime.toys import InPlace, dataset


class StoppedError(Exception):
    """Ends a trial."""


@pytest.fixture(params=[False, True], ids=["to its end", "to an exception"])
def end(request):
    """Run a trial to its end, or into an exception."""

    def run(context, trial):
        with suppress(StoppedError), context:
            trial()
            if request.param:
                raise StoppedError

    return run


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 2))


def values(module):
    return [tensor.tolist() for tensor in module.state_dict().values()]


def flags(module):
    return [part.training for part in module.modules()]


class TestTrainingMode:
    def test_each_submodule_has_its_flag_back(self, end):
        model, other = network(), network().eval()
        model[1].eval()
        end(preserve_training_mode(model, other), lambda: (model.eval(), other.train()))
        assert flags(model) == [True, True, False, True]
        assert flags(other) == [False] * 4


class TestModel:
    def update(self, model, optimizer):
        for _ in range(2):
            optimizer.zero_grad()
            model(torch.randn(16, 4)).square().sum().backward()
            optimizer.step()

    def test_parameters_buffers_and_flags_are_restored(self, end):
        model = network()
        model[2].eval()
        parameters, before, flags_before = list(model.parameters()), values(model), flags(model)
        end(preserve_model(model), lambda: self.update(model.train(), SGD(model.parameters(), lr=1)))
        assert values(model) == before
        assert flags(model) == flags_before
        assert all(now is then for now, then in zip(model.parameters(), parameters, strict=True))

    def test_gradients_are_the_same_tensors_with_the_same_values(self, end):
        model = network()
        model[0](torch.ones(1, 4)).sum().backward()
        gradients = [parameter.grad for parameter in model.parameters()]
        before = copy.deepcopy(gradients)

        def trial():
            assert all(parameter.grad is None for parameter in model.parameters())
            model(torch.randn(16, 4)).sum().backward()

        end(preserve_model(model), trial)
        now = [parameter.grad for parameter in model.parameters()]
        assert all(left is right for left, right in zip(now, gradients, strict=True))
        assert str(now) == str(before)

    def test_a_buffer_that_was_replaced_is_the_old_tensor_again(self, end):
        model = network()
        mean = model[1].running_mean
        end(preserve_model(model), lambda: setattr(model[1], "running_mean", torch.ones(8)))
        assert model[1].running_mean is mean

    def test_settings_and_states_of_all_optimizers_are_restored(self, end):
        model = network()
        optimizers = [Adam(model[0].parameters()), SGD(model[2].parameters(), lr=0.1, momentum=0.9)]
        for optimizer in optimizers:
            self.update(model, optimizer)
        before = repr([optimizer.state_dict() for optimizer in optimizers])

        def trial():
            for optimizer in optimizers:
                optimizer.param_groups[0]["lr"] = 7.0
                self.update(model, optimizer)

        end(preserve_model(model, optimizers=optimizers), trial)
        assert repr([optimizer.state_dict() for optimizer in optimizers]) == before

    def test_parameters_of_the_criterion_and_of_the_optimizer_alone_are_restored(self, end):
        criterion, scale = nn.Linear(2, 1), nn.Parameter(torch.ones(1))
        optimizer = SGD([*criterion.parameters(), scale], lr=0.1)
        before = values(criterion)

        def trial():
            with torch.no_grad():
                scale.add_(1)
                criterion.weight.add_(1)

        end(preserve_model(network(), criterion=criterion, optimizers=[optimizer]), trial)
        assert values(criterion) == before
        assert scale.item() == 1


def in_place():
    torch.manual_seed(0)
    return DataLoader(TensorDataset(torch.randn(30, 4), torch.zeros(30, 2)), 8, sampler=InPlace())


def read(*loaders):
    """The batches of two epochs of each."""
    return [[tensor.tolist() for tensor in batch] for loader in loaders for _ in range(2) for batch in loader]


class TestLoaders:
    def test_their_order_repeats_itself(self, end):
        loaders = in_place(), in_place()
        end(preserve_loaders(*loaders), lambda: read(*loaders))
        assert [loader.sampler.num_epochs for loader in loaders] == [0, 0]
        assert read(*loaders) == read(in_place(), in_place())

    def test_all_global_random_numbers_repeat_themselves(self, end):
        def draw():
            return [random.random(), np.random.rand(), torch.rand(1).item()]  # noqa: NPY002, S311

        drawn = []
        end(preserve_loaders(), lambda: drawn.append(draw()))
        assert draw() == drawn[0]

    def test_attributes_that_reading_adds_are_removed(self, end):
        samples = dataset()
        end(preserve_loaders(DataLoader(samples), None), lambda: setattr(samples, "cache", {}))
        assert not hasattr(samples, "cache")

    @pytest.mark.parametrize("transform", [float, torch.neg, len])
    def test_a_class_or_a_function_may_be_the_transform(self, end, transform):
        samples = dataset()
        samples.transform = transform
        end(preserve_loaders(DataLoader(samples)), lambda: setattr(samples, "transform", None))
        assert samples.transform is transform

    def test_a_search_for_the_learning_rate_leaves_a_sampler_of_ones_own_as_it_was(self):
        loader, model = in_place(), network()
        optimizer = SGD(model.parameters(), lr=0.1)
        find_learning_rate(model, loader, criterion=nn.MSELoss(), optimizer=optimizer, num_updates=20)
        assert read(loader) == read(in_place())
