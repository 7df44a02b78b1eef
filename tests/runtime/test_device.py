"""Laws of devices and seeds, alike on every machine: what is there is pretended."""

import random
import re
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_sequence

from practicezoo import PaddedSequence
from practicezoo.runtime.device import device_of
from practicezoo.training import move_to, pick_device, seed_everything
from support.toys import close

META = torch.device("meta")  # another device, that every machine has


@pytest.fixture
def machine(monkeypatch):
    """Pretends to have devices."""

    def pretend(*, num_cuda: int = 0, mps: bool = False) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: num_cuda > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: num_cuda)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)

    return pretend


class TestPickDevice:
    @pytest.mark.parametrize(
        ("devices", "picked"),
        [
            ({}, "cpu"),
            ({"num_cuda": 1}, "cuda"),
            ({"mps": True}, "mps"),
            ({"num_cuda": 2, "mps": True}, "cuda"),
        ],
    )
    def test_auto(self, machine, devices, picked):
        machine(**devices)
        assert pick_device() == pick_device("auto") == torch.device(picked)

    @pytest.mark.parametrize("name", ["cpu", "cuda", "cuda:0", "cuda:1", "mps"])
    def test_what_is_there(self, machine, name):
        machine(num_cuda=2, mps=True)
        assert pick_device(name) == torch.device(name)

    @pytest.mark.parametrize("num_cuda", [0, 2])
    @pytest.mark.parametrize("name", ["cuda:2", "cuda:128", "cuda:256", "cuda:999", "cuda:99999999999"])
    def test_cuda_device_that_is_not_there(self, machine, name, num_cuda):
        machine(num_cuda=num_cuda)
        with pytest.raises(
            ValueError, match=f"device '{name}' is not there: this machine has {num_cuda} CUDA devices"
        ):
            pick_device(name)

    def test_machine_without_cuda(self, machine):
        machine()
        with pytest.raises(ValueError, match="device 'cuda' is not there: this machine has 0 CUDA devices"):
            pick_device("cuda")

    def test_machine_without_metal(self, machine):
        machine()
        with pytest.raises(ValueError, match="device 'mps' is not there: this machine has no Metal device"):
            pick_device("mps")

    @pytest.mark.parametrize("num_cuda", [0, 2])
    @pytest.mark.parametrize(
        ("name", "hint"),
        [
            ("cude:0", "; meant 'cuda:0'?"),
            ("gpu", "; meant 'cuda'?"),
            ("CUDA", "; meant 'cuda'?"),
            ("CPU", "; meant 'cpu'?"),
            ("cpu:0", "; meant 'cpu'?"),
            ("atuo", "; meant 'auto'?"),
            ("cuda:x", "; meant 'cuda'?"),
            ("cuda:", "; meant 'cuda'?"),
            ("cuda:01", "; meant 'cuda'?"),
            ("cuda:-1", "; meant 'cuda'?"),
            ("cuda:\N{ARABIC-INDIC DIGIT ONE}", "; meant 'cuda'?"),
            ("cpu\n", "; meant 'cpu'?"),
            ("", ""),
            ("tpu", "; meant 'cpu'?"),
            ("quantum", ""),
            (None, ""),
            (0, ""),
            (torch.device("cpu"), "; meant 'cpu'?"),
        ],
    )
    def test_bad_names_on_every_machine(self, machine, name, hint, num_cuda):
        machine(num_cuda=num_cuda)
        message = f"device must be 'auto', 'cpu', 'cuda', 'cuda:N' or 'mps', got {name!r}{hint}"
        with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
            pick_device(name)


class Pair(NamedTuple):
    left: Tensor
    right: list


class TestMoveTo:
    def test_tensor(self):
        assert move_to(torch.zeros(3), META).device == META
        assert move_to(torch.zeros(3), "meta").device == META

    def test_named_tuple(self):
        moved = move_to(Pair(torch.zeros(3), [torch.zeros(2)]), META)
        assert type(moved) is Pair
        assert moved.left.device == moved.right[0].device == META

    def test_containers_keep_their_form(self):
        data = {"a": torch.zeros(1), "b": [torch.zeros(2), ("Li", 3)], "c": (torch.zeros(3), None)}
        moved = move_to(data, META)
        assert [type(moved[key]) for key in moved] == [Tensor, list, tuple]
        assert moved["a"].device == moved["b"][0].device == moved["c"][0].device == META
        assert (moved["b"][1], moved["c"][1]) == (("Li", 3), None)
        assert data["a"].device.type == "cpu"

    def test_lengths_of_padded_sequences_stay_on_the_cpu(self):
        batch = PaddedSequence(torch.zeros(2, 3), torch.tensor([3, 1]))
        moved = move_to([batch], META)[0]
        assert type(moved) is PaddedSequence
        assert (moved.data.device, moved.lengths.device.type) == (META, "cpu")
        assert torch.equal(moved.lengths, batch.lengths)

    def test_packed_sequence(self):
        packed = pack_sequence([torch.ones(2), torch.ones(5)], enforce_sorted=False)
        moved = move_to((packed, torch.zeros(2)), META)[0]
        assert type(moved) is PackedSequence
        assert (moved.data.device, moved.batch_sizes.device.type) == (META, "cpu")

    @pytest.mark.parametrize("data", ["a name", 3, None, b"raw", {1, 2}, 2.5])
    def test_all_else_is_returned(self, data):
        assert move_to(data, META) is data

    def test_nothing_is_copied_without_need(self):
        tensor = torch.zeros(3)
        assert move_to([tensor], "cpu")[0] is tensor

    def test_whatever_can_move_moves_itself(self):
        class Batch:
            def to(self, device):
                return f"on {device}"

        assert move_to({"batch": Batch()}, META) == {"batch": "on meta"}

    @pytest.mark.parametrize(
        ("device", "waits"), [("cpu", True), (torch.device("cpu"), True), ("meta", False)]
    )
    def test_only_copies_to_the_cpu_wait(self, device, waits):
        seen = []

        class Spy(Tensor):
            device = None  # type: ignore[assignment]  # nowhere yet

            def to(self, *arguments, **settings):
                seen.append(settings.get("non_blocking", False))
                return self

        move_to(torch.zeros(2).as_subclass(Spy), device)
        assert seen == [not waits]


def test_device_of():
    assert device_of(nn.Linear(2, 1, device=META)) == META
    assert device_of(nn.Linear(2, 1)) == device_of(nn.Identity()) == torch.device("cpu")


def draw() -> list:
    return [random.random(), np.random.rand(3), torch.rand(3), nn.Linear(2, 2).weight.data]  # noqa: NPY002, S311


def test_seeds_make_runs_repeatable():
    runs = []
    for seed in (0, 0, 2**32 - 1):
        assert seed_everything(seed) == seed
        runs.append(draw())
    close(runs[0], runs[1], tolerance=0)
    for first, other in zip(runs[0], runs[2], strict=True):
        assert not np.array_equal(first, other)


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_seed_out_of_range(seed):
    with pytest.raises(ValueError, match=rf"seed must lie between 0 and 2\*\*32 - 1, got {seed}"):
        seed_everything(seed)
