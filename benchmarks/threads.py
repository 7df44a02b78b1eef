"""Does a second thread make a training step faster?

A step is TrainStep's whole update of a registered model: gradients cleared, forward, loss, backward, Adam,
all in float32. Torch computes it on one thread, on two, and on as many as the run was given, in turns. A
round repeats steps.
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from benchmarks.captured_step import DEFAULT, make_step
from benchmarks.grid import example, measured_models
from benchmarks.report import environment
from benchmarks.tables import format_threads
from benchmarks.timing import Arm, compare

SEED = 0
BATCH_SIZES, QUICK_SIZES = (64, 256), (4,)
NUM_STEPS = 10  # in a round
REFERENCE = 1
QUICK_MODELS = ("mnist_mlp", "hello_rnn_cell")


def on_threads(count: int, name: str, batch: tuple[Tensor, Tensor], *, num_steps: int) -> Callable[[], None]:
    """Return a round of updates on so many threads."""
    step, _ = make_step(DEFAULT, name, batch)

    def run() -> None:
        torch.set_num_threads(count)
        for _ in range(num_steps):
            step()

    return run


def run(*, device: str, quick: bool) -> dict:
    """Measure each model with each number of threads; print milliseconds a round and the ratios."""
    found = environment(device, "fp32", {"order": SEED, "weights": SEED})
    num_threads = torch.get_num_threads()
    num_steps = 1 if quick else NUM_STEPS
    comparisons = {}
    try:
        for name in QUICK_MODELS if quick else measured_models():
            for size in QUICK_SIZES if quick else BATCH_SIZES:
                inputs, targets = example(name, size)
                batch = inputs.to(device), targets.to(device)
                setup = partial(on_threads, name=name, batch=batch, num_steps=num_steps)
                comparison = compare(
                    [
                        Arm(format_threads(count), partial(setup, count), num_steps, "steps")
                        for count in sorted({REFERENCE, 2, num_threads})
                    ],
                    reference=format_threads(REFERENCE),
                    quick=quick,
                    device=device,
                    seed=SEED,
                )
                title = f"{name}, batch {size}"
                print(f"{title}\n{comparison.table()}", flush=True)
                comparisons[title] = comparison.to_dict()
    finally:
        torch.set_num_threads(num_threads)
    return {
        "environment": found,
        "comparisons": comparisons,
        "settings": {"batch_sizes": list(BATCH_SIZES), "steps_in_a_round": num_steps},
    }
