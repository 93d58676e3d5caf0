"""How a crew ends: on a stop, a failure, and with senders that hang."""

from __future__ import annotations

import threading
import time

import pytest

from target_patterns_webhook.delivery.crew import Delivery
from target_patterns_webhook.errors import FatalError, OutputError
from tests.support.receiver import Receiver, Reply, Request
from tests.support.simulation import settings
from tests.target.delivery.crews import FAST, Clock, delivery, eventually, record


def test_stop_shortens_our_own_waits() -> None:
    """A back-off of a minute that we chose ourselves ends at once."""
    clock = Clock(FAST)
    with Receiver([500] * 11) as hook:
        crew = Delivery(
            settings(webhook_url=hook.url, batch_size_rows=1),
            write_state=len,
            clock=clock,
            wait=clock.wait,
            chance=lambda: 1.0,
        )
        with crew:
            crew.add("s", record(1))
            eventually(lambda: crew.stats.retries["500"] == 11)
            clock.real()
            began = time.monotonic()
            crew.stop()
            assert crew.drain(50)
            took = time.monotonic() - began

    assert hook.accepted == ["1"]
    assert took < 30  # the back-off was 60 s


def test_stop_does_not_wait_for_what_cannot_be_in_time() -> None:
    """A Retry-After beyond the grace: what is held stays undelivered, at once."""
    with Receiver(["429:300"]) as hook, delivery(hook, batch_size_rows=1) as crew:
        crew.add("s", record(1))
        eventually(lambda: crew.stats.retries)
        began = time.monotonic()
        crew.stop()
        assert not crew.drain(20)
        assert crew.stats.undelivered == 1

    assert time.monotonic() - began < 10


def test_after_stop_a_hanging_request_is_not_awaited() -> None:
    """The block ends although an answer is still owed."""
    with Receiver(["hang:60"]) as hook:
        began = time.monotonic()
        with delivery(hook) as crew:
            crew.add("s", record(1))
            assert not crew.drain(0.5)
            crew.stop()
            assert not crew.drain(0.5)

    assert time.monotonic() - began < 15


def test_a_fatal_answer_awaits_the_others() -> None:
    """Requests in flight when the run fails are awaited, and count for the state."""
    states: list[bytes] = []

    def judge(request: Request) -> Reply | int | None:
        first = request.records[0]["id"]
        if first < 20:
            return None
        return 403 if first >= 60 else Reply(delay=1.0)

    hook = Receiver(judge=judge)
    crew = delivery(hook, write_state=states.append, batch_size_rows=10)
    with hook, pytest.raises(FatalError, match="403 Forbidden") as caught, crew:  # noqa: PT012 - out of whichever call is next
        for number in range(1000):
            crew.add("s", record(number))
            crew.mark(b"%d" % number)
        crew.drain()

    accepted = {int(name) for name in hook.accepted}
    assert accepted == set(range(len(accepted)))
    assert len(accepted) >= 30
    assert states[-1] == b"%d" % max(accepted)
    assert "wh_canary" not in str(caught.value)
    assert crew.stats.undelivered == crew.stats.read - len(accepted)


def test_senders_that_hang_are_awaited_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where connections cannot be broken off (name resolution), the run ends in time.

    All senders have one deadline, not one each.
    """
    monkeypatch.setattr("target_patterns_webhook.delivery.crew.LAST_SECONDS", 3.0)
    hanging = threading.Event()

    def judge(request: Request) -> str:
        del request
        if crew.stats.in_flight >= 4:  # the limit on requests has risen that far
            hanging.set()
        return "hang:60" if hanging.is_set() else "slow:0.01"

    def feed(into: Delivery) -> None:
        number = 0
        while not hanging.is_set():
            into.add("s", record(number))
            number += 1

    with Receiver(judge=judge) as hook:
        with delivery(
            hook, batch_size_rows=1, max_parallel_requests=8, timeout_seconds=60
        ) as crew:
            feeder = threading.Thread(target=feed, args=(crew,))  # it blocks at the end
            feeder.start()
            eventually(lambda: crew.stats.in_flight >= 3)
            for transport in crew._transports:  # noqa: SLF001 - as if it had no effect
                monkeypatch.setattr(transport, "abort", lambda: None)
            crew.stop()
            feeder.join()
            began = time.monotonic()
        assert time.monotonic() - began < 8


def test_states_that_cannot_be_written_end_the_delivery() -> None:
    """What ``write_state`` raises comes out of the next call."""

    def closed(state: bytes) -> None:
        raise OutputError(state.decode())

    with (  # noqa: PT012 - out of whichever call is next
        Receiver() as hook,
        pytest.raises(OutputError, match="first"),
        delivery(hook, write_state=closed) as crew,
    ):
        crew.mark(b"first")
        eventually(lambda: crew._outbox.failure)  # noqa: SLF001 - when, not what
        crew.add("s", record(1))
