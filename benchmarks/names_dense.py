"""Does a GRU over padded names, reversed by length for its second direction, train faster than a packed one?

A packed batch needs a kernel for each group of names that end at the same step, and no CUDA graph can hold
it. The dense way runs each layer and direction over the whole padded batch: what follows a name's end comes
after all its steps in both directions, so it changes nothing. The fused way is SequenceEncoder's own on the
CPU; elsewhere it is the packed one. All have the same weights and give the same logits and gradients, which
is checked first. A step is TrainStep's whole update on 256 names; on a CUDA device its kernel launches are
counted.
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.optim import Adam
from torch.testing import assert_close

from benchmarks.counting import num_launches
from benchmarks.datasets import training_names
from benchmarks.report import environment
from benchmarks.tables import QUICK, Table
from benchmarks.timing import Arm, compare
from practicezoo.models import CharGRUClassifier
from practicezoo.runtime.precision import Precision
from practicezoo.sequences import PaddedSequence
from practicezoo.training import TrainStep

SEED = 0
BATCH_SIZE, QUICK_SIZE = 256, 8
REFERENCE = "packed"
PARTS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


class DenseClassifier(nn.Module):
    """The same network without packing; it shares the parameters of the packed one.

    Args:
        packed: the network whose parameters to take; its GRU must read in both directions.

    Shape:
        - names: `(N, T)` with lengths `(N,)`
        - output: `(N, num_classes)`
    """

    def __init__(self, packed: CharGRUClassifier) -> None:
        super().__init__()
        rnn = packed.encoder.rnn
        self.embedding, self.head = packed.embedding, packed.head
        layers = range(rnn.num_layers)
        self.ahead = nn.ModuleList(_one_direction(rnn, f"_l{layer}") for layer in layers)
        self.back = nn.ModuleList(_one_direction(rnn, f"_l{layer}_reverse") for layer in layers)

    def forward(self, names: PaddedSequence) -> Tensor:
        """Return the logits of padded names."""
        features = self.embedding(names.data)  # (N, T, E)
        steps = torch.arange(features.shape[1], device=features.device)
        lengths = names.lengths.to(features.device)[:, None]
        backward_steps = torch.where(steps < lengths, lengths - 1 - steps, steps)[..., None]  # (N, T, 1)
        last = lengths[..., None] - 1
        for ahead, back in zip(self.ahead, self.back, strict=True):
            forward, _ = ahead(features)
            backward, _ = back(_taken(features, backward_steps))
            features = torch.cat([forward, _taken(backward, backward_steps)], dim=2)
        final_state = torch.cat([_taken(forward, last), _taken(backward, last)], dim=2)
        return self.head(final_state.squeeze(1))


def _one_direction(rnn: nn.RNNBase, suffix: str) -> nn.GRU:
    """Return a layer that reads in one direction, with the parameters of one of a larger GRU."""
    parts = {part: getattr(rnn, f"{part}{suffix}") for part in PARTS}
    gru = nn.GRU(parts["weight_ih"].shape[1], rnn.hidden_size, batch_first=True)
    for part, parameter in parts.items():
        setattr(gru, f"{part}_l0", parameter)
    return gru


def _taken(features: Tensor, steps: Tensor) -> Tensor:
    """Take the steps `(N, S, 1)` of features `(N, T, E)`."""
    return features.gather(1, steps.expand(-1, -1, features.shape[2]))


def make_model(name: str, num_classes: int, device: str) -> nn.Module:
    """Build the same start each time."""
    torch.manual_seed(SEED)
    packed = CharGRUClassifier(num_classes=num_classes).to(device)
    packed.encoder.fused = name == "fused"
    return DenseClassifier(packed) if name == "dense" else packed


def check_equal(names: PaddedSequence, num_classes: int) -> None:
    """Raise AssertionError if they do not all give the same logits and gradients."""
    packed = CharGRUClassifier(num_classes=num_classes).double()
    fused = CharGRUClassifier(num_classes=num_classes).double()
    fused.load_state_dict(packed.state_dict())
    fused.encoder.fused = True
    results = []
    for model, owner in ((packed, packed), (DenseClassifier(packed), packed), (fused, fused)):
        logits = model(names)
        results.append((logits, torch.autograd.grad(logits.square().sum(), list(owner.parameters()))))
    for other in results[1:]:
        assert_close(other, results[0])


def training_step(
    name: str, batch: tuple[PaddedSequence, Tensor], *, num_classes: int, device: str, precision: Precision
) -> Callable[[], None]:
    """Return a step that updates the model."""
    model = make_model(name, num_classes, device)
    update = TrainStep(model, Adam(model.parameters()), nn.CrossEntropyLoss(), precision=precision)

    def step() -> None:
        update([batch])

    return step


def run(*, device: str, quick: bool) -> dict:
    """Train both ways in both precisions; print milliseconds a step, the ratio, and launches on CUDA."""
    dataset, source = training_names()
    inputs, targets = dataset.tensors()
    num_classes, size = len(dataset.classes), QUICK_SIZE if quick else BATCH_SIZE
    rows = torch.randperm(len(targets), generator=torch.Generator().manual_seed(SEED))[:size]
    names = inputs.rows(rows)
    check_equal(names, num_classes)
    batch = names.to(device), targets[rows].to(device)
    precisions: tuple[Precision, ...] = ("fp32", "bf16")
    setups = {
        name if precision == "fp32" else f"{name}, bf16": partial(
            training_step, name, batch, num_classes=num_classes, device=device, precision=precision
        )
        for precision in precisions
        for name in (REFERENCE, "dense", "fused")
    }
    comparison = compare(
        [Arm(name, setup, work=size, unit="names") for name, setup in setups.items()],
        reference=REFERENCE,
        quick=quick,
        device=device,
        seed=SEED,
    )
    print(f"a training step on {size} names ({source})\n{comparison.table()}")
    tables = [_launches(setups, quick=quick)] if device == "cuda" else []
    print("\n".join(map(str, tables)))
    return {
        "environment": environment(device, "fp32, or as an arm says", {"order": SEED, "weights": SEED}),
        "comparisons": {"a training step": comparison.to_dict()},
        "tables": [table.to_dict() for table in tables],
        "data": {"source": source, "longest": names.data.shape[1]},
        "settings": {"batch_size": size},
    }


def _launches(setups: dict[str, partial], *, quick: bool) -> Table:
    rows = []
    for name, setup in setups.items():
        step = setup()
        step()  # the first one sets up
        rows.append((name, f"{num_launches(step):,}"))
    return Table("kernel launches", "", [("", "a step"), *rows], [QUICK] * quick)
