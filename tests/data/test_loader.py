"""TensorLoader: a DataLoader's batches, cut from whole tensors."""

import copy
from unittest.mock import patch

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close
from torch.utils.data import DataLoader, TensorDataset
from torchvision.transforms import v2

from practicezoo import PaddedSequence, TensorLoader
from practicezoo.data import RandomShift, synthetic_digits

INPUTS, TARGETS = torch.arange(20.0).view(10, 2), torch.arange(10)


NAMES = PaddedSequence(torch.arange(1, 41).view(10, 4), torch.tensor([4, 1, 2, 3, 1, 1, 2, 4, 3, 2]))


@given(st.integers(0, 10), st.integers(1, 12), st.booleans())
def test_batches_are_those_of_a_dataloader(num_rows, batch_size, drop_last):
    inputs, targets = INPUTS[:num_rows], TARGETS[:num_rows]
    loader = TensorLoader(inputs, targets, batch_size=batch_size, drop_last=drop_last)
    peer = DataLoader(TensorDataset(inputs, targets), batch_size=batch_size, drop_last=drop_last)
    assert len(loader) == len(peer)
    assert_close(list(loader), [tuple(batch) for batch in peer], rtol=0, atol=0)


@given(st.integers(1, 12), st.booleans(), st.integers(0, 99))
def test_shuffled_batches_are_those_of_a_dataloader_in_the_same_order(batch_size, drop_last, seed):
    generator = torch.Generator().manual_seed(seed)
    loader = TensorLoader(
        INPUTS, TARGETS, batch_size=batch_size, shuffle=True, drop_last=drop_last, generator=generator
    )
    order = torch.randperm(10, generator=torch.Generator().manual_seed(seed)).tolist()
    peer = DataLoader(
        TensorDataset(INPUTS, TARGETS), batch_size=batch_size, sampler=order, drop_last=drop_last
    )
    assert_close(list(loader), [tuple(batch) for batch in peer], rtol=0, atol=0)


def test_each_epoch_has_its_own_order_and_every_row():
    loader = TensorLoader(TARGETS, batch_size=3, shuffle=True, generator=torch.Generator().manual_seed(0))
    epochs = [torch.cat([rows for (rows,) in loader]).tolist() for _ in range(3)]
    assert len({tuple(epoch) for epoch in epochs}) == 3
    assert all(sorted(epoch) == list(range(10)) for epoch in epochs)
    loader.generator.manual_seed(0)
    assert torch.cat([rows for (rows,) in loader]).tolist() == epochs[0]


def test_without_a_generator_the_global_one_draws():
    loader = TensorLoader(TARGETS, batch_size=10, shuffle=True)
    torch.manual_seed(3)
    ((first,),) = loader
    torch.manual_seed(3)
    assert torch.equal(first, torch.randperm(10))


def test_without_shuffling_nothing_is_sampled():
    before = torch.get_rng_state()
    first, *_ = TensorLoader(INPUTS, batch_size=4)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first[0], INPUTS[:4])


@pytest.mark.parametrize("shuffle", [False, True])
def test_what_is_done_to_a_batch_never_reaches_the_users_tensors(shuffle):
    padded = PaddedSequence(torch.arange(8.0).view(4, 2), torch.tensor([2, 1, 2, 2]))
    data = (torch.randn(4, 2), padded, {"a": torch.randn(4)})
    kept = [data[0], padded.data, padded.lengths, data[2]["a"]]
    before = copy.deepcopy(kept)
    for first, sequences, table in TensorLoader(*data, batch_size=2, shuffle=shuffle):
        for tensor in (first, sequences.data, sequences.lengths, table["a"]):
            tensor.zero_()
    torch.testing.assert_close(kept, before)


@pytest.mark.parametrize("shuffle", [False, True])
def test_a_batch_changed_in_place_leaves_the_others_be(shuffle):
    """Small batches are copied many at once: neither their values nor their gradients are disturbed."""
    loader = TensorLoader(torch.arange(1.0, 7.0), batch_size=2, shuffle=shuffle)
    weight = torch.ones(2, requires_grad=True)
    (first,), (second,), (third,) = loader
    loss, before = (weight * first).sum(), first.clone()
    second.zero_()
    loss.backward()
    assert torch.equal(weight.grad, before)
    assert third.all()


