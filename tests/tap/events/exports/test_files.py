"""Files of a batch export as a source: every layout, codec and defect."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from sandbox.exports.layout import COLUMNS, Layout
from tap_posthog.errors import ConfigError, FilesError
from tap_posthog.timestamps import spell
from tests.tap.events.exports.making import HOUR, START, config, due, events, write
from tests.tap.running import run, run_here

if TYPE_CHECKING:
    from pathlib import Path

PARQUET = [
    Layout(format="parquet", codec=codec, legacy_names=legacy)
    for codec, legacy in [
        ("", False),
        ("zst", True),
        ("zst", False),
        ("gz", True),
        ("br", True),
        ("lz4", False),
        ("snappy", False),
    ]
]
JSONL = [Layout(format="jsonl", codec=codec) for codec in ("", "gz", "br")]


@pytest.mark.parametrize("parts", [None, 40])
@pytest.mark.parametrize("layout", [*PARQUET, *JSONL], ids=str)
def test_every_layout_gives_every_event_once(
    tmp_path: Path, layout: Layout, parts: int | None
) -> None:
    """Whatever the format, the codec, the name and the number of parts."""
    rows = events(300, 4)
    write(tmp_path, replace(layout, rows_a_part=parts), rows, 0, 4)

    outcome = run_here(config(tmp_path))

    assert sorted(outcome.uuids) == due(rows, 4)
    by_uuid = {row["uuid"]: row for row in rows}
    for record in outcome.records:
        row = by_uuid[record["uuid"]]
        for name in ("event", "distinct_id", "person_id", "elements_chain"):
            assert record[name] == row[name]
        for name in ("timestamp", "created_at"):
            assert record[name] == spell(row[name])
        session = "s1" if "s1" in row["properties"] else ""
        assert record["session_id"] == session
        if layout.format == "parquet":
            expected = json.loads(row["properties"])
            assert record["properties"] == expected


@pytest.mark.parametrize("layout", [PARQUET[0], JSONL[1]], ids=str)
def test_runs_while_files_appear_lose_nothing_and_send_nothing_twice(
    tmp_path: Path, layout: Layout
) -> None:
    """Ten runs; a window comes late, one is empty, one has no manifest yet."""
    rows = events(600, 12, seed=2)
    layout = replace(layout, rows_a_part=30)
    state: dict[str, Any] = {}
    sent: list[str] = []
    for hour in range(12):
        if hour != 5:
            write(tmp_path, layout, rows, hour, hour + 1)
        if hour == 9:
            write(tmp_path, layout, rows, 5, 6)
        outcome = run_here(config(tmp_path), state=state)
        sent += outcome.uuids
        state = outcome.states[-1]

    assert sorted(sent) == due(rows, 12)
    assert state["bookmarks"]["events"]["files"][0]["gaps"] == []


def test_a_window_without_its_manifest_waits_and_what_follows_too(
    tmp_path: Path,
) -> None:
    """Its parts may not all be there; old parts of a retry are never read."""
    rows = events(300, 3)
    layout = Layout(rows_a_part=20)
    write(tmp_path, layout, rows, 0, 3)
    middle = next(tmp_path.rglob("*T01:00:00+00:00-*manifest.json"))
    held = middle.read_bytes()
    middle.unlink()
    first = run_here(config(tmp_path))
    assert sorted(first.uuids) == due(rows, 1)

    middle.write_bytes(held)
    stale = next(tmp_path.rglob("*T01:00:00+00:00-*-0.parquet"))
    stale.with_name(stale.name.replace("-0.parquet", "-99.parquet")).write_bytes(b"x")
    then = run_here(config(tmp_path), state=first.states[-1])

    assert sorted(first.uuids + then.uuids) == due(rows, 3)


@pytest.mark.parametrize("layout", [PARQUET[0], JSONL[0], JSONL[1]], ids=str)
def test_copies_in_a_file_are_dropped(tmp_path: Path, layout: Layout) -> None:
    """As of an export that staged its rows twice; equal uuids alone are no copies."""
    rows = events(50, 1)
    other = rows[0] | {"distinct_id": "somebody else"}
    write(tmp_path, layout, [*rows, *rows, other], 0, 1)

    outcome = run_here(config(tmp_path))

    again = [other["uuid"]] if other["uuid"] in due(rows, 1) else []
    assert sorted(outcome.uuids) == sorted(due(rows, 1) + again)


def test_properties_stay_byte_for_byte(tmp_path: Path) -> None:
    """Parquet carries the text that PostHog holds; what is no JSON is made null."""
    texts = [
        '{"n": 18446744073709551616, "n": 1.50, "e":1E5, "s":"\\ud83d caf\u00e9"}',
        '{"x":NaN}',
        "",
        None,
    ]
    rows = [row | {"properties": t} for row, t in zip(events(4, 1), texts, strict=True)]
    rows = [row | {"created_at": START} for row in rows]
    write(tmp_path, Layout(), rows, 0, 1)

    out = run_here(config(tmp_path)).out.decode()

    assert f'"properties":{texts[0]}' in out
    assert '"properties":{"x":null}' in out


def test_history_by_timestamp_comes_before_what_is_by_insertion(tmp_path: Path) -> None:
    """A backfill in PostHog's screens: cut where the first other window begins."""
    rows = events(300, 4)
    history = [
        row | {"uuid": row["uuid"].replace("aaaa", "cccc")} for row in events(300, 4)
    ]
    for row in history:
        row["timestamp"] = row["_inserted_at"] = row["timestamp"] - 400 * HOUR
        row["created_at"] = row["timestamp"] + 3 * HOUR
    uuid = history[0]["uuid"].replace("cccc", "dddd")
    late = history[0] | {"created_at": START + HOUR, "uuid": uuid}
    first, end = START - 450 * HOUR, START - 380 * HOUR
    Layout().write(tmp_path, first, end, [*history, late])
    write(tmp_path, Layout(), rows, 0, 4)

    outcome = run_here(config(tmp_path))

    inside = {row["uuid"] for row in history}
    assert sorted(outcome.uuids) == sorted([*due(rows, 4), *inside])
    assert len(outcome.states) == 5
    middle = run_here(config(tmp_path), state=outcome.states[0])
    assert sorted(middle.uuids) == due(rows, 4)


