"""How long does one training epoch on names take, against a program in the course notes' style?

All arms train the course's network (embedding 100, two bidirectional GRU layers of 100, 18 classes)
with Adam at 0.001 on batches of 256. The notes' style pads each batch in Python and runs the GRU over
the padding too; practicezoo packs.
"""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from benchmarks.datasets import training_names
from benchmarks.energy import energy_tables
from benchmarks.report import environment
from benchmarks.timing import Arm, compare
from practicezoo.data import LengthBucketBatchSampler, NameDataset, TensorLoader, pack_collate, pad_collate
from practicezoo.models import CharGRUClassifier
from practicezoo.runtime.precision import Precision
from practicezoo.training import TrainStep, train_epoch

BATCH_SIZE = 256
LEARNING_RATE = 1e-3
SEED = 0
QUICK_SIZE = 300


class NotesClassifier(nn.Module):
    """The notes' network: the final state of a GRU that also reads the padding.

    Shape:
        - ids: `(T, N)`
        - output: `(N, num_classes)`
    """

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(128, 100)
        self.gru = nn.GRU(100, 100, num_layers=2, bidirectional=True)
        self.linear = nn.Linear(200, num_classes)

    def forward(self, ids: Tensor) -> Tensor:
        """Return the logits of a padded batch."""
        _, states = self.gru(self.embedding(ids))
        # The notes join one direction's state with itself; the work is that of joining both.
        return self.linear(torch.cat([states[-1], states[-1]], dim=1))


def notes_ids(names: Iterable[str]) -> Tensor:
    """Turn names into code points as the notes do: lists padded one zero at a time, then transposed.

    Shape:
        - output: `(T, N)`
    """
    rows = [[ord(character) for character in name] for name in names]
    longest = max(len(row) for row in rows)
    for row in rows:
        for _ in range(longest - len(row)):
            row.append(0)
    return torch.LongTensor(np.transpose(rows))


def notes_epoch(dataset: NameDataset, device: str) -> Callable[[], None]:
    """Return a step that trains one epoch in the notes' style."""
    torch.manual_seed(SEED)
    model = NotesClassifier(len(dataset.classes)).to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE)
    criterion = nn.CrossEntropyLoss()
    # The notes know ASCII only, so they get the names as the vocabulary reduced them.
    items = (dataset[index] for index in range(len(dataset)))
    samples: Any = [(dataset.vocab.decode(ids), target) for ids, target in items]
    loader: DataLoader[Any] = DataLoader(samples, batch_size=BATCH_SIZE, shuffle=True)

    def epoch() -> None:
        for names, batch_targets in loader:
            logits = model(notes_ids(names).to(device))
            loss = criterion(logits, batch_targets.to(device))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    return epoch


def practicezoo_epoch(
    dataset: NameDataset,
    device: str,
    *,
    make_loader: Callable[[NameDataset, str], Iterable],
    precision: Precision = "fp32",
    fused: bool = False,
    capture: bool = False,
) -> Callable[[], None]:
    """Return a step that trains one epoch with practicezoo on the loader's batches."""
    torch.manual_seed(SEED)
    model = CharGRUClassifier(num_classes=len(dataset.classes)).to(device)
    model.encoder.fused = fused
    settings: dict[str, Any] = {"fused": True, "capturable": True} if capture else {}
    optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE, **settings)
    step = TrainStep(model, optimizer, nn.CrossEntropyLoss(), precision=precision, capture=capture)
    loader = make_loader(dataset, device)

    def epoch() -> None:
        for _ in train_epoch(step, loader):
            pass

    return epoch


def tensor_loader(dataset: NameDataset, device: str) -> TensorLoader:
    """Whole tensors in memory."""
    return TensorLoader(*dataset.tensors(), batch_size=BATCH_SIZE, shuffle=True, device=device)


def bucket_loader(dataset: NameDataset, _device: str) -> DataLoader:
    """Batches of similar length, packed."""
    sampler = LengthBucketBatchSampler(dataset.lengths, BATCH_SIZE, seed=SEED)
    return DataLoader(dataset, batch_sampler=sampler, collate_fn=pack_collate)


def pad_loader(dataset: NameDataset, _device: str) -> DataLoader:
    """Shuffled batches, padded."""
    return DataLoader(dataset, batch_size=BATCH_SIZE, shuffle=True, collate_fn=pad_collate)


def run(*, device: str, quick: bool) -> dict:
    """Train an epoch in each way; print seconds, names per second and the ratio to the notes' style."""
    dataset, source = training_names()
    if quick:
        dataset = _first(dataset, QUICK_SIZE)
    tensors, buckets, padded = (
        "practicezoo, TensorLoader",
        "practicezoo, length buckets + pack_collate",
        "practicezoo, DataLoader + pad_collate",
    )
    from_tensors, from_buckets = {"make_loader": tensor_loader}, {"make_loader": bucket_loader}
    bf16, fused = {"precision": "bf16"}, {"fused": True}
    ways: dict[str, dict[str, Any]] = {
        tensors: from_tensors,
        f"{tensors}, bf16": {**from_tensors, **bf16},
        f"{tensors}, fused": {**from_tensors, **fused},
        f"{tensors}, fused, bf16": {**from_tensors, **fused, **bf16},
        buckets: from_buckets,
        f"{buckets}, fused": {**from_buckets, **fused},
        f"{buckets}, fused, bf16": {**from_buckets, **fused, **bf16},
        padded: {"make_loader": pad_loader},
    }
    if device == "cuda":  # by CUDA graphs, one for each length of a batch
        captured = {**from_tensors, "capture": True}
        ways |= {f"{tensors}, captured": captured, f"{tensors}, captured, bf16": {**captured, **bf16}}
    ours = {name: partial(practicezoo_epoch, dataset, device, **way) for name, way in ways.items()}
    setups = {"notes": partial(notes_epoch, dataset, device), **ours}
    comparison = compare(
        [Arm(name, setup, work=len(dataset), unit="names") for name, setup in setups.items()],
        reference="notes",
        quick=quick,
        device=device,
        seed=SEED,
    )
    print(f"one epoch over {len(dataset):,} names ({source})\n{comparison.table()}")
    energy = energy_tables(setups, "an epoch on names", device, quick=quick)
    for table in energy:
        print(table)
    return {
        "environment": environment(device, "fp32, or as an arm says", {"order": SEED, "weights": SEED}),
        "comparisons": {"one epoch on names": comparison.to_dict()},
        "tables": [table.to_dict() for table in energy],
        "data": {"source": source, "num_names": len(dataset)},
        "settings": {"batch_size": BATCH_SIZE, "learning_rate": LEARNING_RATE, "optimizer": "Adam"},
    }


def _first(dataset: NameDataset, size: int) -> NameDataset:
    pairs = list(zip(dataset.names, dataset.labels, strict=True))
    return NameDataset(pairs[:size], classes=dataset.classes)
