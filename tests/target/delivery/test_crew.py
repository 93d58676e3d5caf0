"""The crew, with its real threads, against receivers on real sockets."""

from __future__ import annotations

import contextlib
import json
import logging
import random
import re
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from target_patterns_webhook.delivery.crew import Delivery
from target_patterns_webhook.errors import (
    ConfigError,
    FatalError,
    GaveUpError,
    OutputError,
    RejectedError,
)
from tests.support.receiver import Receiver, Reply, Request
from tests.support.simulation import settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

FAST = 200.0  # times real time


def record(number: int) -> bytes:
    """Return a record with an id."""
    return b'{"id":%d}' % number


def delivery(
    hook: Receiver | str,
    *,
    write_state: Callable[[bytes], object] = len,
    keys: Callable[[str], Sequence[str]] = lambda _: (),
    fast: float = 1.0,
    **config: Any,  # noqa: ANN401 - any setting
) -> Delivery:
    """Return a delivery to a receiver; ``fast``: its waits are that much shorter."""
    url = hook if isinstance(hook, str) else hook.url
    config.setdefault("timeout_seconds", 30)
    return Delivery(
        settings(**{**config, "webhook_url": url}),
        write_state=write_state,
        keys=keys,
        clock=lambda: time.monotonic() * fast,
        wait=lambda condition, seconds: condition.wait(seconds and seconds / fast),
        chance=random.Random(7).random,  # noqa: S311 - jitter
    )


def eventually(true: Callable[[], object], seconds: float = 20) -> None:
    """Return as soon as it is true."""
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until
        time.sleep(0.01)


@pytest.fixture(autouse=True)
def _no_thread_outlives_a_test() -> Iterator[None]:
    """End each thread that a delivery starts with it."""
    before = set(threading.enumerate())
    yield
    eventually(lambda: set(threading.enumerate()) <= before, 10)


@pytest.mark.parametrize("parallel", [1, 4])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_under_faults_nothing_is_lost_and_no_state_is_ahead(
    seed: int, parallel: int
) -> None:
    """503, 429, resets before and after acceptance, cut answers and slowness, mixed.

    A state is written only when all before it was accepted; a body that is sent again
    is the same to the byte under the same key; twice is only what lost its answer.
    """
    chance = random.Random(seed)  # noqa: S311 - faults
    faults = ["503", "429:1", "reset", "accept-reset", "cut", "slow:0.2", "500"]
    ahead: list[bytes] = []
    states: list[int] = []

    def judge(request: Request) -> str | None:
        del request
        return chance.choice(faults) if chance.random() < 0.15 else None

    with Receiver(judge=judge) as hook:

        def write_state(state: bytes) -> None:
            states.append(int(state))
            if not set(map(str, range(int(state) + 1))) <= set(hook.accepted):
                ahead.append(state)

        with delivery(
            hook,
            write_state=write_state,
            fast=20,
            batch_size_rows=7,
            max_parallel_requests=parallel,
        ) as crew:
            for number in range(1000):
                crew.add("events", record(number))
                if number % 50 == 49:
                    crew.mark(b"%d" % number)
            assert crew.drain()
        stats = crew.stats

    assert not ahead
    assert states == sorted(set(states))
    assert states[-1] == 999
    assert set(hook.counts) == set(map(str, range(1000)))
    lost = {
        str(r["id"])
        for q in hook.requests
        if q.accepted and q.status != 200
        for r in q.records
    }
    assert {name for name, count in hook.counts.items() if count > 1} <= lost
    sent: dict[str, set[bytes]] = {}
    for request in hook.requests:
        sent.setdefault(request.headers["idempotency-key"], set()).add(request.wire)
    assert all(len(bodies) == 1 for bodies in sent.values())
    assert stats.read == stats.accepted == 1000
    assert stats.undelivered == 0
    assert hook.most_in_flight <= parallel
    assert sum(stats.retries.values()) == stats.requests - stats.batches


