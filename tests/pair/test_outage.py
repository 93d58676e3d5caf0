"""PostHog and Patterns go away in the middle of a run."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from tests.pair.ends import API_KEY, Ends
from tests.support.sandbox import Sandbox

if TYPE_CHECKING:
    from pathlib import Path

ROWS = 10_000


def test_killed_half_way_both_stop_and_the_next_run_completes(tmp_path: Path) -> None:
    """Both end with one clear line and an error code; the next run loses nothing."""
    with Sandbox("both") as sandbox:
        ends = Ends(sandbox, tmp_path)
        ends.ingest(ROWS, apart=timedelta(minutes=1))
        sandbox.behave(latency_seconds=0.2)
        pipe = ends.pipe(
            ends.tap(page_size=500, max_wait_seconds=2),
            ends.target(max_retry_seconds=2, batch_size_rows=100),
        )
        with pipe.started() as run:
            run.until(lambda: len(run.states) > 2)
            sandbox.kill()
            run.wait()

        assert 0 not in run.codes
        for said in run.said.values():
            assert API_KEY not in said
            assert ends.webhook not in said
            [_the_one] = [line for line in said.splitlines() if not is_routine(line)]

        sandbox.restart()
        before = len(ends.arrived())
        pipe.tap, pipe.target = ends.tap(), ends.target()
        pipe.run()

        assert 0 < before < ROWS
        assert set(ends.arrived()) == ends.sent()
        assert ends.arrived().total() - ROWS <= 4 * 100 + 2 * 500


def is_routine(line: str) -> bool:
    """Tell what was said on the way from the line that says why it stopped."""
    return "| INFO " in line or "| WARNING " in line
