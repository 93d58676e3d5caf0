"""The ids of batches, as a receiver sees them: the same in each run, never shared."""

from __future__ import annotations

import threading
from collections import Counter

import pytest

from tests.support.receiver import Receiver, Request
from tests.target.delivery.crews import delivery, record


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
