"""All streams into four targets from PyPI: every record, with its types."""

from __future__ import annotations

import csv
import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from tap_posthog.declarations import DECLARATIONS
from tests.pair import plugins
from tests.pair.pipe import Program
from tests.support.world import ROWS, furnish
from tests.tap.streams.catalogs import NAMES, by_stream, catalog, read

if TYPE_CHECKING:
    from pathlib import Path

    from tests.pair.databases import PostgreSQL
    from tests.pair.ends import Ends

EVENTS = 50
STREAMS = ("events", *NAMES)
# What the target of PostgreSQL makes of a column that our schemas have.
TYPES = {
    "text": "text",
    "uuid": "text",
    "instant": "timestamp without time zone",
    "integer": "bigint",
    "number": "numeric",
    "boolean": "boolean",
    "object": "jsonb",
    "array": "ARRAY",
    "texts": "ARRAY",
    "integers": "ARRAY",
}


@pytest.fixture
def world(ends: Ends) -> Ends:
    """Something in every table and list of PostHog."""
    ends.ingest(EVENTS)
    furnish(ends.sandbox)
    return ends


def load(world: Ends, target: Program) -> Counter[str]:
    """Read every stream into a target; return how many records each stream has."""
    config = world.tap().config
    selected = world.folder / "catalog.json"
    selected.write_text(json.dumps(catalog(config, *STREAMS)))
    options = ("--catalog", str(selected))
    report = world.folder / "report.json"
    tap = Program(world.tap().command, config, options).but(report_path=str(report))
    world.pipe(tap, target).run()
    told = json.loads(report.read_text())["streams"]
    counts = Counter({name: each["emitted"] for name, each in told.items()})
    assert counts["events"] == EVENTS
    assert {name: counts[name] for name in ROWS} == ROWS
    assert counts.keys() == set(STREAMS)
    return counts


def test_postgres_has_every_record_in_columns_of_its_type(
    world: Ends, empty_postgres: PostgreSQL
) -> None:
    """A table a stream; instants, numbers, booleans and JSON are what they are."""
    config = {
        "host": "127.0.0.1",
        "port": empty_postgres.port,
        "user": empty_postgres.user,
        "password": "any",
        "database": empty_postgres.database,
        "default_target_schema": "public",
    }

    counts = load(world, Program(plugins.TARGET_POSTGRES.command(), config))

    found: dict[str, dict[str, str]] = {}
    for line in empty_postgres.sql(
        "select table_name, column_name, data_type from information_schema.columns "
        "where table_schema = 'public'"
    ):
        table, column, type_ = line.split("|")
        found.setdefault(table, {})[column] = type_
    assert found.keys() == set(STREAMS)
    for each in DECLARATIONS:
        columns = found[each.name]
        expected = {c.name: TYPES[c.kind] for c in each.columns}
        assert columns.items() >= expected.items(), each.name
        assert columns["project_id"] == "bigint"
    for name, count in counts.items():
        assert empty_postgres.sql(f"select count(*) from {name}") == [str(count)], name  # noqa: S608 - our own names
    # To the value: an instant, a number beyond 32 bits, text that is no ASCII.
    (row,) = empty_postgres.sql(
        "select min(created_at), min((properties->>'n')::bigint), "
        "min(properties->>'note') from persons"
    )
    assert row == f"2026-11-01 00:00:00|{2**40}|café"
    assert empty_postgres.sql(
        "select count(*) from sessions where is_bounce and end_timestamp = "
        "start_timestamp + interval '30 minutes 0.123456 seconds'"
    ) == ["7"]


def test_duckdb_has_every_record(world: Ends, tmp_path: Path) -> None:
    """A table a stream."""
    path = tmp_path / "arrived.duckdb"
    config = {"path": str(path), "default_target_schema": "main"}

    counts = load(world, Program(plugins.TARGET_DUCKDB.command(), config))

    with duckdb.connect(path, read_only=True) as connection:
        for name, count in counts.items():
            found = connection.sql(f"select count(*) from main.{name}").fetchall()  # noqa: S608 - our own names
            assert found == [(count,)], name


def test_jsonl_has_every_record_as_the_tap_wrote_it(
    world: Ends, tmp_path: Path
) -> None:
    """A file a stream, with the same values."""
    folder = tmp_path / "lines"
    folder.mkdir()
    config = {"destination_path": str(folder), "do_timestamp_file": False}

    counts = load(world, Program(plugins.TARGET_JSONL.command(), config))

    written: dict[str, list[Any]] = {
        path.stem: [json.loads(line) for line in path.read_text().splitlines()]
        for path in folder.iterdir()
    }
    assert {name: len(found) for name, found in written.items()} == counts
    given = by_stream(read(world.tap().config, *STREAMS))
    for name, records in given.items():
        assert sorted(map(json.dumps, written[name])) == sorted(
            map(json.dumps, records)
        ), name


def test_csv_has_every_record(world: Ends, tmp_path: Path) -> None:
    """A file a stream."""
    folder = tmp_path / "csv"
    naming = {"file_naming_scheme": "{stream_name}.csv"}
    config = {"output_path": str(folder), **naming}

    counts = load(world, Program(plugins.TARGET_CSV.command(), config))

    found = {}
    for path in folder.iterdir():
        with path.open(encoding="utf-8", newline="") as lines:
            found[path.stem] = len(list(csv.DictReader(lines)))
    assert found == counts
