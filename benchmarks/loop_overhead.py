"""How much slower is `fit` than the same loop written by hand with care, on data in memory?

The hand-written loop does what a careful author would: gradients set to None, whole tensors indexed,
the loss summed on the device and read once an epoch. "fit, watched" also draws its progress bar, writes the
epoch's row to a CSV file and a synced checkpoint, from which a killed run could be resumed. All start from
the same weights and see the same batches, and must end at the same weights bit for bit: then they did the
same training.
"""

import io
import tempfile
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn

from benchmarks.datasets import training_names
from benchmarks.report import environment
from benchmarks.timing import Arm, Comparison, compare
from practicezoo.data import TensorLoader
from practicezoo.models import CharGRUClassifier
from practicezoo.sequences import PaddedSequence
from practicezoo.training import Checkpointer, CSVLogger, fit

SEED = 0
NUM_IMAGES = 30_000
QUICK_SIZE = 512


@dataclass(frozen=True)
class Task:
    """A model and its data, in memory on the device."""

    make_model: Callable[[], nn.Module]
    inputs: Tensor | PaddedSequence
    targets: Tensor
    batch_size: int
    unit: str
    device: str

    def model_and_optimizer(self) -> tuple[nn.Module, torch.optim.Optimizer]:
        """Build the same start each time."""
        torch.manual_seed(SEED)
        model = self.make_model().to(self.device)
        return model, torch.optim.Adam(model.parameters(), lr=1e-3)


class Terminal(io.StringIO):
    """Takes what is drawn, as a terminal does."""

    def isatty(self) -> bool:
        """Say that someone is watching."""
        return True


def fit_epoch(task: Task, models: dict[str, nn.Module], *, watched: bool = False) -> Callable[[], None]:
    """Return a step that trains one epoch with `fit`; its model goes to `models`."""
    model, optimizer = task.model_and_optimizer()
    models["fit, watched" if watched else "fit"] = model
    loader = TensorLoader(
        task.inputs,
        task.targets,
        batch_size=task.batch_size,
        shuffle=True,
        generator=torch.Generator().manual_seed(SEED),
    )

    train = partial(fit, model, loader, criterion=nn.CrossEntropyLoss(), optimizer=optimizer, epochs=1)

    def epoch() -> None:
        train(progress=False)

    def watched_epoch() -> None:
        with (
            tempfile.TemporaryDirectory(dir=Path.cwd()) as folder,
            redirect_stderr(Terminal()),
            redirect_stdout(Terminal()),
        ):
            train(callbacks=[CSVLogger(Path(folder, "history.csv")), Checkpointer(folder)])

    return watched_epoch if watched else epoch


def hand_epoch(task: Task, models: dict[str, nn.Module]) -> Callable[[], None]:
    """Return a step that trains one epoch by hand; its model goes to `models`."""
    model, optimizer = task.model_and_optimizer()
    models["by hand"] = model
    criterion = nn.CrossEntropyLoss()
    generator = torch.Generator().manual_seed(SEED)

    def epoch() -> None:
        model.train()
        loss_sum = torch.zeros((), device=task.device)
        for inputs, targets in hand_batches(task, generator):
            optimizer.zero_grad(set_to_none=True)
            loss = criterion(model(inputs), targets)
            loss.backward()
            optimizer.step()
            loss_sum += loss.detach() * len(targets)
        (loss_sum / len(task.targets)).item()

    return epoch


def hand_batches(task: Task, generator: torch.Generator) -> Iterator[tuple[Tensor | PaddedSequence, Tensor]]:
    """Cut shuffled batches from the whole tensors; names are trimmed to the batch's longest."""
    order = torch.randperm(len(task.targets), generator=generator)
    batches = zip(order.split(task.batch_size), order.to(task.device).split(task.batch_size), strict=True)
    for rows, device_rows in batches:
        inputs: Tensor | PaddedSequence
        if isinstance(task.inputs, PaddedSequence):
            lengths = task.inputs.lengths[rows]
            inputs = PaddedSequence(task.inputs.data[device_rows, : lengths.max()], lengths)
        else:
            inputs = task.inputs[device_rows]
        yield inputs, task.targets[device_rows]


def mlp() -> nn.Module:
    """Return the course's network of five linear layers."""
    sizes = [784, 512, 256, 128, 64, 10]
    layers = [layer for pair in pairwise(sizes) for layer in (nn.Linear(*pair), nn.ReLU())]
    return nn.Sequential(*layers[:-1])


def mlp_task(*, device: str, quick: bool) -> Task:
    """The course's network for digits, on random pixels."""
    generator = torch.Generator().manual_seed(SEED)
    num_images = QUICK_SIZE if quick else NUM_IMAGES
    pixels = torch.randint(256, (num_images, 784), generator=generator)
    return Task(
        make_model=mlp,
        inputs=(pixels / 255).to(device),
        targets=torch.randint(10, (num_images,), generator=generator).to(device),
        batch_size=64,
        unit="images",
        device=device,
    )


def names_task(*, device: str, quick: bool) -> tuple[Task, str]:
    """The course's network for names, and where the names come from."""
    dataset, source = training_names()
    inputs, targets = dataset.tensors()
    if quick:
        inputs, targets = inputs.rows(slice(QUICK_SIZE)), targets[:QUICK_SIZE]
    task = Task(
        make_model=partial(CharGRUClassifier, num_classes=len(dataset.classes)),
        inputs=inputs.to(device),
        targets=targets.to(device),
        batch_size=256,
        unit="names",
        device=device,
    )
    return task, source


def compare_loops(task: Task, *, quick: bool) -> Comparison:
    """Time an epoch of the loops and check that they did the same training."""
    models: dict[str, nn.Module] = {}
    arm = partial(Arm, work=len(task.targets), unit=task.unit)
    comparison = compare(
        [
            arm("by hand", partial(hand_epoch, task, models)),
            arm("fit", partial(fit_epoch, task, models)),
            arm("fit, watched", partial(fit_epoch, task, models, watched=True)),
        ],
        reference="by hand",
        quick=quick,
        device=task.device,
        seed=SEED,
    )
    for name in ("fit", "fit, watched"):
        check_equal(models["by hand"], models[name])
    return comparison


def run(*, device: str, quick: bool) -> dict:
    """Compare the loops on two models; print the ratio of `fit` to the hand-written loop."""
    mlp = mlp_task(device=device, quick=quick)
    names, source = names_task(device=device, quick=quick)
    comparisons = {}
    for title, task in (("MLP", mlp), ("CharGRUClassifier", names)):
        comparison = compare_loops(task, quick=quick)
        print(f"{title}, one epoch over {len(task.targets):,} {task.unit}\n{comparison.table()}")
        comparisons[title] = comparison.to_dict()
    return {
        "environment": environment(device, "fp32", {"order": SEED, "weights": SEED, "shuffling": SEED}),
        "comparisons": comparisons,
        "data": {"images": "random", "names": source},
        "settings": {"batch_size": {"MLP": mlp.batch_size, "CharGRUClassifier": names.batch_size}},
    }


def check_equal(model: nn.Module, other: nn.Module) -> None:
    """Raise RuntimeError if a weight of one model is not that of the other, bit for bit."""
    weights = other.state_dict()
    for name, weight in model.state_dict().items():
        if not torch.equal(weight, weights[name]):
            raise RuntimeError(f"the loops must end at the same weights, but {name} differs")
