"""Batch norms that are frozen and change nevertheless."""

from collections.abc import Iterator

from torch import Tensor, nn

from practicezoo.arguments import listed
from practicezoo.batches import unwrap
from practicezoo.diagnostics.dry_run import DryRun
from practicezoo.diagnostics.finding import Finding

__all__ = ["find_moving_norms"]

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)


def find_moving_norms(dry_run: DryRun, model: nn.Module) -> Iterator[Finding]:
    """Compare the running means of frozen batch norms before the forward pass and after it."""
    moved: dict[str, float] = {}
    for name, module in unwrap(model).named_modules():
        parameters = [*module.parameters()]
        if not isinstance(module, NORMS) or not parameters or any(each.requires_grad for each in parameters):
            continue
        now = dry_run.model.get_submodule(name).running_mean
        if isinstance(now, Tensor) and isinstance(module.running_mean, Tensor):
            moved[name] = float((now - module.running_mean.to(now.device)).abs().max())
    names = [name for name, change in moved.items() if change > 0]
    if names and any(parameter.requires_grad for parameter in model.parameters()):
        yield Finding(
            "frozen-norm-moves",
            f"the batch norms {listed(names)} are frozen, and a batch moves the running mean of the first by "
            f"{moved[names[0]]:.2g}: in training mode they take on the new data's statistics",
            "freeze the part with practicezoo.freeze, which fit keeps in evaluation mode; in a loop of your "
            "own call its eval() after model.train()",
        )
