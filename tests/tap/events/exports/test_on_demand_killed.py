"""Killed again and again while it exports: nothing is lost, and nothing asked twice."""

from __future__ import annotations

import random
import signal
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from tests.tap.events.exports.test_on_demand import NOW, asked, given, held, put
from tests.tap.running import Outcome, run, start

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.sandbox import Sandbox

KILLS = 50
WINDOWS = 4  # of a day, over the three days and the one before


@pytest.mark.prove
@pytest.mark.timeout(1200)
def test_fifty_kills_lose_nothing(sandbox: Sandbox, tmp_path: Path) -> None:
    """Each run goes on from the last whole state; a history may begin anew at its end.

    An export is asked for again only where its id got into no state: the kill came
    between PostHog's answer and the line behind it.
    """
    rng = random.Random(7)  # noqa: S311 - when to kill
    sandbox.behave(frozen_at=NOW.isoformat(), export_rows_a_part=100, export_polls=1)
    put(sandbox, 2000)
    config = given(sandbox)
    state: dict[str, Any] | None = None
    sent, kills, histories, extra = Counter[str](), 0, 0, 0
    while kills < KILLS:
        before = asked(sandbox)
        out = tmp_path / "out"
        with out.open("wb") as stdout:
            process = start(tmp_path, config, state=state, stdout=stdout.fileno())
            time.sleep(1 + 6 * rng.random())
            process.send_signal(signal.SIGKILL)
            process.wait(120)
            kills += 1
            if process.stderr:
                process.stderr.close()
        outcome = Outcome(process.returncode, out.read_bytes(), "")
        sent.update(outcome.uuids)
        named = {
            export[0]["run"]
            for each in outcome.states
            if (export := each["bookmarks"]["events"]["export"])
        }
        old = state and state["bookmarks"]["events"]["export"]
        named -= {old[0]["run"]} if old else set()
        extra += asked(sandbox) - before - len(named)
        state = outcome.states[-1] if outcome.states else state
        bookmark = state["bookmarks"]["events"] if state else None
        if bookmark and not bookmark["export"] and bookmark["files"][0]["seam"] is None:
            through = bookmark["files"][0]["through"]
            if through == NOW.isoformat(timespec="microseconds").replace("+00:00", "Z"):
                assert {*sent} == {*held(sandbox)}
                histories += 1
                state, sent = None, Counter[str]()
    final = run(tmp_path, config, state=state)
    sent.update(final.uuids)
    print(f"{kills} kills, {histories} histories ended, {extra} asked for in vain")  # noqa: T201 - a figure of the proof

    assert final.status == 0
    assert {*sent} == {*held(sandbox)}
    assert extra <= kills / 10  # the moment between an answer and its line is short
