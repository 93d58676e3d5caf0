"""Receivers that fail for a while, on real sockets: waits, probes, patience."""

from __future__ import annotations

import re
import time
from collections import Counter

import pytest

from target_patterns_webhook.delivery.crew import Delivery
from target_patterns_webhook.errors import GaveUpError
from tests.support.receiver import Receiver, Reply, Request
from tests.support.simulation import settings
from tests.target.delivery.crews import FAST, Clock, delivery, eventually, record


def test_patience_ends_with_one_line() -> None:
    """A receiver that is not there: after max_retry_seconds the run says so."""
    with (  # noqa: PT012 - out of whichever call is next
        pytest.raises(GaveUpError, match=r"connection refused.*max_retry_seconds"),
        delivery(
            "http://127.0.0.1:9/wh_canary", fast=FAST, max_retry_seconds=60
        ) as crew,
    ):
        crew.add("s", record(1))
        crew.drain()


def test_an_outage_of_ten_minutes_is_waited_out() -> None:
    """At most 30 requests meanwhile; then everything arrives. Time is shortened."""
    begin = time.monotonic()
    end = begin + 600 / FAST

    def judge(request: Request) -> str | None:
        return None if request.at >= end else "reset"

    with (
        Receiver(judge=judge) as hook,
        delivery(hook, fast=FAST, batch_size_rows=10) as crew,
    ):
        for number in range(1000):
            crew.add("s", record(number))
        assert crew.drain()

    assert sum(request.at < end for request in hook.requests) <= 30
    assert Counter(hook.accepted) == Counter(str(n) for n in range(1000))


def test_an_outage_is_told_with_the_wait_before_the_next_probe(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The log says how long all senders wait, not how long one batch would."""
    clock = Clock(50)

    def told() -> list[int]:
        said = re.findall(r"Unavailable\. Trying again in (\d+) s", caplog.text)
        return [int(seconds) for seconds in said]

    def all_told() -> bool:
        """On a busy machine some of a wait has passed when it is said."""
        waits = (6.4, 25.6, 48.0)
        return all(any(0.6 * w <= t <= w + 1 for t in told()) for w in waits)

    with Receiver(judge=lambda _: "503") as hook:
        crew = Delivery(
            settings(webhook_url=hook.url, batch_size_rows=1),
            write_state=len,
            clock=clock,
            wait=clock.wait,
            chance=lambda: 0.0,  # no back-off of a batch is a second long
        )
        with crew:
            crew.add("s", record(1))
            eventually(all_told)
            crew.stop()

    assert max(told()) <= 48


@pytest.mark.parametrize("asked", ["0", "-1", "Sat, 21 Nov 2020 12:00:00 GMT"])
def test_a_retry_after_of_nothing_makes_no_storm(asked: str) -> None:
    """Three seconds of 429 or 503 that ask for no wait see a handful of requests."""
    taken = iter(range(40))

    def judge(request: Request) -> Reply | None:
        if next(taken, None) is not None:
            return None
        status = 429 if len(request.wire) % 2 else 503
        return Reply(status=status, headers={"Retry-After": asked})

    def refused() -> int:
        return sum(status != 200 for status in hook.statuses)

    with (
        Receiver(judge=judge) as hook,
        delivery(hook, fast=5, batch_size_rows=1) as crew,
    ):
        for number in range(44):
            crew.add("s", record(number))
        assert not crew.drain(3)
        assert refused() <= 25
        eventually(lambda: refused() >= 3)
        crew.stop()
