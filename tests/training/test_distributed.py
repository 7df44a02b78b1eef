"""Two and three processes train and measure as one does; and alone nothing happens."""

import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from torch import distributed, multiprocessing, nn

from practicezoo.training import DistributedContext, distributed_context, is_main, sum_over_ranks
from practicezoo.training.distributed import bare, rank, replicate, world_size
from training.ranks import LAWS, NUM_ITEMS, Place, work
from training.toys import close

pytestmark = pytest.mark.skipif(
    not distributed.is_available(), reason="this build of torch lacks distributed"
)

WORLD_SIZES = (2, 3)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """What each rank of each group got from the laws."""
    folder = tmp_path_factory.mktemp("ranks")
    ports = {size: free_port() for size in WORLD_SIZES}
    method = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
    if method == "forkserver":  # a server that imports once for all
        multiprocessing.set_forkserver_preload(["torch", "torchmetrics", "practicezoo"])
    multiprocessing.start_processes(work, args=(ports, folder), nprocs=max(WORLD_SIZES), start_method=method)
    return {
        size: [torch.load(folder / f"{size}-{rank}.pt", weights_only=False) for rank in range(size)]
        for size in WORLD_SIZES
    }


def free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return server.getsockname()[1]


@pytest.mark.parametrize("size", WORLD_SIZES)
@pytest.mark.parametrize("name", LAWS)
def test_ranks_do_together_what_one_process_does(results, name, size):
    alone = LAWS[name](Place(0, 1))
    for result in (ranks[name] for ranks in results[size]):
        assert not isinstance(result, str) or name == "a_missing_gradient_is_named", result
        if alone is not None:
            close(as_tensors(result), as_tensors(alone))


def as_tensors(value):
    """Numbers as float64 tensors, so that a sum over ranks compares with a plain number."""
    if isinstance(value, dict):
        return {key: as_tensors(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [as_tensors(item) for item in value]
    return torch.as_tensor(value, dtype=torch.float64)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "lengths",
            r"ValueError: loader must give equally many batches on every rank, got 1, 2(, 3)?: shuffle",
        ),
        ("nan", "FloatingPointError: the loss became nan in epoch 1, between updates 1 and 1"),
        ("val_nan", "FloatingPointError: val_loss became nan in epoch 1, after update 1"),
        ("empty", "ValueError: loader must give at least one batch, got none"),
        ("nobody_measures", "loader must give at least one batch, got none"),
    ],
)
def test_what_is_wrong_on_one_rank_stops_all_with_the_same_message(results, name, message):
    messages = [ranks["errors"][name] for size in WORLD_SIZES for ranks in results[size]]
    for given in messages:
        assert re.match(message, given)


def test_a_flag_of_one_rank_is_everyones(results):
    assert {ranks["errors"]["any_rank"] for size in WORLD_SIZES for ranks in results[size]} == {(False, True)}


def test_a_parameter_without_gradient_is_an_error_that_names_it(results):
    for size in WORLD_SIZES:
        for ranks in results[size]:
            assert ranks["a_missing_gradient_is_named"] == (
                "every parameter must get a gradient on every rank, got none for idle.weight on rank R: "
                "give the model wrapped in DistributedDataParallel(model, find_unused_parameters=True)"
            )
