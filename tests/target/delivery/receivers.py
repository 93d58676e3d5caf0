"""Receivers of simulated time: what each answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.simulation import Simulation, answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_patterns_webhook.http.outcome import Outcome

    Receiver = Callable[[Simulation, list[int], int], Outcome]

LATENCY = 0.1


def accepts(simulation: Simulation, ids: list[int], size: int) -> Outcome:
    """Take everything."""
    del simulation, ids, size
    return answer(200, LATENCY)


def refuses(*poison: int, status: int = 400) -> Receiver:
    """Make a receiver that refuses these records and whatever comes with them."""
    bad = frozenset(poison)

    def receive(simulation: Simulation, ids: list[int], size: int) -> Outcome:
        del simulation, size
        return answer(200 if bad.isdisjoint(ids) else status, LATENCY)

    return receive
