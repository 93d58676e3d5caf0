"""With a key, hours that PostHog counts more events of are read again by query."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sandbox.exports.layout import Layout
from tap_posthog.timestamps import spell
from tests.tap.events.exports.making import due, events, write
from tests.tap.running import config, run_here

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.sandbox import Sandbox


NAMES = ("uuid", "event", "distinct_id", "timestamp", "created_at")


def sql(cell: str) -> str:
    """Write a value as ClickHouse reads it."""
    if cell[-1:] == "Z":
        return f"toDateTime64('{cell[:-1].replace('T', ' ')}', 6, 'UTC')"
    return "'" + cell.replace("\\", "\\\\").replace("'", "\\'") + "'"


@pytest.mark.sandbox
def test_a_window_that_lacks_rows_is_found_in_the_same_run(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    """What the files lack is sent by query; then the state goes on with either."""
    rows = events(60, 3)
    for row in rows:
        cells = [
            spell(row[name]) if name.endswith(("at", "stamp")) else row[name]
            for name in NAMES
        ]
        quoted = ", ".join(sql(cell) for cell in cells)
        sandbox.sql(f"insert into events ({', '.join(NAMES)}) values ({quoted})")  # noqa: S608 - our own
    write(tmp_path, Layout(), rows[:50], 0, 3)
    given = config(sandbox) | {
        "events_source": "files",
        "files_url": f"file://{tmp_path}",
    }

    first = run_here(given)
    again = run_here(given, state=first.states[-1])
    back = run_here(config(sandbox), state=first.states[-1])

    assert sorted({*first.uuids}) == due(rows, 3)
    assert again.uuids == []
    ahead = [row["uuid"] for row in rows if row["uuid"] not in {*first.uuids}]
    assert {*ahead} <= {*back.uuids}
    before = first.states[-1]["bookmarks"]["events"]["replication_key_value"]
    twice = [each for each in back.records if each["uuid"] in {*first.uuids}]
    assert all(record["timestamp"] >= before for record in twice)
