"""When to try again, and how long to wait first."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_patterns_webhook.delivery.circuit_breaker import Backoff


def test_back_off_grows_up_to_its_cap_under_full_jitter() -> None:
    """The longest wait grows from half a second to a minute; the shortest is 0."""
    longest, shortest = Backoff(chance=lambda: 1.0), Backoff(chance=lambda: 0.0)

    waits = [longest.wait(n) for n in (1, 2, 3, 12, 13, 10_000)]
    assert waits == [0.5, 0.75, 1.125, 0.5 * 1.5**11, 60, 60]
    assert shortest.wait(9) == 0


@pytest.mark.parametrize(
    ("latency", "first"),
    [(None, 0.5), (0.0, 0.025), (0.02, 0.025), (0.4, 0.1), (2.0, 0.5), (30.0, 0.5)],
)
def test_a_first_back_off_is_in_step_with_the_receiver(
    latency: float | None, first: float
) -> None:
    """A quarter of what an accepted request takes, 25 ms to half a second."""
    longest = Backoff(chance=lambda: 1.0)

    assert longest.wait(1, latency) == first
    assert longest.wait(3, latency) == pytest.approx(first * 2.25)


@given(st.floats(0, 1, exclude_max=True))
def test_no_chance_makes_a_probe_early(chance: float) -> None:
    """Of a receiver that is down: after half a second, 2, 8, 32, then each minute."""
    backoff = Backoff(chance=lambda: chance)

    for probes, most in enumerate((0.5, 2, 8, 32, 60, 60)):
        assert 0.8 * most <= backoff.probe(probes) <= most
    assert backoff.probe(10_000) <= 60


def test_waits_spread_evenly_below_the_cap() -> None:
    """Full jitter: senders that failed together do not come back together."""
    chance = random.Random(1)  # noqa: S311 - jitter
    waits = [Backoff(chance=chance.random).wait(13) for _ in range(4000)]

    assert max(waits) <= 60
    assert 29 < sum(waits) / len(waits) < 31
    assert all(sum(q * 15 <= w < q * 15 + 15 for w in waits) > 900 for q in range(4))


@given(st.floats(0, 1e6), st.floats(0, 1, exclude_max=True))
def test_no_wait_is_shorter_than_asked(asked: float, chance: float) -> None:
    """Jitter on a Retry-After only ever adds, a second at most."""
    wait = Backoff(chance=lambda: chance).asked(asked)

    assert asked <= wait <= asked + 1
