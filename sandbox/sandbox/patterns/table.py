"""The webhook's table in a DuckDB file, and the one thread that writes to it.

What the table means to the page or to a report is not known here.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import duckdb

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from sandbox.patterns.intake import Record

# `record` is text: DuckDB's JSON type refuses lone surrogates, which are JSON, and
# the JSON functions and arrows take text as well.
CREATE = """
create table if not exists webhook (
    webhook varchar, seq bigint, received_at timestamp, request_id varchar,
    uuid varchar, event varchar, distinct_id varchar, timestamp timestamp,
    record varchar
)"""
# One statement for many records: DuckDB is slow by the row and fast by the list.
APPEND = """
insert into webhook
select unnest($1), unnest($2), unnest($3::timestamp[]), unnest($4), unnest($5),
    unnest($6), unnest($7),
    try_cast(unnest($8::varchar[]) as timestamptz) at time zone 'UTC', unnest($9)
"""
MOST_AT_ONCE = 20_000  # records in one commit
# What a query may touch is this table: no file, no network, no other settings.
CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "enable_external_access": False,
    "threads": 2,
}


class TableError(Exception):
    """The file cannot be opened, or a query cannot be answered."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One request's records, and the promise that they are on disk."""

    webhook: str
    request_id: str | None
    received_at: datetime
    records: list[Record]
    done: Future[int] = field(default_factory=Future)


class Table:
    """Append, ask, forget. Used in a `with`, or closed with `close`."""

    def __init__(self, path: Path) -> None:
        """Open or create the file. Raises TableError where that cannot be done."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = duckdb.connect(path, config=CONFIG)
            self._connection.execute("set global TimeZone = 'UTC'")
            self._connection.execute("set global lock_configuration = true")
            self._connection.execute(CREATE)
            self._seq: int = self._ask_one("select coalesce(max(seq), 0) from webhook")
        except (duckdb.Error, OSError) as exc:
            msg = f"{path} cannot be opened; use another folder, or delete it ({exc})"
            raise TableError(" ".join(msg.split())) from None
        self._writing = threading.Lock()
        self._queue: queue.SimpleQueue[Delivery | None] = queue.SimpleQueue()
        self._writer = threading.Thread(target=self._write_all, name="webhook table")
        self._writer.start()

    def __enter__(self) -> Self:
        """Nothing more: it is open."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def append(self, delivery: Delivery) -> Future[int]:
        """Return a future: the number of records, once they are committed."""
        self._queue.put(delivery)
        return delivery.done

    def ask(self, sql: str, values: list[Any] | None = None) -> dict[str, Any]:
        """Answer one SELECT with its columns and rows; nothing can be changed.

        Raises:
            TableError: the SQL is wrong, or no single SELECT.
        """
        with contextlib.closing(self._connection.cursor()) as cursor:
            try:
                statements = cursor.extract_statements(sql)
                kinds = [statement.type for statement in statements]
                if kinds != [duckdb.StatementType.SELECT]:
                    msg = "One SELECT is taken, and nothing else"
                    raise TableError(msg)
                cursor.execute(statements[0], values)
                rows = cursor.fetchall()
            except duckdb.Error as exc:
                raise TableError(str(exc)) from None
            return {"columns": [c[0] for c in cursor.description or []], "rows": rows}

    def forget(self) -> None:
        """Delete all rows."""
        with self._writing:
            self._connection.execute("truncate webhook")
            self._connection.execute("checkpoint")

    def close(self) -> None:
        """Write what was appended before this call, then close the file."""
        self._queue.put(None)
        self._writer.join()
        self._connection.close()

    def _ask_one(self, sql: str) -> Any:  # noqa: ANN401 - whatever the SQL selects
        return self.ask(sql)["rows"][0][0]

    def _write_all(self) -> None:
        """Commit whatever waits, together: one commit costs what ten cost."""
        open_ = True
        while open_:
            first = self._queue.get()
            batch = [first] if first else []
            size = len(first.records) if first else 0
            open_ = first is not None
            while open_ and size < MOST_AT_ONCE and not self._queue.empty():
                following = self._queue.get()
                open_ = following is not None
                if following:
                    batch.append(following)
                    size += len(following.records)
            if batch:
                self._write(batch)

    def _write(self, batch: list[Delivery]) -> None:
        rows = [(delivery, record) for delivery in batch for record in delivery.records]
        try:
            with self._writing:
                if rows:
                    self._connection.execute(APPEND, self._columns(rows))
                self._seq += len(rows)
        except duckdb.Error as exc:  # a full disk, for one
            for delivery in batch:
                delivery.done.set_exception(TableError(str(exc)))
        else:
            for delivery in batch:
                delivery.done.set_result(len(delivery.records))

    def _columns(self, rows: list[tuple[Delivery, Record]]) -> list[list[Any]]:
        return [
            [delivery.webhook for delivery, _ in rows],
            list(range(self._seq + 1, self._seq + 1 + len(rows))),
            [delivery.received_at for delivery, _ in rows],
            [delivery.request_id for delivery, _ in rows],
            [record.uuid for _, record in rows],
            [record.event for _, record in rows],
            [record.distinct_id for _, record in rows],
            [record.timestamp for _, record in rows],
            [record.text for _, record in rows],
        ]