@given(st.integers(1, 40), st.integers(1, 12), st.booleans(), st.booleans(), st.integers(1, 3))
def test_batches_are_the_same_however_many_are_copied_at_once(
    num_rows, batch_size, shuffle, drop_last, ranks
):
    inputs, targets = torch.randn(num_rows, 3), torch.arange(num_rows)
    for rank in range(ranks):
        loader = TensorLoader(
            {"x": inputs},
            targets,
            batch_size=batch_size,
            shuffle=shuffle,
            drop_last=drop_last,
            seed=3 if shuffle else None,
            num_replicas=ranks,
            rank=rank,
        )
        batches = list(loader)
        assert len(batches) == len(loader)
        for at_once in (1, 100):  # one batch, or a few
            with patch("practicezoo.data.loader.BYTES_AT_ONCE", at_once):
                assert_close(list(loader), batches, rtol=0, atol=0)


def test_arrays_columns_and_dicts_are_batched():
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame({"x": [1.0, 2.0, 3.0]})
    array = np.arange(3)
    loader = TensorLoader({"x": table["x"], "y": array}, array, batch_size=2)
    inputs, targets = next(iter(loader))
    assert (inputs["x"].tolist(), inputs["y"].tolist(), targets.tolist()) == ([1.0, 2.0], [0, 1], [0, 1])
    targets.zero_()
    assert array.tolist() == [0, 1, 2]


def test_targets_of_steps_are_trimmed_with_their_sequences():
    lengths = torch.tensor([1, 2, 4])
    inputs = PaddedSequence(torch.ones(3, 4, dtype=torch.long), lengths)
    targets = torch.ones(3, 4, dtype=torch.long).masked_fill(torch.arange(4) >= lengths[:, None], -100)
    (sequences, steps), _ = TensorLoader(inputs, targets, batch_size=2)
    assert sequences.data.shape == steps.shape == (2, 2)
    several = torch.ones(3, 4, dtype=torch.long)  # four labels of each sequence
    (_, labels), _ = TensorLoader(inputs, several, batch_size=2)
    assert labels.shape == (2, 4)


def test_transform_gets_the_inputs_of_a_whole_batch():
    shapes = []

    def halve(inputs):
        shapes.append(tuple(inputs.shape))
        return inputs / 2

    loader = TensorLoader(INPUTS, TARGETS, batch_size=4, transform=halve)
    inputs, targets = (torch.cat(parts) for parts in zip(*loader, strict=True))
    assert shapes == [(4, 2), (4, 2), (2, 2)]
    assert_close(inputs, INPUTS / 2)
    assert_close(targets, TARGETS)


@given(batch_size=st.integers(1, 12), shuffle=st.booleans())
def test_padded_sequences_are_trimmed_batch_by_batch(batch_size, shuffle):
    seen = 0
    for names, targets in TensorLoader(NAMES, TARGETS, batch_size=batch_size, shuffle=shuffle):
        assert isinstance(names, PaddedSequence)
        assert_close(names.lengths, NAMES.lengths[targets])
        longest = int(names.lengths.max())
        assert_close(names.data, NAMES.data[targets, :longest])
        seen += len(names)
    assert seen == 10


def test_tensors_move_once_and_lengths_stay():
    loader = TensorLoader(NAMES, TARGETS, batch_size=4, device="meta")
    assert [tensor.data.device.type for tensor in loader.tensors] == ["meta", "meta"]
    for names, targets in loader:
        assert names.data.device.type == targets.device.type == "meta"
        assert names.lengths.device.type == "cpu"
    assert NAMES.data.device.type == "cpu"


@pytest.mark.gpu
def test_batches_are_cut_on_the_gpu(cuda):
    loader = TensorLoader(
        NAMES, TARGETS, batch_size=4, shuffle=True, device=cuda, generator=torch.Generator().manual_seed(0)
    )
    on_cpu = TensorLoader(
        NAMES, TARGETS, batch_size=4, shuffle=True, generator=torch.Generator().manual_seed(0)
    )
    for (names, targets), (expected_names, expected_targets) in zip(loader, on_cpu, strict=True):
        assert names.data.is_cuda
        assert targets.is_cuda
        assert not names.lengths.is_cuda
        assert_close(names.data.cpu(), expected_names.data)
        assert_close(targets.cpu(), expected_targets)


