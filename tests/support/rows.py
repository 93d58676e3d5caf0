"""Rows for the sandbox's events table, made by ClickHouse itself from SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.support.sandbox import Sandbox

DEFAULTS = {
    "uuid": "toUUID(concat('00000000-0000-7000-8000-', leftPad(toString(number), 12,"
    " '0')))",
    "event": "'e'",
    "distinct_id": "toString(number)",
    "timestamp": "toDateTime64('2026-01-01 00:00:00', 6, 'UTC') + number",
    "created_at": "toDateTime64('2026-01-02 00:00:00', 6, 'UTC')",
}


def fill(sandbox: Sandbox, rows: int = 10, **columns: str) -> None:
    """Insert rows, one a second from 2026-01-01 on, unless told otherwise.

    Args:
        sandbox: Where.
        rows: How many; `number` counts them from 0.
        columns: SQL over `number`, by the column's name.
    """
    exprs = DEFAULTS | columns
    names, values = ", ".join(exprs), ", ".join(exprs.values())
    sandbox.sql(
        f"insert into events ({names}) select {values} from numbers({rows})"  # noqa: S608 - a test's own
    )
