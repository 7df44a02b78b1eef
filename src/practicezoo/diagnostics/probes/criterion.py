"""Mistakes that show when the criterion runs."""

from collections.abc import Iterator

from torch import Tensor, nn

from practicezoo.diagnostics.attempt import attempt, failure
from practicezoo.diagnostics.dry_run import DryRun
from practicezoo.diagnostics.finding import Finding
from practicezoo.diagnostics.probes.losses import find_in_call
from practicezoo.diagnostics.probes.misfits import MISFITS, find_misfit

__all__ = ["find_in_criterion"]

FAILS = Finding(
    "criterion-fails",
    "the criterion failed",
    "print the shapes and types of outputs and targets",
)


def find_in_criterion(dry_run: DryRun, all_targets: Tensor | None) -> Iterator[Finding]:
    """What does not fit between outputs, targets and criterion; each code once."""
    first: dict[str, Finding] = {}
    for finding in list(_find_devices(dry_run)) or _find_in_run(dry_run, all_targets):
        first.setdefault(finding.code, finding)
    yield from first.values()


def _find_in_run(dry_run: DryRun, all_targets: Tensor | None) -> Iterator[Finding]:
    """Run the criterion: what its losses say, and what it returns or raises."""
    _, error = attempt(dry_run.compute_loss)
    calls = [call for call in dry_run.loss_calls if call.inputs.ndim and call.inputs.numel()]
    found = [each for call in calls for each in (*find_misfit(call), *find_in_call(call, all_targets))]
    yield from found
    if error is None:
        yield from _find_in_loss(dry_run)
    elif all(finding.code in MISFITS for finding in found):  # those raise nothing
        yield failure(FAILS, error)


def _find_devices(dry_run: DryRun) -> Iterator[Finding]:
    """A criterion that has tensors on another device than the outputs."""
    if not isinstance(dry_run.criterion, nn.Module) or not isinstance(dry_run.outputs, Tensor):
        return
    for kind in (dry_run.criterion.named_parameters(), dry_run.criterion.named_buffers()):
        for name, tensor in kind:
            if tensor.device != dry_run.outputs.device:
                yield Finding(
                    "devices-differ",
                    f"the criterion's {name} is on {tensor.device}, the model's outputs are on "
                    f"{dry_run.outputs.device}",
                    f"move the criterion too: criterion.to({str(dry_run.outputs.device)!r})",
                )
                return


def _find_in_loss(dry_run: DryRun) -> Iterator[Finding]:
    """A loss that is no scalar, is NaN or infinite, or has no gradient."""
    loss = dry_run.loss
    if isinstance(loss, Tensor) and loss.ndim > 0:
        yield Finding(
            "loss-not-scalar",
            f"the criterion returned a tensor of shape {tuple(loss.shape)}, not one number",
            "take the mean: reduction='mean', or .mean() in a criterion of your own",
        )
    elif isinstance(loss, Tensor) and not loss.isfinite():
        yield Finding(
            "loss-not-finite",
            f"the loss is {loss.item()}",
            "look for a logarithm or a square root of 0, a division by 0, and values that are too large",
        )
    if not isinstance(loss, Tensor) or not loss.requires_grad:
        what = (
            "the loss depends on no parameter"
            if isinstance(loss, Tensor)
            else f"the loss is a {type(loss).__name__}"
        )
        if not dry_run.is_trained:  # it says so itself
            return
        yield Finding(
            "no-graph",
            f"{what}, so there is nothing to differentiate",
            "remove detach(), item(), argmax, numpy() or no_grad() between the parameters and the loss",
        )
