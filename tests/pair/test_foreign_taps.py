"""Taps from PyPI that nobody here wrote, each over a real database, into the target."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from tests.pair import plugins
from tests.pair.databases import PostgreSQL, mariadb
from tests.pair.pipe import Program

if TYPE_CHECKING:
    from pathlib import Path

    from tests.pair.ends import Ends

ROWS = 5000
MORE = 700

VISITS = """
create table visits (
    id bigint primary key, name text, at timestamptz, amount numeric(20, 6), tags jsonb)
"""
INSERT = """
insert into visits select n, 'visitor ☃ ' || n,
    timestamptz '2026-01-01 00:00:00.123456Z' + n * interval '1 s',
    n * 1.5, jsonb_build_object('n', n, 'deep', jsonb_build_array(1, null, 'x'))
from generate_series({first}, {last}) n
"""
TapOver = Callable[[PostgreSQL], Program]
SHOP = f"""
create database shop;
use shop;
create table visits (id bigint primary key, name varchar(50) character set utf8mb4, at datetime(6), amount decimal(20, 6));
insert into visits select seq, concat('visitor ☃ ', seq), timestamp '2026-01-01 00:00:00.123456' + interval seq second, seq * 1.5 from seq_1_to_{ROWS};
"""  # noqa: E501, S608 - a statement a line, and our own number
LOGIN = {"host": "127.0.0.1", "user": PostgreSQL.user, "password": "any"}


def meltano_tap(server: PostgreSQL) -> Program:
    """Return MeltanoLabs' tap, which is made with the SDK."""
    config = {**LOGIN, "port": server.port, "database": server.database}
    return Program(plugins.TAP_POSTGRES.command(), config)


def pipelinewise_tap(server: PostgreSQL) -> Program:
    """Return PipelineWise's tap, which is not."""
    config = {**LOGIN, "port": server.port, "dbname": server.database}
    return Program(plugins.PIPELINEWISE_TAP_POSTGRES.command(), config)


@pytest.mark.parametrize("tap_over", [meltano_tap, pipelinewise_tap])
def test_rows_of_a_postgres_table_arrive(
    ends: Ends, empty_postgres: PostgreSQL, tap_over: TapOver, tmp_path: Path
) -> None:
    """Every row comes once and whole; a second run brings what was added since."""
    empty_postgres.sql(VISITS + ";" + INSERT.format(first=1, last=ROWS))
    pipe = ends.pipe(tap=selected(tap_over(empty_postgres), tmp_path))
    pipe.run()
    first = ends.count()
    empty_postgres.sql(INSERT.format(first=ROWS + 1, last=ROWS + MORE))
    pipe.run()

    rows = [json.loads(text, parse_float=Decimal) for text in ends.records()]
    assert first == ROWS
    # These taps read the row of their bookmark again.
    assert len(rows) == ROWS + MORE + 1
    assert {row["id"] for row in rows} == set(range(1, ROWS + MORE + 1))
    for row in rows:
        n = row["id"]
        assert row["name"] == f"visitor ☃ {n}"
        assert row["amount"] == Decimal(n) * 3 / 2
        assert row["tags"] == {"n": n, "deep": [1, None, "x"]}
        assert ".123456" in row["at"]


@pytest.mark.prove
def test_rows_of_a_mariadb_table_arrive(ends: Ends, tmp_path: Path) -> None:
    """Every row of a MariaDB table comes once and whole."""
    with mariadb(SHOP) as port:
        account = {"host": "127.0.0.1", "user": "tap", "password": "tap"}
        tap = Program(
            plugins.PIPELINEWISE_TAP_MYSQL.command(),
            {**account, "port": port, "filter_dbs": "shop"},
        )
        ends.pipe(tap=selected(tap, tmp_path)).run()

    rows = [json.loads(text, parse_float=Decimal) for text in ends.records()]
    assert sorted(row["id"] for row in rows) == list(range(1, ROWS + 1))
    for row in rows:
        assert row["name"] == f"visitor ☃ {row['id']}"
        assert row["amount"] == Decimal(row["id"]) * 3 / 2
        assert ".123456" in row["at"]


def selected(tap: Program, folder: Path) -> Program:
    """Return the tap with a catalog of the one table, which grows by its id."""
    discovery = (*tap.arguments(folder, "discovery"), "--discover")
    found = subprocess.run(discovery, check=True, capture_output=True)
    catalog = json.loads(found.stdout)
    wanted = {
        "selected": True,
        "replication-method": "INCREMENTAL",
        "replication-key": "id",
    }
    catalog["streams"] = [s for s in catalog["streams"] if "visits" in s["stream"]]
    for stream in catalog["streams"]:
        stream.update(replication_method="INCREMENTAL", replication_key="id")
        for entry in stream["metadata"]:
            if not entry["breadcrumb"]:
                entry["metadata"].update(wanted)
    path = folder / "catalog.json"
    path.write_text(json.dumps(catalog), encoding="utf-8")
    return Program(tap.command, tap.config, ("--catalog", str(path)))
