"""What changed between two results of the same benchmark, beyond their intervals."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from benchmarks.machine import machine_of
from benchmarks.rows import Row, rows_of

__all__ = ["Change", "changes", "missing"]


@dataclass(frozen=True)
class Change:
    """A quantity whose two intervals have no value in common; below 1 is faster."""

    comparison: str
    arm: str
    quantity: str
    old: float
    new: float

    @property
    def factor(self) -> float:
        """The new value over the old one."""
        return self.new / self.old

    def __str__(self) -> str:
        return (
            f"{self.comparison}: {self.arm}: {self.quantity} {self.old:.4g} -> {self.new:.4g} "
            f"({self.factor - 1:+.1%})"
        )


def changes(old: Mapping, new: Mapping) -> Iterator[Change]:
    """Compare the arms that both payloads have.

    An arm is compared by its ratio to the reference, which was measured beside it: the machine cancels. The
    reference itself has seconds only, compared where both runs used the same processor and threads, and
    neither was crowded.
    """
    before = {(row.comparison, row.arm): row for row in rows_of(old)}
    environments = old["environment"], new["environment"]
    same_machine = machine_of(environments[0]) == machine_of(environments[1])
    comparable = same_machine and not any(environment.get("crowded") for environment in environments)
    for row in rows_of(new):
        was = before.get((row.comparison, row.arm))
        if was is None or was.is_reference != row.is_reference:
            continue
        if row.is_reference and not comparable:
            continue
        quantity = "seconds" if row.is_reference else "ratio"
        (low, old_value, high), (new_low, new_value, new_high) = _interval(was), _interval(row)
        if new_low > high or new_high < low:
            yield Change(row.comparison, row.arm, quantity, old_value, new_value)


def missing(old: Mapping, new: Mapping) -> list[str]:
    """Name the arms that only one of the payloads has."""
    names = [{(row.comparison, row.arm) for row in rows_of(payload)} for payload in (old, new)]
    return [
        f"only in {where}: {comparison}: {arm}"
        for where, alone in (("OLD", names[0] - names[1]), ("NEW", names[1] - names[0]))
        for comparison, arm in sorted(alone)
    ]


def _interval(row: Row) -> tuple[float, float, float]:
    if row.is_reference:
        return row.low_seconds, row.median_seconds, row.high_seconds
    return row.ratio_low, row.ratio, row.ratio_high
