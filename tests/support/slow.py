"""Cross products that the default run takes a few cases of."""

from collections.abc import Collection, Iterable
from typing import Any

import pytest


def slow_unless(values: Iterable[Any], quick: Collection[Any]) -> list[Any]:
    """Parameters of a test, of which all but the ``quick`` ones are marked slow."""
    return [pytest.param(value, marks=() if value in quick else pytest.mark.slow) for value in values]
