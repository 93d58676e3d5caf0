"""A property as two tests of one body: few examples always, many by `make prove`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypothesis.strategies import SearchStrategy

PROOF = 1_000  # examples


def holds_for(
    *drawn: SearchStrategy[Any], examples: int = 20
) -> Callable[[Callable[..., None]], Callable[[int], None]]:
    """Turn a body that takes what is drawn into a test of so many examples."""
    efforts = [examples, pytest.param(PROOF, marks=pytest.mark.prove)]

    def decorate(body: Callable[..., None]) -> Callable[[int], None]:
        @pytest.mark.parametrize("examples", efforts)
        def test(examples: int) -> None:
            chosen = settings(
                max_examples=examples,
                deadline=None,
                suppress_health_check=[
                    HealthCheck.too_slow,
                    HealthCheck.data_too_large,
                ],
            )
            chosen(given(*drawn)(body))()

        test.__name__, test.__doc__ = body.__name__, body.__doc__
        return test

    return decorate
