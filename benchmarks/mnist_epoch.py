"""How long does one training epoch on digits take, against a program in the course notes' style?

The networks of all recipes for MNIST, with Adam at 0.01. The notes' style is plain torch.nn, with
torchvision's PIL images through ToTensor and Normalize in a DataLoader; practicezoo is TensorLoader and
TrainStep. In float32 both do the same arithmetic on batches of the same size; the other rows change the
precision, the layout in memory, or let torch's Adam do its update in one kernel.

Each program runs in a process of its own. An epoch here is a part of MNIST, so that the rounds end. The
notes start their workers with each epoch; here they stay from epoch to epoch, so that the short epochs do
not pay for starts: that favours the notes.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from benchmarks.datasets import TorchvisionDigits, training_images
from benchmarks.energy import energy_tables
from benchmarks.processes import in_own_process
from benchmarks.report import environment
from benchmarks.timing import Arm, Comparison, compare
from practicezoo import TensorLoader, TrainStep, create_model, train_epoch
from practicezoo.data import ImageTensors

LEARNING_RATE = 1e-2
SEED = 0
NUM_IMAGES = 4_000
QUICK_SIZE = 130


def notes_mlp() -> nn.Module:
    """Return the notes' five linear layers."""
    layers = [part for sizes in pairwise((784, 512, 256, 128, 64)) for part in (nn.Linear(*sizes), nn.ReLU())]
    return nn.Sequential(nn.Flatten(), *layers, nn.Linear(64, 10))


def notes_cnn() -> nn.Module:
    """Return the notes' two convolutions, with an activation before and after each pooling."""

    def stage(in_channels: int, out_channels: int) -> list[nn.Module]:
        return [nn.Conv2d(in_channels, out_channels, 5), nn.ReLU(), nn.MaxPool2d(2), nn.ReLU()]

    return nn.Sequential(*stage(1, 10), *stage(10, 20), nn.Flatten(), nn.Linear(320, 10))


class NotesResidual(nn.Module):
    """Two 3x3 convolutions and an identity shortcut.

    Shape:
        - features and output: `(N, num_channels, H, W)`
    """

    def __init__(self, num_channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(num_channels, num_channels, 3, padding=1)
        self.conv2 = nn.Conv2d(num_channels, num_channels, 3, padding=1)
        self.activation = nn.ReLU()

    def forward(self, features: Tensor) -> Tensor:
        """Return the activated sum of the features and what the convolutions make of them."""
        residual = self.conv2(self.activation(self.conv1(features)))
        return self.activation(features + residual)


def notes_resnet() -> nn.Module:
    """Return the lecture's residual network; the notes have a smaller one."""

    def stage(in_channels: int, out_channels: int) -> list[nn.Module]:
        conv = nn.Conv2d(in_channels, out_channels, 5)
        return [conv, nn.MaxPool2d(2), nn.ReLU(), NotesResidual(out_channels)]

    return nn.Sequential(*stage(1, 16), *stage(16, 32), nn.Flatten(), nn.Linear(512, 10))


@dataclass(frozen=True)
class Task:
    """A network of the course: the notes' program for it, and what practicezoo makes of it.

    Args:
        model: The network's registered name.
        notes_model: Makes the network of the notes' style.
        batch_size: Images in a batch.
        num_workers: Processes that read images in the notes' program.
        reads_loss: Whether the notes' program reads the loss in each step.
        variants: Settings of `practicezoo_epoch` beside the default, by the name of the arm.
    """

    model: str
    notes_model: Callable[[], nn.Module]
    batch_size: int
    num_workers: int
    reads_loss: bool
    variants: Mapping[str, Mapping[str, Any]]


BF16: dict[str, Any] = {"precision": "bf16"}
CHANNELS_LAST: dict[str, Any] = {"memory_format": torch.channels_last}
FUSED: dict[str, Any] = {"fused": True}
CONV_VARIANTS: dict[str, dict[str, Any]] = {
    "bf16": BF16,
    "channels_last": CHANNELS_LAST,
    "bf16 + channels_last": BF16 | CHANNELS_LAST,
}
# Networks without a program of the notes' own run in the loop of one, with its loader.
SAME_NETWORK = {"mnist_inception": 64, "mnist_resnet_notes": 128, "mnist_fast": 200, "mnist_tiny": 128}
TASKS = (
    Task(
        model="mnist_mlp",
        notes_model=notes_mlp,
        batch_size=64,
        num_workers=0,
        reads_loss=True,
        variants={"bf16": BF16, "fused Adam": FUSED, "bf16 + fused Adam": BF16 | FUSED},
    ),
    Task(
        model="mnist_cnn",
        notes_model=notes_cnn,
        batch_size=128,
        num_workers=2,
        reads_loss=True,
        variants=CONV_VARIANTS,
    ),
    Task(
        model="mnist_resnet",
        notes_model=notes_resnet,
        batch_size=128,
        num_workers=2,
        reads_loss=False,
        variants=CONV_VARIANTS,
    ),
    *(
        Task(
            model=name,
            notes_model=partial(create_model, name),
            batch_size=batch_size,
            num_workers=2,
            reads_loss=False,
            variants=CONV_VARIANTS,
        )
        for name, batch_size in SAME_NETWORK.items()
    ),
)


def notes_epoch(task: Task, digits: ImageTensors, device: str, num_workers: int) -> Callable[[], None]:
    """Return a step that trains one epoch in the notes' style."""
    torch.manual_seed(SEED)
    model = task.notes_model().to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE)
    criterion = nn.CrossEntropyLoss()
    loader: DataLoader[Any] = DataLoader(
        TorchvisionDigits(digits),
        batch_size=task.batch_size,
        shuffle=True,
        num_workers=num_workers,
        persistent_workers=num_workers > 0,
    )

    def epoch() -> None:
        loss_total = 0.0
        for images, targets in loader:
            logits = model(images.to(device))
            loss = criterion(logits, targets.to(device))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if task.reads_loss:
                loss_total += loss.item()

    return epoch


