"""How much slower are `evaluate` and `predict` than the same loops written by hand?

A network of 784-32-10 on random pixels in batches of 64: so small that what a loop adds is seen. Both read
the same TensorLoader or DataLoader, compute without gradients, and read the device once at the end; loss and
accuracy, and the outputs, must be the same.
"""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.testing import assert_close
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.peer_training import BATCH_SIZE, SEED, make_model
from benchmarks.report import environment
from benchmarks.timing import Arm, compare
from practicezoo.data import TensorLoader
from practicezoo.training import Accuracy, evaluate, predict

NUM_IMAGES, QUICK_SIZE = 30_000, 512

Batches = Iterable[tuple[Tensor, Tensor]]


def evaluate_by_hand(model: nn.Module, loader: Batches, device: str) -> dict[str, float]:
    """Return the mean loss and the accuracy."""
    criterion = nn.CrossEntropyLoss()
    model.eval()
    loss_sum = torch.zeros((), device=device)
    num_right = torch.zeros((), dtype=torch.int64, device=device)
    count = 0
    with torch.no_grad():
        for inputs, indices in loader:
            outputs, targets = model(inputs.to(device)), indices.to(device)
            loss_sum += criterion(outputs, targets) * len(targets)
            num_right += (outputs.argmax(1) == targets).sum()
            count += len(targets)
    return {"loss": loss_sum.item() / count, "accuracy": num_right.item() / count}


def predict_by_hand(model: nn.Module, loader: Batches, device: str) -> Tensor:
    """Return the outputs on the CPU."""
    model.eval()
    with torch.no_grad():
        return torch.cat([model(inputs.to(device)).cpu() for inputs, _ in loader])


def evaluate_here(model: nn.Module, loader: Batches, _device: str) -> dict[str, float]:
    """Do it with practicezoo."""
    return evaluate(model, loader, criterion=nn.CrossEntropyLoss(), metrics={"accuracy": Accuracy()})


def predict_here(model: nn.Module, loader: Batches, _device: str) -> Tensor:
    """Do it with practicezoo."""
    return predict(model, loader)


WAYS: dict[str, dict[str, Callable[[nn.Module, Batches, str], Any]]] = {
    "evaluate": {"by hand": evaluate_by_hand, "practicezoo": evaluate_here},
    "predict": {"by hand": predict_by_hand, "practicezoo": predict_here},
}


def run(*, device: str, quick: bool) -> dict:
    """Compare the loops over both loaders; print the seconds and the ratio to the hand-written loop."""
    num_images = QUICK_SIZE if quick else NUM_IMAGES
    generator = torch.Generator().manual_seed(SEED)
    inputs = torch.rand(num_images, 784, generator=generator)
    targets = torch.randint(10, (num_images,), generator=generator)
    torch.manual_seed(SEED)
    model = make_model().to(device)
    loaders: dict[str, Any] = {
        "TensorLoader": TensorLoader(inputs, targets, batch_size=BATCH_SIZE, device=device),
        "DataLoader": DataLoader(TensorDataset(inputs, targets), batch_size=BATCH_SIZE),
    }
    comparisons = {}
    for name, loader in loaders.items():
        for question, ways in WAYS.items():
            assert_close(*(way(model, loader, device) for way in ways.values()), rtol=1e-4, atol=1e-4)
            comparison = compare(
                [
                    Arm(title, partial(_step, way, model, loader, device), num_images, "images")
                    for title, way in ways.items()
                ],
                reference="by hand",
                quick=quick,
                device=device,
                seed=SEED,
            )
            print(f"{question} over {name}, {num_images:,} images\n{comparison.table()}")
            comparisons[f"{question} over {name}"] = comparison.to_dict()
    return {
        "environment": environment(device, "fp32", {"data": SEED, "order": SEED, "weights": SEED}),
        "comparisons": comparisons,
        "settings": {"batch_size": BATCH_SIZE, "num_images": num_images},
    }


def _step(way: Callable[..., Any], model: nn.Module, loader: Batches, device: str) -> Callable[[], None]:
    def step() -> None:
        way(model, loader, device)

    return step
