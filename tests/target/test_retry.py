"""When to try again, and how long to wait first."""

from __future__ import annotations

import itertools
import random

from hypothesis import given
from hypothesis import strategies as st

from target_patterns_webhook.retry import Backoff, Budget, Verdict, judge


def test_every_status_has_one_meaning() -> None:
    """2xx accepts, 429 and 503 hold everybody, 413 cuts, 400 and 422 refuse.

    408, 425 and the other 5xx are retried; all else, redirects too, ends the run.
    """
    found = {status: judge(status) for status in range(100, 1000)}

    assert found == {
        **dict.fromkeys(range(100, 1000), Verdict.FATAL),
        **dict.fromkeys(range(200, 300), Verdict.ACCEPTED),
        **dict.fromkeys((408, 425, *range(500, 600)), Verdict.RETRY),
        **dict.fromkeys((429, 503), Verdict.HOLD),
        413: Verdict.TOO_LARGE,
        **dict.fromkeys((400, 422), Verdict.REFUSED),
    }


def test_a_413_that_asks_to_wait_is_temporary() -> None:
    """RFC 9110 lets a server say that it takes no such body now, but will later."""
    assert judge(413, asked_to_wait=True) is Verdict.RETRY


def test_back_off_doubles_up_to_its_cap_under_full_jitter() -> None:
    """The longest wait doubles from half a second to a minute; the shortest is 0."""
    longest, shortest = Backoff(chance=lambda: 1.0), Backoff(chance=lambda: 0.0)

    waits = [longest.wait(n) for n in (1, 2, 3, 7, 8, 9, 10_000)]
    assert waits == [0.5, 1, 2, 32, 60, 60, 60]
    assert shortest.wait(9) == 0


def test_waits_spread_evenly_below_the_cap() -> None:
    """Full jitter: senders that failed together do not come back together."""
    chance = random.Random(1)  # noqa: S311 - jitter
    waits = [Backoff(chance=chance.random).wait(8) for _ in range(4000)]

    assert max(waits) <= 60
    assert 29 < sum(waits) / len(waits) < 31
    assert all(sum(q * 15 <= w < q * 15 + 15 for w in waits) > 900 for q in range(4))


@given(st.floats(0, 1e6), st.floats(0, 1, exclude_max=True))
def test_nobody_knocks_earlier_than_asked(asked: float, chance: float) -> None:
    """Jitter on a Retry-After only ever adds, a second at most."""
    wait = Backoff(chance=lambda: chance).asked(asked)

    assert asked <= wait <= asked + 1


def test_retries_are_a_share_of_what_succeeds() -> None:
    """With nothing succeeding the budget is soon empty; success earns it back."""
    budget = Budget(burst=10, share=0.25)
    assert sum(budget.spend() for _ in range(100)) == 10

    for _ in itertools.repeat(None, 8):
        budget.earn()
    assert sum(budget.spend() for _ in range(100)) == 2
