"""A loader's own generators of random numbers are found, and their states put back."""

import random

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, RandomSampler, TensorDataset

from practicezoo import TensorLoader
from practicezoo.runtime.randomness import (
    generator_state,
    generators_of,
    order_state,
    set_generator_state,
    set_order_state,
)
from runtime.toys import Around, dataset

DRAWS = {
    "torch": (torch.Generator, lambda generator: torch.rand(3, generator=generator).tolist()),
    "Python": (random.Random, lambda generator: [generator.random(), generator.gauss(0, 1)]),
    "NumPy": (np.random.default_rng, lambda generator: generator.random(3).tolist()),
    "NumPy's Mersenne Twister": (
        lambda: np.random.Generator(np.random.MT19937(0)),
        lambda generator: generator.random(3).tolist(),
    ),
    "NumPy's RandomState": (np.random.RandomState, lambda generator: generator.randn(3).tolist()),
}


@pytest.mark.parametrize(("make", "draw"), DRAWS.values(), ids=DRAWS)
def test_a_restored_generator_repeats_its_numbers(make, draw):
    generator = make()
    state = generator_state(generator)
    drawn = draw(generator)
    draw(generator)
    set_generator_state(generator, state)
    assert draw(generator) == drawn


def with_generators():
    """A loader whose sampler, data set and transform own a generator each, the loader's shared."""
    samples = dataset()
    samples.augment = np.random.default_rng(0)
    samples.transform = dataset()
    samples.transform.noise = random.Random(0)  # noqa: S311
    shared = torch.Generator()
    return DataLoader(samples, sampler=RandomSampler(samples, generator=shared), generator=shared)


def test_generators_are_found_in_all_parts_whatever_their_attribute_is_called():
    loader = with_generators()
    samples = loader.dataset
    assert generators_of(loader) == [loader.generator, samples.augment, samples.transform.noise]


def test_the_state_of_an_order_puts_every_kind_of_generator_back():
    loader = with_generators()
    state = order_state(loader)

    def draw():
        return [
            torch.rand(1, generator=each).item() if isinstance(each, torch.Generator) else each.random()
            for each in generators_of(loader)
        ]

    first = draw()
    assert draw() != first
    set_order_state(state, loader)
    assert draw() == first


def test_a_generator_that_a_loader_passes_on_is_found():
    generator = torch.Generator()
    inner = TensorLoader(torch.ones(4), batch_size=2, shuffle=True, generator=generator)
    assert generators_of(Around(inner)) == [generator]


def test_the_operating_systems_generator_has_no_state_to_restore():
    samples = dataset()
    samples.random = random.SystemRandom()
    assert generators_of(DataLoader(samples)) == []


def test_a_restored_order_repeats_itself():
    generator = torch.Generator().manual_seed(0)
    loader = DataLoader(TensorDataset(torch.arange(20)), batch_size=20, shuffle=True, generator=generator)
    state = order_state(loader)
    (first,) = next(iter(loader))
    (second,) = next(iter(loader))
    set_order_state(state, loader)
    (again,) = next(iter(loader))
    assert torch.equal(again, first)
    assert not torch.equal(again, second)


def test_the_order_of_a_loader_with_other_generators_is_refused():
    state = order_state(with_generators())
    with pytest.raises(ValueError, match=r"must have 3 generators of their own as before, got 0"):
        set_order_state(state, [])
