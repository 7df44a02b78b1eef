"""What a loader draws on is found, and nothing that it does not have."""

import torch
from torch.utils.data import BatchSampler, DataLoader, RandomSampler, Subset, TensorDataset

from practicezoo import TensorLoader
from practicezoo.runtime.loaders import loader_parts
from runtime.toys import Around, dataset


def test_samplers_come_first_and_then_the_data_sets_inside_each_other():
    samples = Subset(dataset(), [0, 1])
    loader = DataLoader(samples, batch_sampler=BatchSampler(RandomSampler(samples), 2, drop_last=False))
    parts = [loader, loader.sampler, loader.batch_sampler, loader.batch_sampler.sampler]
    assert loader_parts(loader) == [*parts, samples, samples.dataset]


def test_a_part_that_is_reached_twice_is_listed_once():
    loader = DataLoader(dataset(), batch_size=2, shuffle=True)
    assert loader_parts(loader) == [loader, loader.sampler, loader.batch_sampler, loader.dataset]


def test_a_transform_belongs_to_the_loader():
    loader = TensorLoader(torch.ones(4, 1), batch_size=2, transform=torch.neg)
    assert loader_parts(loader) == [loader, torch.neg]


def test_a_loader_around_another_one_passes_its_samplers_on():
    inner = DataLoader(dataset(), batch_size=2, shuffle=True)
    assert {inner.sampler, inner.batch_sampler} <= set(loader_parts(Around(inner)))


def test_a_data_set_is_asked_for_no_name_that_it_does_not_have():
    class Columns(TensorDataset):
        def __getattr__(self, name):
            raise KeyError(name)

    loader = DataLoader(Columns(torch.ones(4)), batch_size=2)
    assert loader_parts(loader)[-1] is loader.dataset


def test_parts_that_hold_each_other_end():
    left, right = dataset(), dataset()
    left.dataset, right.dataset = right, left
    assert loader_parts(left) == [left, right]


def test_a_list_has_no_parts():
    batches = [torch.ones(2)]
    assert loader_parts(batches) == [batches]
