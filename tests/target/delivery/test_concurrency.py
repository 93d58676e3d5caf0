"""How many requests the crew has in flight, at receivers of every temper."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.simulation import Simulation, answer

if TYPE_CHECKING:
    from target_patterns_webhook.http.outcome import Outcome


def settled(simulation: Simulation) -> list[int]:
    """Return how many were in flight at each request of the run's second half."""
    return [sent.in_flight for sent in simulation.log[len(simulation.log) // 2 :]]


def run(receiver: object, *, seed: int = 1, batches: int = 2000) -> Simulation:
    """Send so many batches of one record with 16 senders."""
    simulation = Simulation(
        receiver,  # type: ignore[arg-type]  # each test's own function
        seed=seed,
        batch_size_rows=1,
        max_parallel_requests=16,
    )
    return simulation.run(batches)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("noise", [0.0, 0.2])
def test_at_a_knee_of_five_the_crew_settles_within_two_of_it(
    seed: int, noise: float
) -> None:
    """Above five at once the receiver only queues, so more than that is in vain."""

    def receive(simulation: Simulation, ids: list[int], size: int) -> Outcome:
        del ids, size
        service = 0.1 * simulation.chance.uniform(1 - noise, 1 + noise)
        return answer(200, service * max(1.0, simulation.in_flight / 5))

    in_flight = settled(run(receive, seed=seed))

    assert 3 <= sum(in_flight) / len(in_flight) <= 7
    assert 3 <= sorted(in_flight)[len(in_flight) // 2] <= 7


@pytest.mark.parametrize("seed", range(5))
def test_a_hard_limit_of_five_is_found(seed: int) -> None:
    """A receiver that answers 429 above five at once is rarely asked for more."""

    def receive(simulation: Simulation, ids: list[int], size: int) -> Outcome:
        del ids, size
        return answer(429 if simulation.in_flight > 5 else 200, 0.1)

    simulation = run(receive, seed=seed)

    refused = sum(sent.status == 429 for sent in simulation.log)
    assert refused / len(simulation.log) < 0.1
    assert sorted(simulation.accepted) == list(range(2000))


@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_a_receiver_with_room_is_given_all_senders(noise: float) -> None:
    """Constant or noisy latency that does not grow is no reason to hold back."""

    def receive(simulation: Simulation, ids: list[int], size: int) -> Outcome:
        del ids, size
        return answer(200, 0.1 * simulation.chance.uniform(1 - noise, 1 + noise))

    in_flight = settled(run(receive))

    assert sum(in_flight) / len(in_flight) >= 14


def test_eight_senders_are_six_times_one() -> None:
    """At 100 ms of latency the crew's start-up costs less than a quarter."""

    def receive(simulation: Simulation, ids: list[int], size: int) -> Outcome:
        del simulation, ids, size
        return answer(200, 0.1)

    one, eight = (
        Simulation(receive, batch_size_rows=1, max_parallel_requests=parallel)
        for parallel in (1, 8)
    )

    assert one.run(200).now >= 6 * eight.run(200).now


def test_time_outs_halve_the_crew_and_success_restores_it() -> None:
    """Under time-outs fewer are sent; afterwards the crew grows back."""

    def receive(simulation: Simulation, ids: list[int], size: int) -> Outcome:
        del ids, size
        return answer(504 if 10 <= simulation.now < 30 else 200, 0.1)

    simulation = run(receive, batches=6000)
    during = [sent.in_flight for sent in simulation.log if 11 <= sent.at < 30]
    after = [sent.in_flight for sent in simulation.log if sent.at >= 30]

    assert max(during) <= 8
    assert max(after) == 16


def test_a_receiver_that_has_become_slower_keeps_its_senders() -> None:
    """Twice the latency, with room as before, is no queue: that is looked at anew."""

    def receive(simulation: Simulation, ids: list[int], size: int) -> Outcome:
        del ids, size
        return answer(200, 0.1 if simulation.now < 10 else 0.25)

    in_flight = settled(run(receive, batches=12_000))

    assert sum(in_flight) / len(in_flight) >= 12
