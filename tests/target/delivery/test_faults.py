"""Receivers that fail at random, on real sockets: no loss, no state ahead, speed."""

from __future__ import annotations

import random
import time

import pytest

from target_patterns_webhook.errors import RejectedError
from tests.support.receiver import Receiver, Request
from tests.target.delivery.crews import delivery, record


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
