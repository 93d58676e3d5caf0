"""What the crew still delivers when requests fail at random, and what an outage costs.

In simulated time. ``docs/delivery.md`` says what is promised.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from target_patterns_webhook.http.outcome import Outcome, Verdict
from tests.support.simulation import Simulation, answer

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    Fault = Callable[[float, Random], Outcome]

PROMISED = 0.6
QUICK = 0.001  # seconds


def time_out(seconds: float) -> Outcome:
    """Return what the transport makes of a request that hangs."""
    return Outcome(Verdict.RETRY, "time-out", seconds=seconds, timed_out=True)


FAULTS: dict[str, Fault] = {
    "503": lambda latency, _: answer(503, latency),
    "429": lambda latency, _: answer(429, latency),
    "reset or cut": lambda latency, _: answer(0, latency),
    "hang": lambda latency, _: time_out(latency),
    "long hang": lambda latency, _: time_out(10 * latency),
    "503 at once": lambda *_: answer(503, QUICK),
    "reset at once": lambda *_: answer(0, QUICK),
    "Retry-After: 0": lambda latency, _: answer(503, latency, Retry_After="0"),
}
FAULTS["mixed"] = lambda latency, chance: FAULTS[
    chance.choice([name for name in FAULTS if name != "mixed"])
](latency, chance)
LONGER = {"long hang", "mixed"}  # than an accepted request, so they cost more than it


class Run:
    """So many batches of one record, delivered while a share of requests fails."""

    def __init__(  # noqa: PLR0913 - one run, all by name
        self,
        fault: str,
        *,
        share: float,
        senders: int,
        latency: float,
        seed: int = 1,
        batches: int = 200,
    ) -> None:
        self.spent = 0.0  # seconds of requests, all senders together

        def receive(simulation: Simulation, ids: list[int], size: int) -> Outcome:
            del ids, size
            fails = simulation.chance.random() < share
            said = answer(200, latency)
            if fails:
                said = FAULTS[fault](latency, simulation.chance)
            self.spent += said.seconds
            return said

        run = Simulation(
            receive, seed=seed, batch_size_rows=1, max_parallel_requests=senders
        ).run(batches)
        assert run.failure is None
        assert sorted(run.accepted) == list(range(batches))
        self.seconds = run.now


@pytest.mark.parametrize("latency", [0.1, 0.5])
@pytest.mark.parametrize("senders", [1, 4, 8])
@pytest.mark.parametrize("share", [0.1, 0.3, 0.5])
@pytest.mark.parametrize("fault", FAULTS)
def test_random_faults_leave_the_senders_busy(
    fault: str, share: float, senders: int, latency: float
) -> None:
    """Of requests failing at random the crew loses little more than these requests.

    At least 0.6 * (1 - p) of what the same senders deliver without faults. A fault that
    takes longer than an answer costs that time too, in any sender: there the senders
    are at least 0.6 times as busy as without faults.
    """
    clean = Run(fault, share=0, senders=senders, latency=latency)
    run = Run(fault, share=share, senders=senders, latency=latency, seed=senders)

    if fault in LONGER:
        assert run.spent / run.seconds >= PROMISED * clean.spent / clean.seconds
    else:
        assert clean.seconds / run.seconds >= PROMISED * (1 - share)


@pytest.mark.prove
@pytest.mark.parametrize("senders", [1, 4, 8, 16])
@pytest.mark.parametrize("fault", FAULTS)
def test_over_many_runs_the_senders_are_busier_than_promised(
    fault: str, senders: int
) -> None:
    """With half of all requests failing the mean of 12 runs is what is promised."""
    clean = Run(fault, share=0, senders=senders, latency=0.1, batches=400)
    runs = [
        Run(fault, share=0.5, senders=senders, latency=0.1, seed=seed, batches=400)
        for seed in range(12)
    ]
    seconds = sum(run.seconds for run in runs)

    if fault in LONGER:
        busy = sum(run.spent for run in runs) / seconds
        assert busy / (clean.spent / clean.seconds) >= (
            PROMISED if senders <= 8 else 0.4
        )
    else:
        assert 12 * clean.seconds / seconds >= PROMISED * 0.5