def test_one_sender_keeps_strict_order() -> None:
    """With max_parallel_requests 1 nothing overtakes, whatever is retried or cut."""
    chance = random.Random(1)  # noqa: S311 - faults

    def judge(request: Request) -> int | str | None:
        if chance.random() < 0.2:
            return chance.choice(["503", "reset", "500"])
        if len(request.wire) > 120:
            return 413
        return 400 if any(r["id"] in {37, 150} for r in request.records) else None

    with (  # noqa: PT012 - out of whichever call is next
        Receiver(judge=judge) as hook,
        pytest.raises(RejectedError, match="refused 1 of 20 records"),
        delivery(hook, fast=50, batch_size_rows=20, max_parallel_requests=1) as crew,
    ):
        for number in range(200):
            crew.add("s", record(number))
        crew.drain()

    expected = [str(n) for n in range(40) if n != 37]
    assert hook.accepted == expected


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


class Clock:
    """Time that runs faster, until it does not."""

    def __init__(self, speed: float) -> None:
        self._speed = speed
        self._base = self._since = time.monotonic()

    def __call__(self) -> float:
        """Return the time in seconds."""
        return self._base + (time.monotonic() - self._since) * self._speed

    def wait(self, condition: threading.Condition, seconds: float | None) -> None:
        """Wait in this time, a second at most, as its speed may change."""
        condition.wait(min(1, (1 if seconds is None else seconds) / self._speed))

    def real(self) -> None:
        """Run as other clocks do from now on."""
        self._base, self._since, self._speed = self(), time.monotonic(), 1.0


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


def test_refused_records_go_to_the_file_before_the_state(tmp_path: Path) -> None:
    """Each is in the dead-letter file, with what the receiver said, when a state is."""
    path = tmp_path / "dead.jsonl"
    bad = {5, 123, 124, 777}
    seen: list[tuple[int, set[int]]] = []

    def buried() -> set[int]:
        lines = path.read_bytes().splitlines()
        return {json.loads(line)["record"]["id"] for line in lines}

    def judge(request: Request) -> Reply | None:
        found = bad & {r["id"] for r in request.records}
        body = f"no {found} at {request.path}".encode()
        return Reply(status=422, body=body) if found else None

    with (
        Receiver(judge=judge) as hook,
        delivery(
            hook,
            write_state=lambda state: seen.append((int(state), buried())),
            batch_size_rows=100,
            on_rejected="dead_letter",
            dead_letter_path=str(path),
        ) as crew,
    ):
        for number in range(1000):
            crew.add("s", record(number))
            if number % 100 == 99:
                crew.mark(b"%d" % number)
        assert crew.drain()

    assert seen[-1] == (999, bad)
    for state, letters in seen:
        assert {number for number in bad if number <= state} <= letters
    assert Counter(map(int, hook.accepted)) == Counter(set(range(1000)) - bad)
    assert (crew.stats.accepted, crew.stats.dead_lettered) == (996, 4)
    lines = [json.loads(line) for line in path.read_bytes().splitlines()]
    assert {line["response"] for line in lines} == {f"no {{{n}}} at ***" for n in bad}


