"""Killed again and again while it reads files: nothing is lost."""

from __future__ import annotations

import random
import signal
import time
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from sandbox.exports.layout import Layout
from tests.tap.events.exports.making import config, due, events, write
from tests.tap.running import Outcome, run, start

if TYPE_CHECKING:
    from pathlib import Path

KILLS = 50


@pytest.mark.prove
@pytest.mark.timeout(900)
@pytest.mark.parametrize("form", ["parquet", "jsonl"])
def test_fifty_kills_lose_nothing(tmp_path: Path, form: str) -> None:
    """Each run goes on from the last whole state line that came out."""
    rng = random.Random(5)  # noqa: S311 - when to kill
    rows = events(9000, 30, seed=3)
    folder = tmp_path / "files"
    folder.mkdir()
    layout = Layout(format=form, codec="gz", rows_a_part=100)
    state, sent, kills, hour = None, Counter[str](), 0, 0
    while kills < KILLS or hour < 30:
        if hour < 30:
            write(folder, layout, rows, hour, hour + 1)
            hour += 1
        out = tmp_path / "out"
        with out.open("wb") as stdout:
            process = start(
                tmp_path, config(folder), state=state, stdout=stdout.fileno()
            )
            if kills < KILLS:
                time.sleep(1 + rng.random())
                process.send_signal(signal.SIGKILL)
                kills += 1
            process.wait(120)
            if process.stderr:
                process.stderr.close()
        outcome = Outcome(process.returncode, out.read_bytes(), "")
        sent.update(outcome.uuids)
        state = outcome.states[-1] if outcome.states else state
    final = run(tmp_path, config(folder), state=state)
    sent.update(final.uuids)

    assert sorted(sent) == due(rows, 30)