def practicezoo_epoch(
    task: Task,
    digits: ImageTensors,
    device: str,
    *,
    precision: Literal["fp32", "bf16", "fp16"] = "fp32",
    memory_format: torch.memory_format = torch.contiguous_format,
    fused: bool = False,
    capture: bool = False,
) -> Callable[[], None]:
    """Return a step that trains one epoch with practicezoo, the loss read at its end."""
    torch.manual_seed(SEED)
    # Images of one channel lie in memory the same way in both formats; the weights decide.
    model = create_model(task.model).to(device).to(memory_format=memory_format)
    # None leaves the choice to torch, as the notes do
    optimizer = torch.optim.Adam(
        model.parameters(), lr=LEARNING_RATE, fused=fused or capture or None, capturable=capture
    )
    step = TrainStep(model, optimizer, nn.CrossEntropyLoss(), precision=precision, capture=capture)
    loader = TensorLoader(
        *digits.tensors(),
        batch_size=task.batch_size,
        shuffle=True,
        device=device,
        transform=digits.normalize,
    )

    def epoch() -> None:
        loss_sum = torch.zeros((), device=device)
        for result in train_epoch(step, loader):
            loss_sum += result.loss_sum
        loss_sum.item()

    return epoch


def programs(task: Task, digits: ImageTensors, device: str) -> dict[str, Callable[[], Callable[[], None]]]:
    """Return what sets up each program: the notes', ours, and ours in other ways."""
    setups: dict[str, Callable[[], Callable[[], None]]] = {
        f"notes, {count} workers": partial(notes_epoch, task, digits, device, count) for count in (0, 2)
    }
    variants = {"practicezoo": {}, **{f"practicezoo, {name}": way for name, way in task.variants.items()}}
    if device == "cuda":
        variants["practicezoo, captured"] = {"capture": True}  # by CUDA graphs
    ours = {name: partial(practicezoo_epoch, task, digits, device, **way) for name, way in variants.items()}
    return setups | ours


def compare_epochs(task: Task, digits: ImageTensors, *, device: str, quick: bool) -> Comparison:
    """Time an epoch of each program, in a process of its own unless it is quick.

    The reference has as many workers as the notes.
    """
    arm = partial(Arm, work=len(digits), unit="images", self_timed=not quick)
    setups = programs(task, digits, device)
    return compare(
        [arm(name, setup if quick else partial(in_own_process, setup)) for name, setup in setups.items()],
        reference=f"notes, {task.num_workers} workers",
        quick=quick,
        device=device,
        seed=SEED,
    )


def run(*, device: str, quick: bool) -> dict:
    """Train an epoch of each network in each way; print seconds, images per second and the ratio."""
    digits, source = training_images(QUICK_SIZE if quick else NUM_IMAGES)
    comparisons, energy = {}, []
    for task in TASKS:
        comparison = compare_epochs(task, digits, device=device, quick=quick)
        print(f"{task.model}, one epoch over {len(digits):,} images ({source})\n{comparison.table()}")
        comparisons[task.model] = comparison.to_dict()
        energy += energy_tables(
            programs(task, digits, device), f"an epoch of {task.model}", device, quick=quick
        )
    for table in energy:
        print(table)
    return {
        "environment": environment(device, "fp32, or as an arm says", {"order": SEED, "weights": SEED}),
        "comparisons": comparisons,
        "tables": [table.to_dict() for table in energy],
        "data": {"source": source, "num_images": len(digits)},
        "settings": {
            "batch_size": {task.model: task.batch_size for task in TASKS},
            "learning_rate": LEARNING_RATE,
            "optimizer": "Adam",
            "persistent_workers": True,
        },
    }