def test_senders_that_hang_are_awaited_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where connections cannot be broken off (name resolution), the run ends in time.

    All senders have one deadline, not one each.
    """
    monkeypatch.setattr("target_patterns_webhook.delivery.crew._LAST_SECONDS", 3.0)
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


@pytest.mark.parametrize("on_rejected", ["fail", "dead_letter"])
def test_a_refused_record_is_reported_with_its_key_and_the_reason(
    on_rejected: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Which record of which stream, and what the receiver said; never the webhook."""

    def judge(request: Request) -> Reply | None:
        if not any(r["id"] == 3 for r in request.records):
            return None
        body = f"field 'n' is\nno number at {request.path}".encode()
        return Reply(status=400, body=body)

    with Receiver(judge=judge) as hook, contextlib.suppress(RejectedError):
        crew = delivery(
            hook,
            keys={"s": ("shop", "id")}.__getitem__,
            batch_size_rows=5,
            on_rejected=on_rejected,
            dead_letter_path=str(tmp_path / "dead.jsonl"),
        )
        with crew:
            for number in range(10):
                crew.add("s", b'{"id":%d,"shop":"north"}' % number)
            crew.drain()

    said = caplog.text
    if on_rejected == "fail":
        assert isinstance(crew._problem, RejectedError)  # noqa: SLF001 - what came out
        said = str(crew._problem)  # noqa: SLF001
    assert "'s'" in said
    assert "shop north, id 3" in said
    assert "field 'n' is no number at ***" in said
    assert "400" in said
    assert "wh_canary" not in said


def test_a_full_disk_moves_no_state() -> None:
    """A dead letter that cannot be written ends the run behind the last safe state."""
    states: list[bytes] = []

    def judge(request: Request) -> int | None:
        return 400 if any(r["id"] == 15 for r in request.records) else None

    hook = Receiver(judge=judge)
    crew = delivery(
        hook,
        write_state=states.append,
        batch_size_rows=10,
        on_rejected="dead_letter",
        dead_letter_path="/dev/full",
    )
    with hook, pytest.raises(FatalError, match="/dev/full cannot be written"), crew:  # noqa: PT012 - out of whichever call is next
        for number in range(40):
            crew.add("s", record(number))
            crew.mark(b"%d" % number)
        crew.drain()

    assert max(map(int, states), default=0) < 15


def test_an_unwritable_dead_letter_path_sends_nothing(tmp_path: Path) -> None:
    """It is known before the first record is read."""
    with (
        Receiver() as hook,
        pytest.raises(ConfigError, match="dead_letter_path"),
        delivery(hook, on_rejected="dead_letter", dead_letter_path=str(tmp_path)),
    ):
        pass

    assert not hook.connections


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
        eventually(lambda: crew._failure)  # noqa: SLF001 - when, not what
        crew.add("s", record(1))


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
    clock = Clock(FAST)
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
            assert not crew.drain(180)
            crew.stop()

    told = re.findall(r"Service Unavailable\. Trying again in (\d+) s", caplog.text)
    assert {"2", "6", "26", "48"} & set(told) == {"2", "6", "26", "48"}


def test_two_runs_send_the_same_keys() -> None:
    """The same input makes the same bodies and keys, in any run."""
    keys = []
    for _ in range(2):
        with Receiver() as hook, delivery(hook, batch_size_rows=7) as crew:
            for number in range(100):
                crew.add("s", record(number))
            crew.drain()
        keys.append(sorted(q.headers["idempotency-key"] for q in hook.requests))

    assert keys[0] == keys[1]
    assert len(set(keys[0])) == 15


