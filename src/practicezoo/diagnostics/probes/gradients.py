"""Mistakes that show in the gradients."""

from collections.abc import Iterator, Sequence

from torch import Tensor
from torch.optim import Optimizer

from practicezoo.arguments import listed
from practicezoo.diagnostics.dry_run import DryRun, Gradients
from practicezoo.diagnostics.finding import Finding

__all__ = ["find_in_gradients"]

# The gradient's norm at the first layer's outputs, divided by that at the last one's. Measured in fresh
# networks: 0.01 to 4 in this library's, 0.02 to 8e-5 with two to five layers of sigmoid, up to 5,000 in
# torchvision's ResNet-152 on small images, which still trains. A millionth is all but lost in float32's
# seven digits; with a hundred thousand no learning rate suits both ends.
VANISHED, EXPLODED = 1e-6, 1e5
NUM_SHOWN = 3


def find_in_gradients(dry_run: DryRun, optimizers: Sequence[Optimizer]) -> Iterator[Finding]:
    """Parameters that no gradient reaches, and gradients that die or grow on their way."""
    loss = dry_run.loss
    if not isinstance(loss, Tensor) or loss.numel() != 1 or not loss.requires_grad:
        return
    gradients = dry_run.differentiate()
    yield from _find_unregistered(dry_run, gradients, optimizers)
    reached = {name: gradient for name, gradient in gradients.named.items() if gradient is not None}
    unused = [name for name in gradients.named if name not in reached]
    broken = [name for name, gradient in reached.items() if not gradient.isfinite().all()]
    still = {name for name, gradient in reached.items() if not gradient.any()}
    ratio: list[Finding] = []
    if broken and loss.isfinite():
        yield Finding(
            "gradient-not-finite",
            f"the gradient of {listed(broken)} is NaN or infinite, though the loss is finite",
            "look for the square root or the norm of 0, and for a division by 0 behind torch.where",
        )
    elif reached and len(still) == len(reached):
        yield Finding(
            "zero-gradients",
            "the gradient is 0 for all parameters: nothing would change",
            "look for rounding, clamp or a comparison between the parameters and the loss",
        )
    elif not broken:
        ratio = list(_find_ratio(gradients))
        if still and not ratio:
            unused += _still_without(dry_run, still)
    if unused:
        yield Finding(
            "no-gradient",
            f"no gradient reaches {listed(unused)}",
            "use them in forward, or remove them; look for detach(), and for a layer or a state that is "
            "taken twice in place of its neighbour",
        )
    yield from ratio


def _find_unregistered(
    dry_run: DryRun, gradients: Gradients, optimizers: Sequence[Optimizer]
) -> Iterator[Finding]:
    held = [each for optimizer in optimizers for group in optimizer.param_groups for each in group["params"]]
    known = {id(dry_run.copies.get(id(each), each)) for each in held}
    unknown = [leaf for leaf in gradients.strangers if id(leaf) not in known]
    if unknown:
        shapes = ", ".join(str(tuple(leaf.shape)) for leaf in unknown[:NUM_SHOWN])
        yield Finding(
            "unregistered-parameters",
            f"{len(unknown)} tensors get a gradient but are no parameters of the model (shapes {shapes})",
            "keep layers in nn.ModuleList or nn.ModuleDict rather than list or dict, tensors in nn.Parameter",
        )


def _still_without(dry_run: DryRun, names: set[str]) -> list[str]:
    """The weights whose gradient is 0 from other starts as well.

    Behind a weight that starts at 0, as in the last layer of some networks, a gradient is 0 for the first
    step only. A bias or a scale has so few values that their gradient may happen to be 0.
    """
    dry_run.nudge()
    dry_run.forward(dry_run.inputs)
    dry_run.compute_loss()
    again = dry_run.differentiate().named
    return [
        name
        for name, gradient in again.items()
        if name in names and gradient is not None and gradient.ndim > 1 and not gradient.any()
    ]


def _find_ratio(gradients: Gradients) -> Iterator[Finding]:
    norms = [(name, float(each.float().norm())) for name, each in gradients.of_layers if each is not None]
    # behind a last layer that starts at zero, all others get none: that is no decay
    norms = [(name, norm) for name, norm in norms if norm > 0]
    if len(norms) < 2:
        return
    (first, first_norm), (last, last_norm) = norms[0], norms[-1]
    change = f"from {last} back to {first} the gradient's norm {{}} from {last_norm:.2g} to {first_norm:.2g}"
    if first_norm / last_norm < VANISHED:
        yield Finding(
            "vanishing-gradients",
            change.format("falls"),
            "take ReLU instead of sigmoid or tanh, normalisation layers, shortcuts, or fewer layers",
        )
    if first_norm / last_norm > EXPLODED:
        yield Finding(
            "exploding-gradients",
            change.format("grows"),
            "start from smaller weights (torch's own start will do), or add normalisation layers",
        )
