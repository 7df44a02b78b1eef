"""Are the families' networks as fast as torchvision's, forward and in training?

Ours and torchvision's with the same weights take turns, eager in both layouts of memory and compiled:
forward in evaluation mode without gradients, and forward and backward in training mode. The bar is 5 %.

torchvision's activations overwrite their input. Ours do not, so that every module's output can be looked at;
eager, the same network with activations in place is measured as well.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.report import environment
from benchmarks.timing import Arm, Comparison, compare
from practicezoo import create_model
from practicezoo.models import to_torchvision

SEED = 0
BAR = 1.05
THEIRS, OURS, IN_PLACE = "torchvision", "practicezoo", "practicezoo, in place"


class Way(NamedTuple):
    """How both compute."""

    memory_format: torch.memory_format = torch.contiguous_format
    compiled: bool = False


WAYS = {"": Way(), ", channels_last": Way(torch.channels_last), ", compiled": Way(compiled=True)}
QUICK_WAYS = [title for title, way in WAYS.items() if not way.compiled]


class Case(NamedTuple):
    """A network by its name, here and there, and the images that it is measured on."""

    name: str
    size: int = 224
    batch_size: int = 8

    @property
    def title(self) -> str:
        """What the tables call it."""
        return f"{self.name}, {self.size}x{self.size}, batch {self.batch_size}"


NAMES = (
    *("resnet18", "resnet50", "resnext50_32x4d", "wide_resnet50_2"),
    *("densenet121", "googlenet", "inception_v3"),
)
# what torchvision builds otherwise, auxiliary heads and a start that takes long
PLAIN = {name: {"aux_logits": False, "init_weights": False} for name in ("googlenet", "inception_v3")}
CASES = tuple(Case(name, size=96, batch_size=4) for name in NAMES)
CUDA_CASES = tuple(Case(name, batch_size=64) for name in NAMES)
QUICK_CASES = (Case("resnet18", size=32, batch_size=2),)


def forward(model: nn.Module, images: Tensor) -> Callable[[], None]:
    """Return a step that computes logits."""
    model.eval()

    def step() -> None:
        with torch.no_grad():
            model(images)

    return step


def training(model: nn.Module, images: Tensor) -> Callable[[], None]:
    """Return a step that goes forward and backward."""
    model.train()
    targets = torch.arange(len(images), device=images.device)

    def step() -> None:
        model.zero_grad(set_to_none=True)
        F.cross_entropy(model(images), targets).backward()

    return step


JOBS = {"forward": forward, "forward and backward": training}


def network(name: str, library: str, weights: Mapping[str, Tensor]) -> nn.Module:
    """Build ours, with activations in place or not, or torchvision's, with weights that have its keys."""
    if library == THEIRS:
        model = getattr(torchvision.models, name)(**PLAIN.get(name, {}))
    else:
        model = create_model(name, activation=partial(nn.ReLU, inplace=library == IN_PLACE))
    model.load_state_dict(weights)
    return model


def compare_case(
    case: Case,
    job: Callable[[nn.Module, Tensor], Callable[[], None]],
    way: Way,
    *,
    device: str,
    quick: bool,
) -> Comparison:
    """Time the networks in one way; compiled, whether activations are in place makes no difference."""
    torch.manual_seed(SEED)
    start = create_model(case.name)
    weights = {THEIRS: to_torchvision(start), OURS: start.state_dict(), IN_PLACE: start.state_dict()}
    images = torch.randn(case.batch_size, 3, case.size, case.size).to(device, memory_format=way.memory_format)

    def setup(library: str) -> Callable[[], None]:
        model = network(case.name, library, weights[library]).to(device).to(memory_format=way.memory_format)
        if way.compiled:
            model.compile()
        return job(model, images)

    libraries = (THEIRS, OURS) if way.compiled else (THEIRS, OURS, IN_PLACE)
    arms = [Arm(name, partial(setup, name), case.batch_size, "images") for name in libraries]
    return compare(arms, reference=THEIRS, quick=quick, device=device, seed=SEED)


def run(*, device: str, quick: bool) -> dict:
    """Compare each network with torchvision's; print milliseconds a step, the ratio, what misses the bar."""
    comparisons = {}
    missed = []
    for case in QUICK_CASES if quick else CUDA_CASES if device == "cuda" else CASES:
        for work, job in JOBS.items():
            for way in QUICK_WAYS if quick else WAYS:
                title = f"{case.title}, {work}{way}"
                comparison = compare_case(case, job, WAYS[way], device=device, quick=quick)
                if WAYS[way].compiled:
                    torch.compiler.reset()
                print(f"{title}\n{comparison.table()}", flush=True)
                comparisons[title] = comparison.to_dict()
                if comparison[OURS].ratio.low > BAR:
                    missed.append(title)
    print(f"slower than torchvision's by more than {BAR - 1:.0%}: {'; '.join(missed) or 'none'}")
    return {
        "environment": environment(device, "fp32", {"order": SEED, "weights": SEED}),
        "comparisons": comparisons,
        "settings": {"bar": BAR, "missed": missed},
    }
