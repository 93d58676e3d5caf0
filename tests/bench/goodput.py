"""What the target still delivers when requests fail at random; what an outage costs.

The first on real sockets, the second in simulated time, as ten minutes are long.
"""

from __future__ import annotations

import random
import threading
import time
from typing import TYPE_CHECKING

from target_patterns_webhook.delivery.crew import Delivery
from tests.bench.process import BenchError
from tests.bench.report import table
from tests.support.receiver import Receiver
from tests.support.simulation import Simulation, answer, settings

if TYPE_CHECKING:
    from target_patterns_webhook.http.outcome import Outcome
    from tests.bench.ground import Ground
    from tests.bench.report import Report
    from tests.support.receiver import Request

LATENCY = 0.1
SENDERS = (1, 4, 8)
SHARES = (0.1, 0.3, 0.5)
FAULTS = ("503", "429", "500", "reset", "cut")  # each after LATENCY
BATCHES = 60  # a sender
PROMISED = 0.6  # of (1 - share)
OUTAGE = (5.0, 605.0)  # seconds of simulated time
SEEDS = 10


def measure(ground: Ground, report: Report) -> None:
    """Deliver under faults, then through outages."""
    rows = []
    least = 1.0
    for senders in SENDERS:
        batches = ground.size(BATCHES * 1_000) // 1_000 * senders
        clean = rate(senders, 0.0, batches)
        cells = [f"{clean:.1f}"]
        for share in SHARES:
            part = rate(senders, share, batches) / clean
            least = min(least, part / (1 - share))
            cells.append(f"{part:.2f}")
        rows.append([f"{senders} at once", *cells, str(outage(senders))])
    report.ratio("goodput under faults / (1 - p), the least", least, PROMISED)
    most = max(int(row[-1]) for row in rows)
    report.ratio("requests in a 10-minute outage", most, 30, at_most=True)
    promised = [f"{PROMISED * (1 - share):.2f}" for share in SHARES]
    report.add(
        "Goodput under faults",
        f"A receiver on this machine that takes {LATENCY * 1000:.0f} ms; a share p of"
        " requests gets 503, 429 or 500, a reset or a cut answer instead, at random."
        " Requests accepted a second without faults, then which part of that is left."
        " The last column is from simulated time, the most of"
        f" {2 * SEEDS}: requests to a receiver that is down for ten minutes.",
        table(
            ["", "p = 0", *(f"p = {share}" for share in SHARES), "outage"],
            [*rows, ["promised, at least", "", *promised, "at most 30"]],
        ),
    )


def rate(senders: int, share: float, batches: int) -> float:
    """Deliver so many batches. Return how many were accepted a second."""
    chance, lock = random.Random(senders), threading.Lock()  # noqa: S311 - faults

    def judge(request: Request) -> str | None:
        del request
        with lock:
            return chance.choice(FAULTS) if chance.random() < share else None

    with Receiver(latency=LATENCY, judge=judge) as receiver:
        given = settings(
            webhook_url=receiver.url, batch_size_rows=1, max_parallel_requests=senders
        )
        with Delivery(given, write_state=len) as delivery:
            began = time.monotonic()
            for number in range(batches):
                delivery.add("events", b'{"id":%d}' % number)
            delivery.drain()
            took = time.monotonic() - began
        if len(receiver.counts) != batches:
            msg = f"{len(receiver.counts)} of {batches} records arrived"
            raise BenchError(msg)
    return batches / took


def outage(senders: int) -> int:
    """Return the most requests that were sent to a receiver that is down."""
    counts = []
    for status in (0, 503):
        for seed in range(SEEDS):

            def receive(
                simulation: Simulation, ids: list[int], size: int, status: int = status
            ) -> Outcome:
                del ids, size
                down = OUTAGE[0] <= simulation.now < OUTAGE[1]
                return answer(status if down else 200, LATENCY)

            run = Simulation(
                receive, seed=seed, batch_size_rows=1, max_parallel_requests=senders
            ).run(60 * senders)
            counts.append(sum(OUTAGE[0] <= sent.at < OUTAGE[1] for sent in run.log))
    return max(counts)
