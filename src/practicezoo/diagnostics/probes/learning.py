"""Updates on one batch that do not lower its loss."""

import math
from collections.abc import Callable, Iterator
from typing import Any

from practicezoo.diagnostics.attempt import attempt
from practicezoo.diagnostics.finding import Finding
from practicezoo.diagnostics.trial import MIN_UPDATES, Learned, Trial

__all__ = ["find_no_learning"]

# Of its loss on a single batch, which may be learned by heart, labels that are noise as well.
LEARNED = 0.1
SLOW, FASTER = 0.3, 3  # with weight decay, beside the same without it
# Times the loss at the start, in each of the last updates. A trained model, whose loss is next to nothing,
# may lose a little at first: its loss stays far below that of outputs which are the same for all samples.
DIVERGED, LEARNT = 1.2, 0.3
# Of the loss, over as many updates as a short training has: so little is nothing, and where a hundred
# thousand times the learning rate learns the batch by heart, a little more is nothing, too.
FLAT, NEARLY_FLAT, BY_HEART = 0.01, 0.05, 0.5
LONG = 10_000
DOWN, UP, FAR_UP = (1e-2, 1e-4, 1e-6), (1e3, 1e6), (1e5,)


def find_no_learning(make: Callable[[], Trial], num_updates: int) -> Iterator[Finding]:
    """Train copies on one batch: as they are, and where that fails, with another learning rate.

    What no other learning rate mends either is no finding: the loss may have been at its lowest already.
    """
    trial = make()
    if all(_rate(group) == 0 == group.get("initial_lr", 0) for group in trial.groups):
        return
    learned = trial.learn(num_updates)
    if learned.num_updates < MIN_UPDATES or not math.isfinite(learned.before):
        return
    shown = f"{learned.num_updates} updates on one batch take its loss from {learned.before:.4g} to"
    if any(group.get("maximize") for group in trial.groups) and learned.gain < 0:
        yield Finding(
            "does-not-learn",
            f"{shown} {learned.after:.4g}: with maximize=True the optimizer makes the loss larger",
            "leave maximize out",
        )
    elif not learned.lowest <= max(DIVERGED * learned.before, _well_learned(make())) and learned.before > 0:
        yield from _find_too_large(make, learned, shown, num_updates)
    elif learned.gain < SLOW and _decays(trial):
        yield from _find_decay(make, learned, shown, num_updates)
    elif _by_the_end(learned) < NEARLY_FLAT:
        yield from _find_too_small(make, learned, shown, num_updates)


def _find_too_large(
    make: Callable[[], Trial], learned: Learned, shown: str, num_updates: int
) -> Iterator[Finding]:
    for factor in DOWN:
        trial, rate = _with_rates(make, factor)
        better = trial.learn(num_updates)
        if better.after < better.before:
            yield Finding(
                "does-not-learn",
                f"{shown} {learned.after:.4g} with a learning rate of {rate:.2g}, and to {better.after:.4g} "
                f"with {rate * factor:.2g}",
                "take a smaller learning rate, such as 1e-3 for Adam or 1e-2 for SGD; scale inputs and "
                "targets to mean 0 and standard deviation 1",
            )
            return


def _find_too_small(
    make: Callable[[], Trial], learned: Learned, shown: str, num_updates: int
) -> Iterator[Finding]:
    peak = make()
    for group in peak.groups:  # where a scheduler has not begun yet
        group["lr"] = max(_rate(group), group.get("initial_lr", 0), group.get("max_lr", 0))
    again = peak.learn(num_updates)
    if _by_the_end(again) >= NEARLY_FLAT:
        return
    is_flat = max(_by_the_end(learned), _by_the_end(again)) < FLAT
    needed = max(LEARNED * LEARNED, 10 * abs(learned.gain)) if is_flat else BY_HEART
    for factor in UP if is_flat else FAR_UP:
        trial, rate = _with_rates(make, factor)
        better = trial.learn(num_updates)
        if better.gain > needed:
            yield Finding(
                "does-not-learn",
                f"{shown} {learned.after:.4g} with a learning rate of {rate:.2g}, and to {better.after:.4g} "
                f"with {rate * factor:.2g}",
                "take a larger learning rate, such as 1e-3 for Adam or 1e-2 for SGD",
            )
            return
    if not (learned.moved or again.moved or better.moved):
        yield from _find_no_step(make(), learned.num_updates)


def _find_no_step(trial: Trial, num_updates: int) -> Iterator[Finding]:
    trial.differentiate()
    before = trial.gradient_norm()
    trial.update()
    after = trial.gradient_norm()
    if before > 0:
        names = sorted({type(optimizer).__name__ for optimizer in trial.optimizers})
        yield Finding(
            "does-not-learn",
            f"{num_updates} updates on one batch change no parameter, whatever the learning rate: the "
            f"gradient's norm is {before:.2g} before step() of {' and '.join(names)} and {after:.2g} "
            "after it",
            "look for zero_grad() at the beginning of step(), and for a step() that does not call the one "
            "it replaces",
        )


def _find_decay(
    make: Callable[[], Trial], learned: Learned, shown: str, num_updates: int
) -> Iterator[Finding]:
    free = make()
    decay = max(float(group.get("weight_decay", 0)) for group in free.groups)
    for group in free.groups:
        group["weight_decay"] = 0
    better = free.learn(num_updates)
    if better.gain > max(LEARNED, FASTER * learned.gain):
        yield Finding(
            "does-not-learn",
            f"{shown} {learned.after:.4g} with a weight_decay of {decay:g}, and to {better.after:.4g} "
            "without it",
            "take a smaller weight_decay, such as 1e-4 for SGD or 1e-2 for AdamW",
        )


def _well_learned(trial: Trial) -> float:
    """A loss that only a model which has learned gets to; 0 where that is not known."""
    loss = attempt(trial.constant_loss).result
    return LEARNT * loss if loss is not None and math.isfinite(loss) else 0.0


def _with_rates(make: Callable[[], Trial], factor: float) -> tuple[Trial, float]:
    """A trial with other learning rates, and the first of those that it had."""
    trial = make()
    rate = _rate(trial.groups[0])
    for group in trial.groups:
        group["lr"] = _rate(group) * factor
    return trial, rate


def _by_the_end(learned: Learned) -> float:
    """What part of the loss a short training would change, at this pace."""
    return abs(learned.gain) * LONG / max(learned.num_updates, 1)


def _rate(group: dict[str, Any]) -> float:
    return float(group.get("lr", 0))


def _decays(trial: Trial) -> bool:
    return any(float(group.get("weight_decay", 0)) > 0 for group in trial.groups)
