"""The loops beside other frameworks: each does the same work, or is left out and named."""

import json
from functools import partial
from importlib.util import find_spec

import pytest
import torch
from torch import nn

from benchmarks import peers
from benchmarks.__main__ import main
from benchmarks.peer_loops import PACKAGES, PEER_LOOPS
from benchmarks.peer_training import OVER_DATA_LOADER, OVER_TENSOR_LOADER, Trained
from benchmarks.processes import in_own_process

OWN = OVER_TENSOR_LOADER | OVER_DATA_LOADER
PEERS = [(framework, name) for framework, loops in PEER_LOOPS.items() for name in loops]


@pytest.fixture
def training():
    return peers.make_training(device="cpu", quick=True)


@pytest.mark.parametrize("name", OWN)
def test_a_loop_makes_every_update_and_learns(name, training):
    trained = OWN[name](training)
    assert trained.num_updates == training.num_updates == 4  # of 64, 64, 64 and 8 images
    peers.check_learned(name, training, trained)


@pytest.mark.parametrize(("framework", "name"), PEERS)
@pytest.mark.filterwarnings("ignore")  # what a framework warns of is its own
def test_a_frameworks_loop_makes_every_update_and_learns(framework, name, training):
    if find_spec(PACKAGES[framework][0]) is None:
        pytest.skip(f'{PACKAGES[framework][1]} is missing: pip install "practicezoo[bench]"')
    peers.checked_run(name, PEER_LOOPS[framework][name], training)()


def test_the_loops_without_a_framework_end_alike(training):
    losses = []
    for loop in OWN.values():
        model = loop(training).model
        losses.append(nn.functional.cross_entropy(model(training.inputs), training.targets).item())
    assert max(losses) - min(losses) < 0.05  # the order of the samples differs


def test_a_whole_batch_at_once_is_what_single_samples_stack_to(training):
    inputs, targets = training.inputs, training.targets
    for loader in (training.data_loader(), training.batched_data_loader()):
        batches = list(loader)
        assert [len(batch[0]) for batch in batches] == [64, 64, 64, 8]
        seen = torch.cat([batch[0] for batch in batches])
        assert torch.equal(seen.sum(dim=1).sort().values, inputs.sum(dim=1).sort().values)
        assert torch.equal(torch.cat([batch[1] for batch in batches]).bincount(), targets.bincount())


def test_a_loop_that_misses_updates_is_not_compared(training):
    def short(training):
        return OWN["fit, TensorLoader"](training)._replace(num_updates=3)

    with pytest.raises(RuntimeError, match="short must make 4 updates, got 3"):
        peers.checked_run("short", short, training)()


def test_a_loop_that_does_not_learn_is_not_compared(training):
    def idle(training):
        model, _ = training.model_and_optimizer()
        return Trained(model, training.num_updates)

    with pytest.raises(RuntimeError, match=r"idle must lower the loss, got 2\.\d+ -> 2\.\d+"):
        peers.checked_run("idle", idle, training)()


def test_a_missing_package_leaves_out_its_loops_only(monkeypatch, capsys):
    monkeypatch.setattr(peers, "find_spec", lambda _module: None)
    assert main(["run", "peers", "--quick"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "left out: Lightning: lightning is not installed"
    assert lines[2] == "left out: ignite: pytorch-ignite is not installed"
    assert len([line for line in lines if line.startswith("left out: ")]) == len(PACKAGES)
    assert [line.split("  ")[0] for line in lines[-5:-1]] == [
        "by hand, DataLoader",
        "fit, DataLoader",
        "fit, TensorLoader",
        "fit, TensorLoader (again)",
    ]


@pytest.mark.slow
def test_a_loop_runs_in_a_process_of_its_own():
    setup = partial(peers.prepare, "fit", OWN["fit, DataLoader"], device="cpu", quick=True)
    assert in_own_process(setup)() > 0


def test_the_payload_tells_which_versions_ran(monkeypatch):
    loops = {"keras": OWN["by hand, tensors"]}
    monkeypatch.setattr(peers, "find_spec", lambda module: None if module != "keras" else object())
    monkeypatch.setattr(peers, "version", lambda package: f"{package} 1.0")
    monkeypatch.setattr(peers, "PEER_LOOPS", {"keras": loops})
    payload = json.loads(json.dumps(peers.run(device="cpu", quick=True)))
    assert payload["peers"] == {"keras": "keras 1.0"}
    assert torch.__version__ == payload["environment"]["versions"]["torch"]
