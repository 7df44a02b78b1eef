"""A look at a recipe before it trains."""

from practicezoo.diagnostics import check
from practicezoo.diagnostics.finding import Finding
from practicezoo.recipes.experiment import prepare
from practicezoo.recipes.recipe import DataOptions, Recipe
from practicezoo.training import pick_device

__all__ = ["check_recipe"]


def check_recipe(
    recipe: Recipe,
    *,
    setting: str = "tuned",
    data: DataOptions | None = None,
    device: str = "auto",
    seed: int = 0,
    thorough: bool = False,
) -> list[Finding]:
    """Look for the usual mistakes in a recipe: the network, data and optimizer that it would train with.

    Args:
        recipe: what would be trained.
        setting: one of the recipe's settings, such as "course" or "tuned".
        data: where the data comes from.
        device: see :func:`~practicezoo.pick_device`.
        seed: seeds the split, the weights and the order.
        thorough: see :func:`~practicezoo.check`.

    Returns:
        What :func:`~practicezoo.check` finds; an empty list when all is well.

    Raises:
        OSError: if a file of the data is missing or cannot be read.
        ValueError: if an argument or the data is wrong.

    Example:
        >>> from practicezoo.recipes import get_recipe
        >>> check_recipe(get_recipe("linear_regression"), device="cpu")
        []
    """
    target = pick_device(device)
    experiment = prepare(recipe, setting, data=data, device=target, seed=seed)
    model, loader, optimizer = experiment.assemble(
        experiment.splits.part(~experiment.held_out), experiment.setting
    )
    make = experiment.setting.lr_scheduler
    return check(
        model,
        loader,
        criterion=experiment.setting.criterion(),
        optimizer=optimizer,
        val_loader=experiment.val_loader(),
        lr_scheduler=make(optimizer, len(loader) * experiment.setting.epochs) if make else None,
        epochs=experiment.setting.epochs,
        thorough=thorough,
    )
