"""Events to export, and the tap's configuration that reads them back."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.exports.layout import Layout

START = datetime(2026, 11, 20, tzinfo=UTC)
HOUR = timedelta(hours=1)
ODD = [
    '{"a":1}',
    '{"$session_id":"s1","$window_id":"w1","n":18446744073709551616}',
    '{"a":1.50,"a":2,"\\ud83d":"caf\\u00e9 \u00e9"}',
    '{"$session_id":12,"x":NaN}',
    None,
]


def events(count: int, hours: int, *, seed: int = 1) -> list[dict[str, Any]]:
    """Make events over some hours: late ones, some dated ahead, all inserted soon."""
    rng = random.Random(seed)  # noqa: S311 - a test's data
    made = []
    for n in range(count):
        inserted = START + timedelta(microseconds=rng.randrange(hours * 3600) * 10**6)
        inserted += timedelta(milliseconds=rng.randrange(1000))
        created = inserted - timedelta(milliseconds=rng.randrange(50_000))
        late = rng.choice([0.001, 0.01, 30, -9])
        made.append(
            {
                "uuid": f"0192aaaa-0000-7000-8000-{n:012x}",
                "timestamp": created - late * HOUR * rng.random(),
                "created_at": created,
                "_inserted_at": inserted,
                "event": rng.choice(["$pageview", 'a "b"\n', "signup"]),
                "distinct_id": f"user {n % 7}",
                "properties": rng.choice(ODD[:2]),
                "elements_chain": "",
                "person_id": f"0192bbbb-0000-7000-8000-{n % 7:012x}",
                "person_properties": None,
            }
        )
    return made


def write(
    folder: Path, layout: Layout, rows: list[dict[str, Any]], first: int, end: int
) -> None:
    """Write hourly windows."""
    for hour in range(first, end):
        start = START + hour * HOUR
        inside = [row for row in rows if start <= row["_inserted_at"] < start + HOUR]
        layout.write(folder, start, start + HOUR, inside)


def config(folder: Path, **more: object) -> dict[str, Any]:
    """Read a folder, without a key."""
    return {
        "project_id": "1",
        "events_source": "files",
        "files_url": f"file://{folder}",
        **more,
    }


def due(rows: list[dict[str, Any]], hours: int) -> list[str]:
    """Return the uuids that runs over so many hours have sent."""
    end = START + hours * HOUR - timedelta(seconds=60)
    return sorted(row["uuid"] for row in rows if row["created_at"] < end)
