"""Two and three processes train and measure as one does; and alone nothing happens."""

import contextlib
import os
import re
import socket
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
import torch
from torch import distributed, multiprocessing

from practicezoo.training import (
    DistributedContext,
    distributed_context,
    is_main,
    load_checkpoint,
    sum_over_ranks,
)
from support.ranks import LAWS, Place, work
from support.toys import close

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


class TestAlone:
    def test_nothing_happens(self):
        with distributed_context("cpu") as context:
            assert context == DistributedContext(rank=0, world_size=1, device=torch.device("cpu"))
            assert context.is_main
            assert is_main()
            assert not distributed.is_initialized()
        values = (torch.tensor(1), 2.5)
        assert sum_over_ranks(*values) is not None
        assert all(given is own for given, own in zip(sum_over_ranks(*values), values, strict=True))

    def test_it_has_the_device_of_that_name(self):
        message = "device must be 'auto', 'cpu', 'cuda', 'cuda:N' or 'mps', got 'cude'"
        with pytest.raises(ValueError, match=message), distributed_context("cude"):
            pass

    @pytest.mark.parametrize("timeout", [0, -1.0])
    def test_timeout(self, timeout):
        message = f"timeout must be positive, got {timeout}"
        with pytest.raises(ValueError, match=message), distributed_context("cpu", timeout=timeout):
            pass


class TestLaunched:
    """As one process of torchrun's."""

    @pytest.fixture(autouse=True)
    def environment(self, monkeypatch):
        names = {"RANK": 0, "LOCAL_RANK": 1, "WORLD_SIZE": 1, "MASTER_ADDR": "127.0.0.1"}
        for name, value in (names | {"MASTER_PORT": free_port()}).items():
            monkeypatch.setenv(name, str(value))
        monkeypatch.setattr(torch.cuda, "is_available", lambda: False)

    def test_the_group_is_left_at_the_end_also_after_an_error(self):
        with contextlib.suppress(KeyError), distributed_context() as context:
            assert distributed.get_backend() == "gloo"
            assert context.device == torch.device("cpu")
            raise KeyError
        assert not distributed.is_initialized()

    def test_an_error_of_ones_own_is_not_taken_for_a_lost_connection(self):
        with pytest.raises(RuntimeError, match=r"^out of luck$"), distributed_context("cpu"):
            raise RuntimeError("out of luck")

    @pytest.mark.parametrize(
        "message",
        [
            "[gloo/transport/tcp/pair.cc:561] Connection closed by peer [127.0.0.1]:42400.",
            "[gloo/transport/tcp/unbound_buffer.cc:78] Timed out waiting 9ms for recv operation to complete",
        ],
    )
    def test_what_gloo_says_of_a_lost_connection_is_explained(self, message):
        explanation = "rank 0 of 1 has lost the others: a process died, or was silent for 20 seconds"
        with (
            pytest.raises(ConnectionError, match=explanation) as caught,
            distributed_context("cpu", timeout=20),
        ):
            raise RuntimeError(message)
        assert str(caught.value.__cause__) == message

    def test_a_group_that_is_up_is_used_and_stays(self):
        distributed.init_process_group("gloo", timeout=timedelta(seconds=5))
        try:
            with distributed_context("cpu"):
                pass
            assert distributed.is_initialized()
        finally:
            distributed.destroy_process_group()

    @pytest.mark.parametrize("device", ["mps", "cuda:1", "cude"])
    def test_a_device_that_only_one_process_can_have(self, device):
        message = (
            f"device must be 'auto', 'cpu' or 'cuda' for several processes, each has its own; got '{device}'"
        )
        with pytest.raises(ValueError, match=message), distributed_context(device):
            pass

    def test_fewer_devices_than_processes(self, monkeypatch):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
        message = (
            "device 'auto' must be there for every process: local rank 1 has none, this machine has 1 CUDA"
        )
        with pytest.raises(ValueError, match=message), distributed_context():
            pass

    def test_a_torch_without_distributed(self, monkeypatch):
        monkeypatch.setattr(distributed, "is_available", lambda: False)
        message = "this build of torch has no distributed"
        with pytest.raises(RuntimeError, match=message), distributed_context("cpu"):
            pass


ENDS = """
import os, sys, time
from practicezoo.training import distributed_context, sum_over_ranks

with distributed_context("cpu", timeout=20) as context:  # joining takes some of it on a busy machine
    for number in range(1000):
        sum_over_ranks(1.0)
        if number == 3 and context.rank == 1:
            sys.argv[1] == "dies" and os.kill(os.getpid(), 9)
            time.sleep(600)
"""


def torchrun(*arguments, num_processes=2, timeout=120.0):
    """Run a program on several ranks; returns its exit status and what it wrote."""
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command = [*launcher, f"--nproc-per-node={num_processes}"]
    source = Path(__file__).parents[2] / "src"
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(source)}
    result = subprocess.run(
        [*command, *map(str, arguments)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    return result.returncode, result.stdout + result.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("end", "message"),
    [
        ("dies", "Signal 9 (SIGKILL) received"),  # torchrun may stop the other before it has said its own
        ("sleeps", "rank 0 of 2 has lost the others: a process died, or was silent for 20 seconds"),
    ],
)
def test_a_rank_that_ends_or_hangs_ends_them_all(tmp_path, end, message):
    program = tmp_path / "program.py"
    program.write_text(ENDS)
    status, output = torchrun(program, end)  # long before the sleeper wakes
    assert status != 0
    assert message in output


AGAIN = """
from practicezoo.training import distributed_context, sum_over_ranks

for number in range(12):
    with distributed_context("cpu", timeout=60) as context:
        total, = sum_over_ranks(1.0 + context.rank)
    print(f"group {number}: {total}")
"""


@pytest.mark.slow
def test_groups_one_after_the_other_in_the_same_processes(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(AGAIN)
    status, output = torchrun(program)
    assert status == 0, output
    assert all(output.count(f"group {number}: 3.0") == 2 for number in range(12)), output


@pytest.mark.slow
def test_the_guides_sharded_program_ends_as_one_process_does(tmp_path):
    program = Path(__file__).parents[2] / "docs" / "examples" / "distributed" / "sharded.py"

    def weights(name, *runs):
        for num_processes, epochs in runs:
            status, output = torchrun(program, tmp_path / name, epochs, num_processes=num_processes)
            assert status == 0, output
            assert f"epoch {epochs}: accuracy 0.9" in output
        return load_checkpoint(tmp_path / name / "model.pt")["model"]

    for name in ("whole", "resumed", "alone", "spread"):
        (tmp_path / name).mkdir()
    whole = weights("whole", (2, 3))
    close(weights("resumed", (2, 1), (2, 3)), whole, tolerance=0)
    close(weights("alone", (1, 3)), whole)
    close(weights("spread", (1, 1), (2, 3)), whole)  # from one process to two
