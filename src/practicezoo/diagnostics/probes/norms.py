"""Batch norms that are frozen and change nevertheless."""

from collections.abc import Iterator

from torch import Tensor, nn

from practicezoo.arguments import listed
from practicezoo.batches import unwrap
from practicezoo.diagnostics.dry_run import DryRun
from practicezoo.diagnostics.finding import Finding
from practicezoo.training.parameters import moving_norms

__all__ = ["find_moving_norms"]


def find_moving_norms(dry_run: DryRun, model: nn.Module) -> Iterator[Finding]:
    """Compare the running means of frozen batch norms before the forward pass and after it."""
    moved: dict[str, float] = {}
    for name in moving_norms(unwrap(model)):
        before, now = (each.get_submodule(name).running_mean for each in (unwrap(model), dry_run.model))
        if isinstance(now, Tensor) and isinstance(before, Tensor):
            moved[name] = float((now - before.to(now.device)).abs().max())
    if names := [name for name, change in moved.items() if change > 0]:
        yield Finding(
            "frozen-norm-moves",
            f"the batch norms {listed(names)} are frozen, and a batch moves the running mean of the first by "
            f"{moved[names[0]]:.2g}: in training mode they take on the new data's statistics",
            "freeze the part with practicezoo.freeze, which fit keeps in evaluation mode; in a loop of your "
            "own call its eval() after model.train()",
        )
