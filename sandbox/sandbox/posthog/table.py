"""Where the rows are: ClickHouse tables sorted as PostHog's. No HTTP, no HogQL."""

from __future__ import annotations

import asyncio
import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import msgspec
from chdb.session import Session

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path
    from typing import Self

    from sandbox.posthog.schema.table_types import Stored

# The engine, sort key and partition are PostHog's (posthog/models/event/sql.py).
# So are copies of one event the rows of one day that share event, distinct_id and uuid,
# and the version that stays is the newest by `_timestamp`, when Kafka had the event; a
# row that is put in by SQL had it when it was ingested, in whatever order it is put in.
# `visible_at` is ours: when Kafka and the insert have brought the row to readers.
_EVENTS = """
create table if not exists events (
  uuid UUID default generateUUIDv7(),
  event String,
  properties String default '{}',
  timestamp DateTime64(6, 'UTC') default now64(6, 'UTC'),
  team_id Int64 default 1,
  distinct_id String,
  elements_chain String,
  created_at DateTime64(6, 'UTC') default timestamp,
  person_id UUID default toUUID(UUIDNumToString(MD5(distinct_id))),
  person_properties String default '{}',
  `$session_id` String,
  `$window_id` String,
  visible_at DateTime64(6, 'UTC') default created_at,
  _timestamp DateTime default toDateTime(created_at)
) engine = ReplacingMergeTree(_timestamp)
partition by toYYYYMM(timestamp)
order by (team_id, toDate(timestamp), event, cityHash64(distinct_id), cityHash64(uuid))
settings parts_to_throw_insert = 1000000, parts_to_delay_insert = 1000000
"""
# Whose the events of an id are since a merge: PostHog looks that up as it reads.
_OVERRIDES = (
    (
        "create table if not exists event_overrides"
        " (distinct_id String, person_id UUID)"
        " engine = Join(any, left, distinct_id) settings join_any_take_last_row = 1"
    ),
    (
        "create materialized view if not exists event_overriding to event_overrides as"
        " select distinct_id, person_id from person_distinct_id2 where version > 0"
    ),
)
_SETTINGS = (
    "optimize_on_insert = 0",  # copies in one insert stay copies, as between two
    "max_partitions_per_insert_block = 0",
    "mutations_sync = 1",  # what was deleted is gone when the statement is answered
    "min_insert_block_size_bytes = 67108864",  # large inserts in little memory
    "output_format_json_quote_64bit_integers = 0",
    "output_format_json_escape_forward_slashes = 0",
)

# How JSONCompact is laid out around its rows.
_DATA, _AFTER = b'\n\t"data":\n\t', b',\n\n\t"rows": '


class Answer(msgspec.Struct):
    """What ClickHouse answered: the rows as the bytes of a JSON array of arrays."""

    data: bytes
    rows: int
    rows_read: int
    bytes_read: int


class TableError(Exception):
    """The data cannot be opened."""


class Table:
    """The one ClickHouse of this process, asked from one thread at a time."""

    def __init__(self, path: Path, others: Iterable[Stored]) -> None:
        self._worker = ThreadPoolExecutor(1, "clickhouse")
        self._latest: str | None = None
        self._overridden: bool | None = None
        self._others = tuple(others)
        self._worker.submit(self._open, path).result()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close ClickHouse; what is in it stays in its folder."""
        self._worker.submit(self._session.close).result()
        self._worker.shutdown()

    def _open(self, path: Path) -> None:
        path.mkdir(parents=True, exist_ok=True)
        session: Any = Session  # chdb says nothing of its types
        try:
            self._session = session(str(path))
        except RuntimeError as exc:
            msg = f"ClickHouse cannot open {path}. Is another sandbox using it?"
            raise TableError(msg) from exc
        self._session.query(
            "create database if not exists posthog engine = Atomic"  # quick drops
        )
        self._session.query("use posthog")
        for setting in _SETTINGS:
            self._session.query(f"set {setting}")
        self._create()
        for statement in (*(stored.create() for stored in self._others), *_OVERRIDES):
            self._session.query(statement)

    def _create(self) -> None:
        self._session.query(_EVENTS)
        self._session.query("system stop merges events")

    async def raw(self, sql: str) -> bytes:
        """Run any statement.

        Returns:
            ClickHouse's JSONCompact, or nothing for a statement without rows.

        Raises:
            chdb.ChdbError: ClickHouse refused or failed.
        """
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._worker, self._run, sql)

    def _run(self, sql: str) -> bytes:
        # a deletion is carried out like a merge: it would wait for one for ever
        merges = re.match(r"\s*(optimize|alter|delete)\b", sql, re.IGNORECASE)
        if not re.match(
            r"\s*(select|with|describe|explain|show)\b", sql, re.IGNORECASE
        ):
            self._latest = self._overridden = None
        if merges:
            self._session.query("system start merges events")
        try:
            answer: bytes = self._session.query(sql, "JSONCompact").bytes()
        finally:
            if merges:
                self._session.query("system stop merges events")
        return answer

    async def ask(self, sql: str, *, seconds: float = 0) -> Answer:
        """Run a query.

        Args:
            sql: A SELECT in ClickHouse's SQL, without SETTINGS or FORMAT.
            seconds: The longest that it may run; 0 is no limit.

        Raises:
            chdb.ChdbError: ClickHouse refused or failed.
        """
        limit = f"\nsettings max_execution_time = {seconds}" if seconds else ""
        return _split(await self.raw(sql + limit))

    async def values(self, sql: str) -> list[list[Any]]:
        """Run a query whose answer is small: its rows."""
        rows: list[list[Any]] = msgspec.json.decode((await self.ask(sql)).data)
        return rows

    async def insert(self, rows: list[dict[str, Any]], table: str = "events") -> None:
        """Add rows; columns that a row leaves out take their defaults."""
        if rows:
            lines = b"\n".join(map(msgspec.json.encode, rows)).decode()
            await self.put(lines, table)

    async def put(self, lines: str, table: str) -> None:
        """Add rows that are JSON already: objects in a row, or an array of them.

        Raises:
            chdb.ChdbError: It is no such JSON, or there is no such column.
        """
        how = "settings date_time_input_format = 'best_effort' format JSONEachRow"
        await self.raw(f"insert into {table} {how}\n{lines}")

    async def latest_visibility(self) -> str:
        """Say until when rows become visible, as ClickHouse prints the instant."""
        if self._latest is None:
            rows = await self.values("select toString(max(visible_at)) from events")
            self._latest = rows[0][0]
        return self._latest

    async def overridden(self) -> bool:
        """Say whether an event may be another person's than when it came in."""
        if self._overridden is None:
            rows = await self.values("select count() from event_overrides")
            self._overridden = rows[0][0] > 0
        return self._overridden

    async def clear(self) -> None:
        """Forget every row; the files of a dropped table go in their own time."""
        await self.raw("drop table events")
        for (name,) in await self.values(
            "select name from system.tables where database = 'posthog'"
            " and total_rows > 0"
        ):
            await self.raw(f"truncate table {name}")
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._worker, self._create)


def _split(answer: bytes) -> Answer:
    """Cut the rows out of JSONCompact, unread: they go to the client as they are."""
    start, end = answer.index(_DATA), answer.rindex(_AFTER)
    data = answer[start + len(_DATA) : end]
    frame = msgspec.json.decode(answer[:start] + answer[end + 1 :])
    read = frame["statistics"]
    return Answer(data, frame["rows"], read["rows_read"], read["bytes_read"])
