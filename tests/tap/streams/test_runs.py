"""Runs over other streams than events: whole scans, catalogs, followers."""

from __future__ import annotations

import copy
import json
import signal
import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.world import ROWS, furnish, person
from tests.tap.running import config, finish, run, run_here, start
from tests.tap.streams.catalogs import by_stream, catalog, read

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.sandbox import Sandbox

LONG_AGO = "2026-06-01 00:00:00"  # when nothing moved that the bookmark would see


def scanned(state: dict[str, Any], days: float) -> dict[str, Any]:
    """Return a state whose streams were read whole so many days ago."""
    aged = copy.deepcopy(state)
    at = datetime.now(UTC) - timedelta(days=days)
    for bookmark in aged["bookmarks"].values():
        bookmark["scanned_at"] = at.isoformat().replace("+00:00", "Z")
    return aged


@pytest.mark.parametrize(
    ("days", "full_scan_days", "found"),
    [(6.9, 7, 0), (7.1, 7, 3), (1.1, 1, 3), (400, 0, 0)],
)
@pytest.mark.parametrize("stream", ["persons", "sessions"])
def test_a_stream_is_read_whole_every_so_often(
    sandbox: Sandbox, stream: str, days: float, full_scan_days: int, found: int
) -> None:
    """What its replication key does not show is found by then, and not before."""
    given = config(sandbox, full_scan_days=full_scan_days)
    furnish(sandbox)
    first = read(given, stream)
    if stream == "persons":
        rows = [{"id": person(100 + n), "created_at": LONG_AGO} for n in range(3)]
    else:
        rows = [
            {
                "session_id": f"old{n}",
                "$start_timestamp": LONG_AGO,
                "$end_timestamp": LONG_AGO,
                "max_inserted_at": LONG_AGO,
            }
            for n in range(3)
        ]
    sandbox.put(stream, rows)

    again = read(given, stream, state=scanned(first.states[-1], days))

    key = "id" if stream == "persons" else "session_id"
    new = {each[key] for each in by_stream(again)[stream]}
    new -= {each[key] for each in by_stream(first)[stream]}
    assert len(by_stream(first)[stream]) == ROWS[stream]
    assert len(new) == found
    if found:  # and the next whole scan counts from now
        at = again.states[-1]["bookmarks"][stream]["scanned_at"]
        assert at[:10] == f"{datetime.now(UTC):%Y-%m-%d}"


def test_the_catalog_may_ask_for_everything(sandbox: Sandbox) -> None:
    """FULL_TABLE reads an incremental stream whole each time."""
    given = config(sandbox)
    sandbox.put("persons", [{"id": person(n), "created_at": LONG_AGO} for n in (1, 2)])
    first = read(given, "persons", persons="FULL_TABLE")

    second = read(given, "persons", state=first.states[-1], persons="FULL_TABLE")

    assert len(first.records) == len(second.records) == 2


@pytest.mark.parametrize("method", ["INCREMENTAL", "LOG_BASED"])
def test_a_full_stream_stays_full(sandbox: Sandbox, method: str) -> None:
    """A catalog that says otherwise changes nothing: there is no time of a change."""
    furnish(sandbox)

    outcome = read(config(sandbox), "cohorts", cohorts=method)

    assert outcome.status == 0
    assert len(outcome.records) == ROWS["cohorts"]


def test_a_replication_key_of_the_catalogs_own_is_refused(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    """By name, in one line: to read by another column would lose rows."""
    given = config(sandbox)
    chosen = catalog(given, "persons")
    for entry in chosen["streams"]:
        for each in entry["metadata"]:
            if entry["stream"] == "persons" and not each["breadcrumb"]:
                each["metadata"]["replication-key"] = "created_at"

    outcome = run(tmp_path, given, catalog=chosen)

    assert outcome.status == 1
    assert len(outcome.errors) == 1
    assert "persons" in outcome.errors[0]
    assert "changed_at" in outcome.errors[0]


def test_a_key_that_is_not_selected_is_there_all_the_same(sandbox: Sandbox) -> None:
    """Its inclusion is automatic; other columns go."""
    furnish(sandbox)
    given = config(sandbox)
    chosen = catalog(given, "cohorts")
    for entry in chosen["streams"]:
        for each in entry["metadata"]:
            if entry["stream"] == "cohorts" and each["breadcrumb"]:
                each["metadata"]["selected"] = each["breadcrumb"][-1] == "name"

    outcome = run_here(given, catalog=chosen)

    assert {frozenset(each) for each in outcome.records} == {
        frozenset({"project_id", "id", "name"})
    }


def test_a_catalog_of_a_stream_that_is_not_there(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    """An old catalog may name one: the others are read."""
    furnish(sandbox)
    given = config(sandbox)
    chosen = catalog(given, "surveys")
    gone = copy.deepcopy(chosen["streams"][0])
    gone |= {"stream": "gone", "tap_stream_id": "gone"}
    chosen["streams"].append(gone)

    outcome = run(tmp_path, given, catalog=chosen)

    assert outcome.status == 0, outcome.err
    assert len(by_stream(outcome)["surveys"]) == ROWS["surveys"]


@pytest.mark.parametrize("events", [True, False])
def test_a_follower_reads_the_other_streams(
    sandbox: Sandbox, tmp_path: Path, *, events: bool
) -> None:
    """Beside the events or without them; SIGTERM ends it with a state of each."""
    furnish(sandbox)
    sandbox.sql(
        "insert into events (uuid, event, distinct_id, timestamp, created_at) "
        "select generateUUIDv4(), 'e', 'd', now64(6) - number - 60, now64(6) - 5 "
        "from numbers(10)"
    )
    names = {"persons", "cohorts", *({"events"} if events else ())}
    given = config(sandbox, follow_seconds=600)
    process = start(tmp_path, given, catalog=catalog(given, *names))
    assert process.stdout is not None
    watchdog = threading.Timer(60, process.kill)
    watchdog.start()
    lines = []
    for line in process.stdout:
        lines.append(json.loads(line))
        if lines[-1]["type"] == "STATE" and lines[-1]["value"]["bookmarks"].keys() >= (
            names
        ):
            break
    watchdog.cancel()
    process.send_signal(signal.SIGTERM)
    outcome = finish(process, 60)

    counts = {
        name: sum(m["type"] == "RECORD" and m["stream"] == name for m in lines)
        for name in names
    }
    assert outcome.status == 143
    assert counts["persons"] == ROWS["persons"]
    assert counts["cohorts"] == ROWS["cohorts"]
    assert counts.get("events", 10) == 10
    assert len(outcome.errors) == 1
    assert "Stopped by SIGTERM." in outcome.errors[0]
