"""One horizon for several runs: what was ingested before it, and nothing else."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from tap_posthog import timestamps
from tests.tap.events.query.test_reader_model import MINUTE, servers
from tests.tap.events.test_histories import rows
from tests.tap.history import History, choose
from tests.tap.holding import holds_for
from tests.tap.model import START, Event, Model
from tests.tap.running import config, run, run_here

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.sandbox import Sandbox

END = 1_200  # minutes after START: where the last part ends
places = st.lists(st.integers(1, END - 1), max_size=5, unique=True).map(sorted)


@holds_for(rows, servers, places, st.integers(END, END + 400), st.integers(0, 90))
def test_parts_tile_what_was_ingested_before_one_horizon(
    events: list[Event],
    server: dict[str, Any],
    cuts: list[int],
    horizon: int,
    pause: int,
) -> None:
    """However long each part takes: each such event comes in one of them, once.

    And from the state that stands for all of them the next run has the rest.
    """
    before = START + horizon * MINUTE
    model = Model(events, **server)
    model.now = before + 2 * MINUTE
    edges = [START, *(START + n * MINUTE for n in cuts), START + END * MINUTE]
    sent: list[Event] = []
    for start, end in pairwise(edges):
        history = History(choose(start_at=start, end_at=end, created_before=before))
        history.run(model)
        sent += history.rows
        model.now += pause * MINUTE

    wanted = [
        each
        for each in events
        if START <= timestamps.read(each.timestamp) < edges[-1]
        and timestamps.read(each.created_at) < before
    ]
    assert Counter(sent) == Counter(wanted)

    model.now = max(model.now, START + timedelta(days=4))
    state = {
        "replication_key_value": timestamps.spell(edges[-1]),
        "uuid": "",
        "ingested_before": timestamps.spell(before),
    }
    after = History(choose(start_at=START, late_window=timedelta(days=7)), state)
    after.run(model)
    rest = [each for each in events if timestamps.read(each.timestamp) >= START]
    assert Counter(sent + after.rows) == Counter(rest)


def put(sandbox: Sandbox, count: int, created_at: str) -> None:
    """Put events in that happened on 1 November, ingested at this time."""
    sandbox.sql(
        "insert into events (uuid, event, distinct_id, timestamp, created_at) "  # noqa: S608 - our own
        "select generateUUIDv4(), 'e', 'd', "
        "toDateTime64('2026-11-01 00:00:00', 6, 'UTC') + number, "
        f"toDateTime64('{created_at}', 6, 'UTC') from numbers({count})"
    )


def test_what_came_later_is_left_to_a_run_without_it(sandbox: Sandbox) -> None:
    """Which goes on from the state, and sends the rest, once."""
    put(sandbox, 50, "2026-11-01 12:00:00")
    put(sandbox, 7, "2026-11-02 00:00:00")
    given = config(sandbox)

    first = run_here(given | {"created_before": "2026-11-02"})
    none = run_here(given | {"created_before": "2026-11-02"}, state=first.states[-1])
    second = run_here(given, state=first.states[-1])

    bookmark = first.states[-1]["bookmarks"]["events"]
    assert bookmark["ingested_before"] == "2026-11-02T00:00:00.000000Z"
    assert len(first.uuids) == 50
    assert not none.uuids
    assert len(second.uuids) == 7
    assert not {*first.uuids} & {*second.uuids}


def test_a_horizon_behind_the_state_reads_nothing(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    """And says why."""
    put(sandbox, 5, "2026-11-01 12:00:00")
    first = run_here(config(sandbox))

    outcome = run(
        tmp_path, config(sandbox, created_before="2026-11-02"), state=first.states[-1]
    )

    assert outcome.status == 0
    assert not outcome.records
    assert "Nothing to read yet: the state has all" in outcome.err


def test_a_server_without_queries_cannot_keep_a_horizon(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    """Its events list shows no created_at: one line says so, and nothing is sent."""
    put(sandbox, 5, "2026-11-01 12:00:00")
    sandbox.behave(query_endpoint=False)

    outcome = run(tmp_path, config(sandbox, created_before="2026-11-02"))

    assert outcome.status == 1
    assert "created_before: the events list" in outcome.errors[-1]
    assert not outcome.records