@pytest.mark.parametrize("parallel", [1, 4])
@pytest.mark.parametrize("form", ["array", "ndjson", "envelope"])
def test_equal_records_survive_a_receiver_that_drops_by_key(
    form: str, parallel: int
) -> None:
    """Batches of equal content, some sent twice, some cut: each record counts once.

    The receiver drops a request whose Idempotency-Key it has stored, as it is told to.
    A run over the same input that is answered alike uses the same keys again.
    """
    runs: list[dict[str, int]] = []
    for _ in range(2):
        seen: Counter[str] = Counter()
        stored: dict[str, int] = {}
        lock = threading.Lock()

        def judge(request: Request) -> str | int | None:
            key = request.headers["idempotency-key"]
            if len(request.records) > 4:
                return 413
            with lock:  # noqa: B023 - used within its round
                seen[key] += 1  # noqa: B023
                stored.setdefault(key, len(request.records))  # noqa: B023
                first = seen[key] == 1  # noqa: B023
            return "accept-reset" if first and int(key[-2], 36) % 3 == 0 else None

        with (
            Receiver(judge=judge) as hook,
            delivery(
                hook,
                fast=20,
                batch_size_rows=7,
                payload_format=form,
                max_parallel_requests=parallel,
            ) as crew,
        ):
            for number in range(210):
                crew.add("keyless", b'{"status":"ok","n":%d}' % (number // 70))
                if parallel == 1 and number % 7 == 0:
                    assert crew.drain()  # or time decides what a 413 makes smaller
            assert crew.drain()
        assert sum(stored.values()) == 210
        assert max(seen.values()) > 1
        runs.append(stored)

    if parallel == 1:
        assert runs[0] == runs[1]


@pytest.mark.parametrize("asked", ["0", "-1", "Sat, 21 Nov 2020 12:00:00 GMT"])
def test_a_retry_after_of_nothing_makes_no_storm(asked: str) -> None:
    """Three seconds of 429 or 503 that ask for no wait see a handful of requests."""
    taken = iter(range(40))

    def judge(request: Request) -> Reply | None:
        if next(taken, None) is not None:
            return None
        status = 429 if len(request.wire) % 2 else 503
        return Reply(status=status, headers={"Retry-After": asked})

    with Receiver(judge=judge) as hook, delivery(hook, batch_size_rows=1) as crew:
        for number in range(44):
            crew.add("s", record(number))
        assert not crew.drain(3)
        crew.stop()

    refused = [status for status in hook.statuses if status != 200]
    assert 3 <= len(refused) <= 25


@pytest.mark.parametrize("lost", ["accept-reset", "cut", "504"])
def test_a_409_after_a_lost_answer_is_waited_out(lost: str) -> None:
    """The receiver still works on the first attempt, twice; then it accepts."""
    with (
        Receiver([200, lost, 409, "409:1"]) as hook,
        delivery(hook, batch_size_rows=1, max_parallel_requests=1) as crew,
    ):
        for number in range(5):
            crew.add("s", record(number))
        assert crew.drain()

    keys = [request.headers["idempotency-key"] for request in hook.requests]
    assert hook.statuses[-4:] == [200] * 4
    assert keys.count(keys[1]) == 4
    assert set(hook.accepted) == {str(number) for number in range(5)}


def test_half_of_all_requests_failing_leaves_a_third_of_the_speed() -> None:
    """At 100 ms, with resets, 503, cut answers and time-outs, on real sockets.

    0.6 * (1 - p) of what the same senders deliver without faults. A machine that is
    busy with other things gets three tries.
    """

    def seconds(share: float, seed: int) -> float:
        chance = random.Random(seed)  # noqa: S311 - faults
        faults = ["503", "429", "reset", "accept-reset", "cut", "hang:0.2", "500"]

        def judge(request: Request) -> str | None:
            del request
            return chance.choice(faults) if chance.random() < share else None

        with (
            Receiver(latency=0.1, judge=judge) as hook,
            delivery(hook, batch_size_rows=1, timeout_seconds=0.6) as crew,
        ):
            began = time.monotonic()
            for number in range(100):
                crew.add("s", record(number))
            assert crew.drain()
            return time.monotonic() - began

    shares = (seconds(0, 1) / seconds(0.5, seed) for seed in range(3))
    assert any(share >= 0.6 * 0.5 for share in shares)


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
    with Receiver(["slow:1"]) as hook, delivery(hook) as crew:
        assert crew.stats.oldest_unacknowledged_seconds == 0
        crew.add("s", record(1))
        assert not crew.drain(0.3)
        assert crew.stats.in_flight == 1
        assert crew.stats.undelivered == 1
        assert crew.stats.oldest_unacknowledged_seconds > 0.2
        assert crew.drain()
        assert crew.stats.oldest_unacknowledged_seconds == 0
        assert all(0.9 < seconds < 10 for seconds in crew.stats.latencies)
