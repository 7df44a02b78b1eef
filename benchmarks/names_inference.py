"""How long does it take to classify one name, and 10,000, packed, padded and sorted by length?

The course's network (embedding 100, two bidirectional GRU layers of 100, 18 classes). By hand stands for
torch's nn.GRU without the library, with the same weights; packed and sorted ways must give the same logits,
which is checked first. The padded way reads the padding too, so that a short name's logits are others: it
is here for its time alone.
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.nn.utils.rnn import pack_padded_sequence
from torch.testing import assert_close

from benchmarks.datasets import training_names
from benchmarks.report import environment
from benchmarks.timing import Arm, compare
from practicezoo.models import CharGRUClassifier
from practicezoo.sequences import PaddedSequence

SEED = 0
COUNTS = (1, 10_000)
QUICK_COUNTS = (1, 50)
BATCH_SIZE = 1000  # of the way that sorts
REFERENCE = "by hand, packed"

Classify = Callable[[CharGRUClassifier, PaddedSequence], Tensor]


def by_hand(model: CharGRUClassifier, names: PaddedSequence, *, packs: bool) -> Tensor:
    """Call nn.GRU as its documentation shows.

    Shape:
        - output: `(N, num_classes)`
    """
    features = model.embedding(names.data)
    steps = (
        pack_padded_sequence(features, names.lengths, batch_first=True, enforce_sorted=False)
        if packs
        else features
    )
    _, states = model.encoder.rnn(steps)
    return model.head(torch.cat([states[-2], states[-1]], dim=1))


def ours(model: CharGRUClassifier, names: PaddedSequence) -> Tensor:
    """Call the model."""
    return model(names)


def sorted_by_length(model: CharGRUClassifier, names: PaddedSequence) -> Tensor:
    """Call the model with batches of similar length; the logits come in the names' order."""
    order = names.lengths.argsort()
    logits = torch.cat([model(names.rows(rows)) for rows in order.split(BATCH_SIZE)])
    return logits[order.argsort().to(logits.device)]


def in_bfloat16(model: CharGRUClassifier, names: PaddedSequence) -> Tensor:
    """Call the model with products in bfloat16."""
    with torch.autocast(names.data.device.type, torch.bfloat16):
        return model(names)


ARMS: dict[str, Classify] = {
    REFERENCE: partial(by_hand, packs=True),
    "by hand, padded": partial(by_hand, packs=False),
    "practicezoo": ours,
    "practicezoo, sorted": sorted_by_length,
    "practicezoo, bf16": in_bfloat16,
}
SAME = (REFERENCE, "practicezoo", "practicezoo, sorted")


def first_names(count: int, device: str) -> tuple[PaddedSequence, int, str]:
    """Return as many names, over again where there are fewer; the number of classes; where they come from."""
    dataset, source = training_names()
    inputs, _ = dataset.tensors()
    return inputs.rows(torch.arange(count) % len(inputs)).to(device), len(dataset.classes), source


def check_equal(model: CharGRUClassifier, names: PaddedSequence) -> None:
    """Raise AssertionError if the ways that read no padding do not give the same logits."""
    with torch.inference_mode():
        expected, *others = (ARMS[name](model, names) for name in SAME)
    for logits in others:
        assert_close(logits, expected, rtol=1e-4, atol=1e-5)


def run(*, device: str, quick: bool) -> dict:
    """Classify names in each way; print seconds, names per second and the ratio to nn.GRU by hand."""
    comparisons = {}
    torch.manual_seed(SEED)
    for count in QUICK_COUNTS if quick else COUNTS:
        names, num_classes, source = first_names(count, device)
        model = CharGRUClassifier(num_classes=num_classes).to(device).eval()
        check_equal(model, names)
        comparison = compare(
            [
                Arm(name, partial(prepare, classify, model, names), work=count, unit="names")
                for name, classify in ARMS.items()
            ],
            reference=REFERENCE,
            quick=quick,
            device=device,
            seed=SEED,
        )
        title = f"{count:,} name{'s' * (count > 1)}"
        print(f"{title} ({source})\n{comparison.table()}")
        comparisons[title] = comparison.to_dict()
    return {
        "environment": environment(device, "fp32, or as an arm says", {"order": SEED, "weights": SEED}),
        "comparisons": comparisons,
        "data": {"source": source},
        "settings": {"batch_size_when_sorted": BATCH_SIZE},
    }


def prepare(classify: Classify, model: CharGRUClassifier, names: PaddedSequence) -> Callable[[], None]:
    """Return a step that classifies the names."""

    def step() -> None:
        with torch.inference_mode():
            classify(model, names)

    return step
