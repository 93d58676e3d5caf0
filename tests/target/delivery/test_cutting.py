"""Which requests find a record that is refused, or a body that is too large."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

from target_patterns_webhook.errors import FatalError, RejectedError
from tests.support.simulation import Simulation, answer
from tests.target.delivery.receivers import LATENCY, refuses

if TYPE_CHECKING:
    from target_patterns_webhook.http.outcome import Outcome


def refuses_all(simulation: Simulation, ids: list[int], size: int) -> Outcome:
    """Refuse everything."""
    del simulation, ids, size
    return answer(400, LATENCY)


@pytest.mark.parametrize("parallel", [1, 4])
@pytest.mark.parametrize("records", [2, 3, 5, 64, 100, 500])
def test_one_refused_record_costs_few_requests(records: int, parallel: int) -> None:
    """One refused of n: at most 2 * ceil(log2 n) + 1 requests, the rest accepted once.

    That holds for each place that it may have, and for the first batch of a run.
    """
    for poison in range(0, records, max(1, records // 25)):
        simulation = Simulation(
            refuses(poison), max_parallel_requests=parallel, on_rejected="dead_letter"
        ).run(records)

        assert len(simulation.log) <= 2 * math.ceil(math.log2(records)) + 1
        assert simulation.letters == [poison]
        others = [number for number in range(records) if number != poison]
        assert sorted(simulation.accepted) == others
        if parallel == 1:
            assert simulation.accepted == others


@pytest.mark.parametrize("status", [400, 422])
def test_with_on_rejected_fail_the_others_are_delivered_first(status: int) -> None:
    """The run stops with how many records were refused, of which stream, and how."""
    simulation = Simulation(refuses(700, 800, status=status)).run(5000)

    assert isinstance(simulation.failure, RejectedError)
    assert f"refused 2 of 500 records of a batch of stream 's' with {status}" in str(
        simulation.failure
    )
    assert set(range(500, 1000)) - set(simulation.accepted) == {700, 800}
    assert max(simulation.states, default=0) < 700


@pytest.mark.parametrize("rows", [1, 2, 3, 500])
@pytest.mark.parametrize("parallel", [1, 8])
@pytest.mark.parametrize("on_rejected", ["fail", "dead_letter"])
def test_a_receiver_that_refuses_everything_makes_no_dead_letters(
    rows: int, parallel: int, on_rejected: str
) -> None:
    """Three single records are tried at most; then the run stops, the file empty."""
    simulation = Simulation(
        refuses_all,
        batch_size_rows=rows,
        max_parallel_requests=parallel,
        on_rejected=on_rejected,
    ).run(5000)

    assert simulation.failure is not None
    assert not simulation.letters
    assert not simulation.states
    assert len(simulation.log) <= 5


def test_a_run_of_refused_records_only_is_no_success() -> None:
    """Even when there are fewer of them than are tried: nothing is put aside."""
    simulation = Simulation(refuses_all, on_rejected="dead_letter").run(1)

    assert isinstance(simulation.failure, FatalError)
    assert "refused every record that was tried (1, of" in str(simulation.failure)
    assert not simulation.letters


def test_two_refused_first_batches_are_put_aside_when_others_are_accepted() -> None:
    """What is refused first waits for the first acceptance, then counts."""
    simulation = Simulation(
        refuses(0, 1), batch_size_rows=1, on_rejected="dead_letter"
    ).run(100)

    assert simulation.failure is None
    assert simulation.letters == [0, 1]
    assert simulation.states == [99]


def test_a_thousand_rejections_in_a_row_stop_the_run() -> None:
    """A receiver that starts to refuse everything gets no further."""
    simulation = Simulation(refuses(*range(500, 10_000)), on_rejected="dead_letter")
    simulation.run(10_000)

    assert isinstance(simulation.failure, FatalError)
    assert "1,000 records in a row" in str(simulation.failure)
    assert len(simulation.letters) == 999


def test_below_that_dead_letters_have_no_cap() -> None:
    """Every tenth record refused: all of them are put aside, the rest delivered."""
    simulation = Simulation(
        refuses(*range(0, 12_000, 10)), on_rejected="dead_letter"
    ).run(12_000)

    assert simulation.failure is None
    assert sorted(simulation.letters) == list(range(0, 12_000, 10))
    assert len(simulation.accepted) == 10_800
    assert simulation.states[-1] == 11_999


def test_a_413_teaches_the_limit_once() -> None:
    """Bodies are halved until they fit; from then on no larger one is sent."""

    def receive(simulation: Simulation, ids: list[int], size: int) -> Outcome:
        del simulation, ids
        return answer(413 if size > 64_000 else 200, LATENCY)

    simulation = Simulation(receive, batch_size_rows=10_000).run(20_000, width=500)

    too_large = [n for n, sent in enumerate(simulation.log) if sent.status == 413]
    assert sorted(simulation.accepted) == list(range(20_000))
    assert len(too_large) <= 2 * math.ceil(math.log2(1_000_000 / 64_000))
    assert max(too_large) < 20
    assert simulation.failure is None


def test_a_record_that_is_too_large_alone_is_refused() -> None:
    """A 413 for a single record cannot be cut: it is put aside, the others arrive."""

    def receive(simulation: Simulation, ids: list[int], size: int) -> Outcome:
        del simulation, size
        return answer(413 if 150 in ids else 200, LATENCY)

    simulation = Simulation(receive, on_rejected="dead_letter").run(2000)

    assert simulation.letters == [150]
    assert len(simulation.accepted) == 1999
    assert simulation.states[-1] == 1999