def test_a_file_by_timestamp_among_the_others_stops_the_run(tmp_path: Path) -> None:
    """What else was ingested in that time is not in it; the state stays before it."""
    rows = events(200, 3)
    write(tmp_path, Layout(), rows, 0, 3)
    replaced = [row | {"_inserted_at": row["timestamp"]} for row in rows]
    Layout().write(tmp_path, START + HOUR, START + 2 * HOUR, replaced)

    with pytest.raises(FilesError, match="events_source: query"):
        run_here(config(tmp_path))


def test_a_wider_scope_is_read_from_the_old_files(tmp_path: Path) -> None:
    """Names that are added are read first; nothing comes twice."""
    rows = events(300, 4)
    write(tmp_path, Layout(), rows, 0, 3)
    narrow = run_here(config(tmp_path, include_events="signup"))
    write(tmp_path, Layout(), rows, 3, 4)

    wide = run_here(config(tmp_path), state=narrow.states[-1])

    assert sorted(narrow.uuids + wide.uuids) == due(rows, 4)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"files_url": None}, "files_url: not set"),
        ({"files_url": "s3://key:canary@bucket/x"}, "files_options"),
        ({"files_url": "s3://bucket/x?secret=canary"}, "files_options"),
        ({"files_url": "ftp://bucket"}, "s3://bucket/prefix"),
        ({"files_url": "file:///there/is/none"}, "no folder"),
        ({"files_url": "s3://b", "files_options": {"nonsense": "canary"}}, "obstore"),
    ],
)
def test_a_setting_that_cannot_be_used_is_one_line(
    tmp_path: Path, more: dict[str, Any], says: str
) -> None:
    """It says what to do, and shows no credential."""
    outcome = run(tmp_path, config(tmp_path) | more)

    assert outcome.status == 1
    assert len(outcome.errors) == 1
    assert says in outcome.errors[0]
    assert "canary" not in outcome.err
    assert "Traceback" not in outcome.err


def test_without_the_extra_one_line_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tap itself needs none of it."""
    monkeypatch.setitem(__import__("sys").modules, "obstore", None)

    with pytest.raises(ConfigError, match=r"pip install 'tap-posthog\[files\]'"):
        run_here(config(tmp_path))


@pytest.mark.parametrize("layout", [PARQUET[0], JSONL[1]], ids=str)
def test_azures_default_columns_are_refused(tmp_path: Path, layout: Layout) -> None:
    """Without created_at the two clocks cannot be told apart."""
    columns = tuple(name for name in COLUMNS if name != "created_at")
    write(tmp_path, replace(layout, columns=columns), events(10, 1), 0, 1)

    with pytest.raises(FilesError, match="Add created_at to the export's fields"):
        run_here(config(tmp_path))


@pytest.mark.parametrize("layout", [PARQUET[0], *JSONL], ids=str)
def test_a_damaged_file_is_one_line(tmp_path: Path, layout: Layout) -> None:
    """Cut off in the middle of a row."""
    write(tmp_path, layout, events(100, 1), 0, 1)
    (path,) = (path for path in tmp_path.rglob("*") if path.is_file())
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])

    with pytest.raises(FilesError, match=path.name.split("+", maxsplit=1)[0]):
        run_here(config(tmp_path))
