"""Text tables of comparisons, rendered from their JSON form."""

from collections.abc import Mapping, Sequence

__all__ = ["aligned", "comparison_table", "format_seconds"]

HEADER = ("arm", "median", "10-90 %", "throughput", "ratio [95 %]", "set-up", "first step")


def comparison_table(comparison: Mapping) -> str:
    """Render one comparison, a warning line included where the numbers cannot be trusted.

    Args:
        comparison: What `Comparison.to_dict` returns, also after a trip through JSON.
    """
    arms = comparison["measurements"]
    reference = comparison["reference"]
    heading = (
        f"{comparison['device']}, {len(arms[0]['rounds'])} rounds after {comparison['warmup']} of warm-up; "
        f"ratio to {reference!r}, below 1 is faster"
    )
    lines = [heading, aligned([HEADER, *(_row(arm, reference) for arm in arms)])]
    if comparison["quick"]:
        lines.append("quick run: a check that everything works; the numbers mean little")
    elif not comparison["trustworthy"]:
        lines.append(
            f"WARNING: not trustworthy: {reference!r} measured twice differs from itself; "
            "run again on a quieter machine"
        )
    return "\n".join(lines)


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Join rows of cells into lines, the first column flush left and the others flush right."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows
    )


def format_seconds(seconds: float) -> str:
    """Write seconds with three digits in the unit that suits them.

    Example:
        >>> format_seconds(0.0123)
        '12.3 ms'
    """
    if seconds == 0:
        return "0 s"
    for factor, unit in ((1, "s"), (1e3, "ms")):
        if seconds * factor >= 1:
            return f"{_three_digits(seconds * factor)} {unit}"
    return f"{_three_digits(seconds * 1e6)} us"


def _row(arm: Mapping, reference: str) -> tuple[str, ...]:
    ratio = arm["ratio"]
    return (
        arm["name"],
        format_seconds(arm["median"]),
        f"{format_seconds(arm['low'])} - {format_seconds(arm['high'])}",
        f"{_three_digits(arm['throughput'])} {arm['unit']}/s",
        "1"
        if arm["name"] == reference
        else f"{ratio['median']:.3f} [{ratio['low']:.3f}, {ratio['high']:.3f}]",
        format_seconds(arm["setup"]),
        format_seconds(arm["first_step"]),
    )


def _three_digits(number: float) -> str:
    """Write a number with about three digits: 1.23, 12.3, 123, 12,345."""
    decimals = 0 if number >= 100 else 1 if number >= 10 else 2
    return f"{number:,.{decimals}f}"
