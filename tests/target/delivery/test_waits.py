"""When a request is sent again, and whom an answer holds back. In simulated time."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from target_patterns_webhook.errors import FatalError, GaveUpError
from tests.support.simulation import Simulation, answer

if TYPE_CHECKING:
    from target_patterns_webhook.http.outcome import Outcome

LATENCY = 0.01
NOTHING = ["0", "-3", "Sat, 21 Nov 2020 12:00:00 GMT", "0.0", "soon", "-0", "1e9", ""]


@pytest.mark.parametrize("senders", [1, 4, 8])
@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("asked", NOTHING)
def test_a_retry_after_of_nothing_does_not_replace_the_back_off(
    asked: str, status: int, senders: int
) -> None:
    """0, a past date, a negative number, nonsense: a minute costs some 20 requests."""

    def receive(simulation: Simulation, ids: list[int], size: int) -> Outcome:
        del ids, size
        if 2 <= simulation.now < 62:
            return answer(status, LATENCY, Retry_After=asked)
        return answer(200, LATENCY)

    simulation = Simulation(receive, batch_size_rows=1, max_parallel_requests=senders)
    simulation.run(250 * senders, until=62)

    refused = [sent.at for sent in simulation.log if sent.status == status]
    assert 5 <= len(refused) <= 22
    assert sum(at < 7 for at in refused) <= 18


@pytest.mark.parametrize("asked", [1, 5, 30])
@pytest.mark.parametrize("senders", [1, 4, 8])
def test_a_wait_that_is_asked_for_again_and_again_grows(
    senders: int, asked: int
) -> None:
    """Never earlier than asked, and still at most 30 requests in ten minutes."""

    def receive(simulation: Simulation, ids: list[int], size: int) -> Outcome:
        del ids, size
        if 2 <= simulation.now < 602:
            return answer(503, LATENCY, Retry_After=str(asked))
        return answer(200, LATENCY)

    simulation = Simulation(receive, batch_size_rows=1, max_parallel_requests=senders)
    simulation.run(300 * senders)

    refused = [sent.at for sent in simulation.log if sent.status == 503]
    flight = [at for at in refused if at < refused[0] + LATENCY]
    probes = [at for at in refused if at not in flight]
    assert len(refused) <= 30
    for before, after in zip([flight[-1], *probes], probes, strict=False):
        assert after - before >= asked
    assert sorted(simulation.accepted) == list(range(300 * senders))


def test_a_bare_503_holds_every_sender() -> None:
    """Without Retry-After nothing starts before the back-off or an acceptance."""

    def receive(simulation: Simulation, ids: list[int], size: int) -> Outcome:
        del ids, size
        return answer(503 if 20 <= simulation.now < 30 else 200, 1.0)

    simulation = Simulation(receive, batch_size_rows=1, max_parallel_requests=4)
    simulation.run(200)

    refused = [sent.at + 1.0 for sent in simulation.log if sent.status == 503]
    heard = sorted(refused)[3]  # the last of the first flight
    after = [sent.at for sent in simulation.log if sent.at > heard]
    assert len([at for at in after if at < heard + 1]) <= 4
    assert simulation.outbox.stats.waited_seconds > 1


def test_an_acceptance_ends_a_hold_of_our_own() -> None:
    """One 503 among four requests holds the others for no longer than an answer."""
    odd = iter([False] * 40 + [True])

    def receive(simulation: Simulation, ids: list[int], size: int) -> Outcome:
        del simulation, ids, size
        return answer(503, 0.1) if next(odd, False) else answer(200, 1.0)

    simulation = Simulation(receive, batch_size_rows=1, max_parallel_requests=4)
    simulation.run(120)
    times = [sent.at for sent in simulation.log]

    assert max(b - a for a, b in itertools.pairwise(times)) <= 1.0
    assert simulation.outbox.stats.waited_seconds < 1.0


@pytest.mark.parametrize("senders", [4, 8, 16])
def test_a_receiver_that_refuses_at_once_above_five_is_kept_busy(senders: int) -> None:
    """It answers 429 at once to a sixth request, with no Retry-After: no flood comes.

    What it accepts comes at its full speed; for each of these it refuses two at most.
    """
    ends: list[float] = []

    def receive(simulation: Simulation, ids: list[int], size: int) -> Outcome:
        del ids, size
        ends[:] = [end for end in ends if end > simulation.now]
        if len(ends) >= 5:
            return answer(429, 0.005)
        ends.append(simulation.now + 0.1)
        return answer(200, 0.1)

    simulation = Simulation(receive, batch_size_rows=1, max_parallel_requests=senders)
    simulation.run(1500)

    refused = sum(sent.status == 429 for sent in simulation.log)
    assert refused <= 2 * 1500
    assert simulation.now <= 1500 * 0.1 / min(senders, 5) * 1.3


def test_a_rate_above_which_everything_is_refused_is_lived_with() -> None:
    """Ten a second, then a bare 429 at once: all arrives, a third of it at once."""
    taken: list[float] = []

    def receive(simulation: Simulation, ids: list[int], size: int) -> Outcome:
        del ids, size
        taken[:] = [at for at in taken if at > simulation.now - 1]
        if len(taken) >= 10:
            return answer(429, 0.005)
        taken.append(simulation.now)
        return answer(200, 0.1)

    simulation = Simulation(receive, batch_size_rows=1, max_parallel_requests=8)
    simulation.run(600)

    refused = sum(sent.status == 429 for sent in simulation.log)
    assert refused <= 2 * 600
    assert sorted(simulation.accepted) == list(range(600))
    assert simulation.now <= 200


@pytest.mark.parametrize(
    "first",
    [
        pytest.param([answer(0, 30)], id="reset"),
        pytest.param([answer(504, 1)], id="gateway-time-out"),
        pytest.param([answer(0, 1), answer(409, 1)], id="still-busy-then"),
        pytest.param([answer(503, 1), answer(409, 1), answer(409, 1)], id="twice"),
        pytest.param([answer(0, 1), answer(409, 1, Retry_After="7")], id="asks"),
    ],
)
@pytest.mark.parametrize("senders", [1, 4])
def test_a_409_to_a_batch_that_was_sent_before_is_sent_again(
    first: list[Outcome], senders: int
) -> None:
    """Its first attempt may still be worked on: the run waits for it and goes on."""
    said: dict[int, list[Outcome]] = {5: [*first, answer(409, 1)]}

    def receive(simulation: Simulation, ids: list[int], size: int) -> Outcome:
        del simulation, size
        left = said.get(ids[0])
        return left.pop(0) if left else answer(200, 0.1)

    simulation = Simulation(receive, batch_size_rows=1, max_parallel_requests=senders)
    simulation.run(50)

    assert simulation.failure is None
    assert sorted(simulation.accepted) == list(range(50))
    again = [sent for sent in simulation.log if sent.ids == [5]]
    assert len(again) == len(first) + 2
    assert len({sent.id for sent in again}) == 1
    if first[-1].retry_after:
        at = [sent.at for sent in again]
        assert at[2] - at[1] >= 8  # its second and the seven


def test_a_409_is_retried_for_as_long_as_the_settings_say() -> None:
    """A receiver that says it for ever ends the run like one that is down."""

    def receive(simulation: Simulation, ids: list[int], size: int) -> Outcome:
        del ids, size
        return answer(0 if simulation.now < 1 else 409, 1)

    simulation = Simulation(receive, batch_size_rows=1, max_retry_seconds=100).run(1)

    assert isinstance(simulation.failure, GaveUpError)
    assert "409 Conflict" in str(simulation.failure)
    assert "max_retry_seconds" in str(simulation.failure)


@pytest.mark.parametrize("before", [[], [200, 200]])
def test_a_409_to_a_first_attempt_stops_the_run(before: list[int]) -> None:
    """Nothing of this batch was sent before, so no retry will change the answer."""
    script = iter([*before, 409])

    def receive(simulation: Simulation, ids: list[int], size: int) -> Outcome:
        del simulation, ids, size
        return answer(next(script), 0.1)

    simulation = Simulation(receive, batch_size_rows=1, max_parallel_requests=1)
    simulation.run(5)

    assert isinstance(simulation.failure, FatalError)
    assert "The webhook answered 409 Conflict." in str(simulation.failure)
    assert len(simulation.log) == len(before) + 1
