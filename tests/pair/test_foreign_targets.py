"""The tap into four targets from PyPI that nobody here wrote."""

from __future__ import annotations

import ast
import csv
import json
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from tests.pair import plugins
from tests.pair.ends import START
from tests.pair.pipe import Program

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.pair.databases import PostgreSQL
    from tests.pair.ends import Ends

ROWS = 3000
LATER = START + timedelta(days=1)

Row = tuple[str, datetime, dict[str, Any]]  # uuid, timestamp, properties


class Jsonl:
    """Each record as a line of JSON."""

    def __init__(self, folder: Path) -> None:
        """Write below `folder`."""
        self._path = folder / "events.jsonl"
        config = {"destination_path": str(folder), "do_timestamp_file": False}
        self.program = Program(plugins.TARGET_JSONL.command(), config)

    def rows(self) -> Iterator[Row]:
        """Read the file."""
        with self._path.open(encoding="utf-8") as lines:
            for record in map(json.loads, lines):
                stamp = datetime.fromisoformat(record["timestamp"])
                yield record["uuid"], stamp, record["properties"]


class Csv:
    """Each record as a line of CSV; objects as Python prints them."""

    def __init__(self, folder: Path) -> None:
        """Write below `folder`, a file a run: it never adds to an older one."""
        self._folder = folder / "csv"
        naming = {"file_naming_scheme": "{timestamp}.csv", "timestamp_format": "%f"}
        config = {"output_path": str(self._folder), **naming}
        self.program = Program(plugins.TARGET_CSV.command(), config)

    def rows(self) -> Iterator[Row]:
        """Read the files."""
        for path in self._folder.iterdir():
            with path.open(encoding="utf-8", newline="") as lines:
                for record in csv.DictReader(lines):
                    plain = re.sub(r"Decimal\('(.*?)'\)", r"\1", record["properties"])
                    stamp = datetime.fromisoformat(record["timestamp"])
                    yield record["uuid"], stamp, ast.literal_eval(plain)


class DuckDB:
    """A table in a DuckDB file."""

    def __init__(self, folder: Path) -> None:
        """Write a file in `folder`."""
        self._path = folder / "arrived.duckdb"
        config = {"path": str(self._path), "default_target_schema": "main"}
        self.program = Program(plugins.TARGET_DUCKDB.command(), config)

    def rows(self) -> Iterator[Row]:
        """Ask the file."""
        with duckdb.connect(self._path, read_only=True) as connection:
            select = "select uuid, timestamp, properties::varchar from main.events"
            for uuid, stamp, text in connection.sql(select).fetchall():
                yield uuid, stamp.replace(tzinfo=UTC), json.loads(text)


class Postgres:
    """A table in a PostgreSQL."""

    def __init__(self, server: PostgreSQL) -> None:
        """Write to the public schema of `server`."""
        self._server = server
        config = {
            "host": "127.0.0.1",
            "port": server.port,
            "user": server.user,
            "password": "any",
            "database": server.database,
            "default_target_schema": "public",
        }
        self.program = Program(plugins.TARGET_POSTGRES.command(), config)

    def rows(self) -> Iterator[Row]:
        """Ask the server."""
        select = "select uuid, timestamp || 'Z', properties from events"
        for line in self._server.sql(select):
            uuid, stamp, text = line.split("|", maxsplit=2)
            yield uuid, datetime.fromisoformat(stamp), json.loads(text)


Into = Jsonl | Csv | DuckDB | Postgres


@pytest.fixture(params=[Jsonl, Csv, DuckDB, Postgres], ids=lambda kind: kind.__name__)
def into(request: pytest.FixtureRequest, tmp_path: Path) -> Into:
    """One of the four, empty."""
    kind: Callable[..., Into] = request.param
    if kind is Postgres:
        return kind(request.getfixturevalue("empty_postgres"))
    return kind(tmp_path)


def test_counts_timestamps_and_properties_arrive_whole(ends: Ends, into: Into) -> None:
    """Any target gets each event once, to the microsecond, with all its properties."""
    pipe = ends.pipe(target=into.program)
    ends.ingest(ROWS)
    pipe.run()
    first = sorted(into.rows())
    ends.ingest(ROWS // 10, first=LATER)
    pipe.run()

    held = ends.held()
    assert first == [row for row in held if row[1] < LATER]
    assert sorted(into.rows()) == held
