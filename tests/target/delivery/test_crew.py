"""The crew, with its real threads, against a receiver that accepts."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

import pytest

from tests.support.receiver import Receiver, Request
from tests.target.delivery.crews import delivery, eventually, record

if TYPE_CHECKING:
    from target_patterns_webhook.delivery.crew import Delivery


def test_batches_go_out_while_the_input_is_idle() -> None:
    """A record waits for its batch to fill no longer than max_batch_age_seconds."""
    states: list[bytes] = []
    with (
        Receiver() as hook,
        delivery(hook, write_state=states.append, max_batch_age_seconds=1) as crew,
    ):
        began = time.monotonic()
        crew.add("s", record(1))
        crew.mark(b"1")
        assert not hook.accepted
        eventually(lambda: states == [b"1"])
        took = time.monotonic() - began

    assert hook.accepted == ["1"]
    assert 0.9 < took < 10


def test_senders_are_used_side_by_side() -> None:
    """At a slow receiver as many requests are in flight as the settings allow."""
    with (
        Receiver(latency=0.1) as hook,
        delivery(hook, batch_size_rows=1, max_parallel_requests=8) as crew,
    ):
        for number in range(150):
            crew.add("s", record(number))
        assert crew.drain()

    assert hook.most_in_flight == 8
    assert hook.connections <= 8


def test_a_stalled_receiver_stops_the_input() -> None:
    """What is held is bounded: in batches, and in bytes over many streams."""
    with Receiver(["hang:60"] * 9) as hook:
        crew = delivery(hook, batch_size_rows=10)
        wide = delivery(hook)

        def feed(into: Delivery, one: bytes, streams: int) -> None:
            for number in range(1_000_000):
                into.add(f"s{number % streams}", one)
                if stopped.is_set():
                    return

        stopped = threading.Event()
        feeders = [
            threading.Thread(target=feed, args=(crew, record(1), 1)),
            threading.Thread(target=feed, args=(wide, b'"%s"' % (b"x" * 100_000), 200)),
        ]
        with crew, wide:
            for feeder in feeders:
                feeder.start()
            eventually(lambda: crew.stats.read >= 80)
            eventually(lambda: wide.stats.read >= 600)
            time.sleep(0.5)
            assert crew.stats.read <= 140
            assert wide.stats.read * 100_000 <= 64_000_000 + 100_000
            stopped.set()
            crew.stop()
            wide.stop()
            for feeder in feeders:
                feeder.join(10)
                assert not feeder.is_alive()


@pytest.mark.parametrize("form", ["array", "ndjson", "envelope"])
def test_each_format_arrives_under_the_batch_limit(form: str) -> None:
    """No body is above max_batch_bytes, each holds one stream, all records arrive."""
    with (
        Receiver() as hook,
        delivery(hook, payload_format=form, max_batch_bytes=300) as crew,
    ):
        for number in range(300):
            crew.add(f"s{number % 3}", record(number))
        assert crew.drain()

    assert max(len(q.wire) for q in hook.requests) <= 300
    assert set(hook.accepted) == {str(n) for n in range(300)}
    assert all(len({r["id"] % 3 for r in q.records}) == 1 for q in hook.requests)


def test_an_object_a_request() -> None:
    """Each record is a body of its own, as the bytes that came; the limits hold."""
    with Receiver() as hook, delivery(hook, payload_format="object") as crew:
        for number in range(50):
            crew.add("s", record(number))
        assert crew.drain()

    assert sorted(q.wire for q in hook.requests) == sorted(map(record, range(50)))
    assert len({q.headers["idempotency-key"] for q in hook.requests}) == 50


@pytest.mark.parametrize("senders", [1, 4])
def test_a_pace_holds_for_all_senders_together(senders: int) -> None:
    """Requests start evenly, and not much later than the pace allows."""
    with (
        Receiver() as hook,
        delivery(
            hook,
            payload_format="object",
            max_requests_per_second=20,
            max_parallel_requests=senders,
        ) as crew,
    ):
        started = time.monotonic()
        for number in range(21):
            crew.add("s", record(number))
        assert crew.drain()
        seconds = time.monotonic() - started

    assert 1.0 <= seconds < 3.0
    assert len(hook.requests) == 21


def test_a_slow_receiver_does_not_lower_the_pace() -> None:
    """Requests overlap where one takes longer than the pace's interval."""
    with (
        Receiver(judge=lambda _: time.sleep(0.3)) as hook,
        delivery(
            hook,
            payload_format="object",
            max_requests_per_second=10,
            max_parallel_requests=4,
        ) as crew,
    ):
        started = time.monotonic()
        for number in range(20):
            crew.add("s", record(number))
        assert crew.drain()
        seconds = time.monotonic() - started

    assert 1.9 <= seconds < 4.5  # one after the other would take 6


def test_without_records_nothing_is_sent() -> None:
    """A state alone is written; the receiver hears nothing."""
    states: list[bytes] = []
    with Receiver() as hook, delivery(hook, write_state=states.append) as crew:
        crew.mark(b"1")
        assert crew.drain()

    assert states == [b"1"]
    assert not hook.connections


def test_an_odd_acceptance_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """202 counts as accepted, and the log says so one time."""
    with (
        caplog.at_level(logging.INFO),
        Receiver([202] * 30) as hook,
        delivery(hook, batch_size_rows=1) as crew,
    ):
        for number in range(30):
            crew.add("s", record(number))
        assert crew.drain()

    assert caplog.text.count("202 Accepted: taken as accepted") == 1


def test_the_stats_hold_at_every_moment() -> None:
    """Latencies, limit and the age of what is held can be read while it runs."""
    arrived, released = threading.Event(), threading.Event()

    def judge(request: Request) -> None:
        del request
        arrived.set()
        released.wait(20)

    with Receiver(judge=judge) as hook, delivery(hook) as crew:
        assert crew.stats.oldest_unacknowledged_seconds == 0
        crew.add("s", record(1))
        assert not crew.drain(0.1)
        assert arrived.wait(20)
        assert not crew.drain(0.3)
        assert crew.stats.in_flight == 1
        assert crew.stats.undelivered == 1
        assert crew.stats.oldest_unacknowledged_seconds > 0.3
        released.set()
        assert crew.drain()
        assert crew.stats.oldest_unacknowledged_seconds == 0
        assert all(seconds > 0.25 for seconds in crew.stats.latencies)