@pytest.mark.gpu
def test_images_on_the_gpu_are_cut_and_transformed_without_waiting(cuda, never_waiting):
    digits = synthetic_digits(50, seed=0)
    transform = v2.Compose([RandomShift(2), digits.normalize])
    loader = TensorLoader(*digits.tensors(), batch_size=16, shuffle=True, device=cuda, transform=transform)
    list(loader)  # the first epoch sets things up
    with never_waiting():
        batches = list(loader)
    assert [len(targets) for _, targets in batches] == [16, 16, 16, 2]
    assert all(images.is_cuda and targets.is_cuda for images, targets in batches)
    assert {images.dtype for images, _ in batches} == {torch.float32}


@pytest.mark.gpu
def test_normalized_images_on_the_gpu_have_the_cpus_bits(cuda):
    digits = synthetic_digits(50, seed=0)
    settings = {"batch_size": 16, "shuffle": True, "seed": 0, "transform": digits.normalize}
    on_gpu = TensorLoader(*digits.tensors(), device=cuda, **settings)
    for moved, expected in zip(on_gpu, TensorLoader(*digits.tensors(), **settings), strict=True):
        assert_close([part.cpu() for part in moved], list(expected), rtol=0, atol=0)


class TestTorchvision:
    """Transforms of torchvision.transforms.v2 work on whole batches."""

    IMAGES = torch.randint(256, (10, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))

    @pytest.mark.parametrize(
        ("transform", "shape", "dtype"),
        [
            (v2.ToDtype(torch.float32, scale=True), (4, 3, 8, 8), torch.float32),
            (v2.RandomHorizontalFlip(p=1), (4, 3, 8, 8), torch.uint8),
            (v2.RandomCrop(6), (4, 3, 6, 6), torch.uint8),
            (v2.Resize(16), (4, 3, 16, 16), torch.uint8),
            (v2.Grayscale(), (4, 1, 8, 8), torch.uint8),
            (
                v2.Compose(
                    [v2.CenterCrop(4), v2.ToDtype(torch.float32, scale=True), v2.Normalize([0.5], [0.5])]
                ),
                (4, 3, 4, 4),
                torch.float32,
            ),
        ],
        ids=lambda value: type(value).__name__,
    )
    def test_shapes(self, transform, shape, dtype):
        (first, _), *_ = TensorLoader(self.IMAGES, TARGETS, batch_size=4, transform=transform)
        assert first.shape == shape
        assert first.dtype == dtype

    def test_a_batch_is_transformed_as_each_image(self):
        transform = v2.Compose([v2.ToDtype(torch.float32, scale=True), v2.Normalize([0.1], [0.2])])
        loader = TensorLoader(self.IMAGES, TARGETS, batch_size=4, transform=transform)
        expected = torch.stack([transform(image) for image in self.IMAGES])
        assert_close(torch.cat([images for images, _ in loader]), expected, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("tensors", "batch_size", "message"),
    [
        ((), 1, "tensors must hold at least one tensor, got none"),
        ((INPUTS, TARGETS[:9]), 1, r"tensors must have the same number of rows, got \[10, 9\]"),
        ((NAMES, TARGETS[:9]), 1, r"tensors must have the same number of rows, got \[10, 9\]"),
        ((INPUTS,), 0, "batch_size must be at least 1, got 0"),
    ],
)
def test_tensors_and_batch_sizes_that_do_not_fit_are_refused(tensors, batch_size, message):
    with pytest.raises(ValueError, match=message):
        TensorLoader(*tensors, batch_size=batch_size)


@pytest.mark.parametrize(
    ("data", "got"),
    [
        ([1, 2, 3], "list$"),
        (np.array(["a"]), "an array of <U1$"),
        (synthetic_digits(3, seed=0), r"ImageTensors \(its method tensors\(\) gives them\)"),
    ],
    ids=["list", "array", "images"],
)
def test_what_is_no_tensor(data, got):
    with pytest.raises(TypeError, match=f"tensors must be tensors, padded sequences, arrays .*, got {got}"):
        TensorLoader(data, batch_size=2)


@pytest.mark.parametrize("number", [torch.tensor(3.0), np.array(3.0)])
def test_a_single_number_has_no_rows(number):
    with pytest.raises(ValueError, match=r"tensors must have rows, got a single number, 3\.0"):
        TensorLoader(number, batch_size=1)


def test_a_dict_of_nothing():
    with pytest.raises(ValueError, match="tensors must hold at least one tensor, got an empty dict"):
        TensorLoader({}, batch_size=1)
