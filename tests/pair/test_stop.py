"""Ctrl-C and SIGTERM over the pair: both stop as one, and the next run goes on."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

import pytest

from tests.pair.test_kill import overtaken

if TYPE_CHECKING:
    from tests.pair.ends import Ends

ROWS = 4_000
PAGE = 200


@pytest.mark.parametrize(
    ("signals", "codes"),
    [
        pytest.param((signal.SIGTERM,), (143, 143), id="sigterm"),
        pytest.param((signal.SIGINT, signal.SIGTERM), (130, 130), id="ctrl-c-twice"),
    ],
)
def test_a_stop_of_the_whole_group_loses_nothing(
    ends: Ends, signals: tuple[signal.Signals, ...], codes: tuple[int, int]
) -> None:
    """A runner's second signal is the same stop: states, summaries, one line each.

    Whoever runs both in one process group gives SIGINT to both at Ctrl-C, and Meltano
    then sends SIGTERM.
    """
    ends.ingest(ROWS)
    ends.sandbox.behave(latency_seconds=0.05)
    pipe = ends.pipe(ends.tap(page_size=PAGE), ends.target(batch_size_rows=50))
    with pipe.started() as run:
        run.until(lambda: ends.count() >= ROWS // 10)
        for number in signals:
            os.killpg(run.tap.pid, number)
            time.sleep(0.02)
        run.wait()
    stopped = dict(run.said)
    between = ends.count()
    assert not overtaken(ends, pipe)
    ends.sandbox.behave(latency_seconds=0)
    pipe.run()

    assert run.codes == codes, run.last_words
    for said in stopped.values():
        assert f"Stopped by {signals[0].name}. " in said.splitlines()[-1]
        assert "Traceback" not in said
    assert f"{between:,} accepted" in stopped["target"]
    assert between < ROWS
    assert set(ends.arrived()) == ends.sent()
    assert ends.arrived().total() <= ROWS + 2 * PAGE  # behind the last state
