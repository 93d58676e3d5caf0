"""When requests are sent, retried and given up, in simulated time."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from target_patterns_webhook.errors import FatalError, GaveUpError
from tests.support.simulation import Simulation, answer
from tests.target.delivery.receivers import LATENCY

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_patterns_webhook.http.outcome import Outcome

    Receiver = Callable[[Simulation, list[int], int], Outcome]


def outage(begin: float, end: float) -> Receiver:
    """Make a receiver that is gone for a while."""

    def receive(simulation: Simulation, ids: list[int], size: int) -> Outcome:
        del ids, size
        return answer(0 if begin <= simulation.now < end else 200, LATENCY)

    return receive


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("status", [0, 500, 503, 429])
def test_an_outage_of_ten_minutes_costs_at_most_30_requests(
    seed: int, status: int
) -> None:
    """However the receiver fails, it is left in peace, and then gets everything."""

    def receive(simulation: Simulation, ids: list[int], size: int) -> Outcome:
        del ids, size
        return answer(status if 5 <= simulation.now < 605 else 200, LATENCY)

    senders = (1, 4, 8)[seed % 3]
    records = 1_000 * senders
    simulation = Simulation(
        receive, seed=seed, batch_size_rows=5, max_parallel_requests=senders
    ).run(records)

    failed = [sent for sent in simulation.log if sent.status == status]
    assert 10 <= len(failed) <= 30
    assert simulation.failure is None
    assert sorted(simulation.accepted) == list(range(records))
    assert simulation.states[-1] == records - 1
    assert simulation.now < 605 + 90


def test_after_an_outage_one_request_goes_first() -> None:
    """No storm: a probe alone, then more with each success."""
    simulation = Simulation(outage(5, 605), max_parallel_requests=8, batch_size_rows=1)
    simulation.run(1000)
    after = [sent.in_flight for sent in simulation.log if sent.at >= 605]

    assert after[0] == 1
    assert all(sent.in_flight == 1 for sent in simulation.log if 6 <= sent.at < 605)
    assert max(after) > 4


@pytest.mark.parametrize("seed", range(10))
def test_ten_per_cent_of_503_cost_one_repeat_each(seed: int) -> None:
    """Nothing is sent again but what failed: requests / batches <= 1.15."""

    def receive(simulation: Simulation, ids: list[int], size: int) -> Outcome:
        del ids, size
        return answer(503 if simulation.chance.random() < 0.1 else 200, LATENCY)

    simulation = Simulation(receive, seed=seed, batch_size_rows=2).run(4_000)

    stats = simulation.outbox.stats
    assert stats.batches == 2000
    assert stats.requests / stats.batches <= 1.15
    assert sorted(simulation.accepted) == list(range(4_000))


@pytest.mark.parametrize("begin", [0, 3])
def test_a_storm_of_429_sees_two_requests_in_five_seconds(begin: float) -> None:
    """A minute of 429 with Retry-After: 5 holds every sender; all arrives after it."""

    def receive(simulation: Simulation, ids: list[int], size: int) -> Outcome:
        del ids, size
        if begin <= simulation.now < begin + 60:
            return answer(429, LATENCY, Retry_After="5")
        return answer(200, LATENCY)

    simulation = Simulation(receive, max_parallel_requests=8, batch_size_rows=1)
    simulation.run(800)

    storm = [sent.at for sent in simulation.log if begin + 1 <= sent.at < begin + 60]
    if not begin:
        storm = [sent.at for sent in simulation.log if sent.at < 60]
    assert storm
    for at in storm:
        assert sum(at <= other < at + 5 for other in storm) <= 2
    assert sorted(simulation.accepted) == list(range(800))


def test_nothing_is_sent_before_the_time_that_was_asked_for() -> None:
    """Retry-After holds every sender, to the second, and a batch keeps its id."""

    def receive(simulation: Simulation, ids: list[int], size: int) -> Outcome:
        del ids, size
        late = 5 <= simulation.now < 25
        return answer(429, LATENCY, Retry_After="20") if late else answer(200, LATENCY)

    simulation = Simulation(receive, batch_size_rows=1).run(400)
    refused = [sent for sent in simulation.log if sent.status == 429]
    first = min(sent.at for sent in refused) + LATENCY

    assert not [sent for sent in simulation.log if first < sent.at < first + 20]
    for sent in refused:
        assert [s.id for s in simulation.log if s.ids == sent.ids] == [sent.id] * 2


def test_a_wait_beyond_the_patience_ends_the_run_now() -> None:
    """A Retry-After longer than max_retry_seconds is not waited for, and said."""

    def receive(simulation: Simulation, ids: list[int], size: int) -> Outcome:
        del simulation, ids, size
        return answer(429, LATENCY, Retry_After="1000000000")

    simulation = Simulation(receive).run(10)

    assert isinstance(simulation.failure, GaveUpError)
    assert "asks to wait 315,360,000 s" in str(simulation.failure)
    assert simulation.now < 1


def test_a_batch_is_retried_for_as_long_as_the_settings_say() -> None:
    """After max_retry_seconds the run stops; the last try is at the very end."""
    simulation = Simulation(outage(0, 1e9), max_retry_seconds=100).run(10)

    assert isinstance(simulation.failure, GaveUpError)
    assert "max_retry_seconds" in str(simulation.failure)
    assert 100 <= simulation.now < 101
    assert not simulation.states


@pytest.mark.parametrize("status", [401, 403, 404, 410, 301])
def test_what_no_retry_can_mend_stops_at_once(status: int) -> None:
    """A wrong token costs one request and no record."""

    def receive(simulation: Simulation, ids: list[int], size: int) -> Outcome:
        del simulation, ids, size
        return answer(status, LATENCY)

    simulation = Simulation(receive, on_rejected="dead_letter").run(5000)

    assert isinstance(simulation.failure, FatalError)
    assert str(status) in str(simulation.failure)
    assert len(simulation.log) == 1
    assert not simulation.letters


def test_a_failure_later_keeps_what_was_accepted_before() -> None:
    """Answers still on their way when a run fails count; states go as far as they."""

    def receive(simulation: Simulation, ids: list[int], size: int) -> Outcome:
        del simulation, size
        return answer(403, 0) if ids[0] >= 5000 else answer(200, LATENCY)

    simulation = Simulation(receive).run(20_000)

    assert isinstance(simulation.failure, FatalError)
    assert sorted(simulation.accepted) == list(range(5000))
    assert simulation.states[-1] == 4999


def test_a_lost_kept_connection_is_tried_again_at_once() -> None:
    """A connection that the receiver had closed meanwhile costs no wait."""
    lost = iter([True])

    def receive(simulation: Simulation, ids: list[int], size: int) -> Outcome:
        del simulation, ids, size
        if next(lost, False):
            from dataclasses import replace  # noqa: PLC0415 - only here

            return replace(answer(0), stale=True)
        return answer(200)

    simulation = Simulation(receive).run(10)

    assert simulation.now == 0
    assert simulation.outbox.stats.retries == {"connection broken": 1}


@examples(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    parallel=st.integers(1, 12),
    rows=st.integers(1, 40),
    poison=st.sets(st.integers(100, 399), max_size=12),
)
def test_under_any_mix_of_faults_each_record_is_settled(
    seed: int, parallel: int, rows: int, poison: set[int]
) -> None:
    """503, 429, resets, time-outs, 413 and refused records, mixed: nothing is lost.

    No state is ahead (the simulation checks each), no record is in two requests at
    once, what is sent again has its id again, and one sender keeps strict order.
    """
    faults = [answer(0, 0.2), answer(503, 0.1), answer(429, 0.1, Retry_After="2")]
    faults.append(answer(500, 0.3))

    def receive(simulation: Simulation, ids: list[int], size: int) -> Outcome:
        if simulation.chance.random() < 0.2:
            return simulation.chance.choice(faults)
        if size > 250 and len(ids) > 1:
            return answer(413, 0.1)
        status = 200 if poison.isdisjoint(ids) else 422
        return answer(status, simulation.chance.uniform(0.01, 0.5))

    simulation = Simulation(
        receive,
        seed=seed,
        max_parallel_requests=parallel,
        batch_size_rows=rows,
        on_rejected="dead_letter",
    ).run(400)

    assert simulation.failure is None
    assert Counter(simulation.accepted + simulation.letters) == Counter(range(400))
    assert set(simulation.letters) == poison
    assert simulation.states[-1] == 399
    assert simulation.outbox.bytes == 0
    ids = {tuple(sent.ids): sent.id for sent in simulation.log}
    assert all(ids[tuple(sent.ids)] == sent.id for sent in simulation.log)
    assert max(sent.in_flight for sent in simulation.log) <= parallel
    if parallel == 1:
        assert simulation.accepted == sorted(simulation.accepted)
