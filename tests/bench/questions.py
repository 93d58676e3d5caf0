"""What each kind of question makes PostHog read: in a backfill, and after it."""

from __future__ import annotations

import json
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from tests.bench.process import run
from tests.bench.report import table
from tests.support.rows import fill

if TYPE_CHECKING:
    from tests.bench.ground import Ground
    from tests.bench.report import Report
    from tests.support.sandbox import Sandbox

# By what only its HogQL holds, the first that fits.
KINDS = {
    "groupArray(": "recheck: events by hour of ingestion",
    "uniqExact(": "audit: a window counted again",
    " as stretch": "histogram: rows by day or finer",
    " as region": "extent: rows of each pass, and the clock",
    "select now()": "clock",
    " order by ": "rows",
}
HOUR = timedelta(hours=1)
LATE = 1_000  # events that arrive behind the backfill


def measure(ground: Ground, report: Report, sandbox: Sandbox, count: int) -> None:
    """Read everything, then what arrived late and what is new."""
    first = asked(ground, sandbox, {})
    sandbox.behave(frozen_at=(ground.now + HOUR).isoformat())
    at = f"{ground.now + HOUR / 2:%Y-%m-%d %H:%M:%S}"
    fill(
        sandbox,
        LATE,
        event="'late'",
        timestamp="(select max(timestamp) from events) - number * 300",
        created_at=f"toDateTime64('{at}', 6, 'UTC')",
    )
    state = json.loads((ground.folder / "state.json").read_text())
    again = asked(ground, sandbox, state)
    rows = [
        [name, *cells(first, name, count), *cells(again, name, count)]
        for name in (*KINDS.values(), "in all")
    ]
    report.add(
        "Bytes by question",
        f"The same million events read at the defaults, and the run after it, which has"
        f" {LATE:,} late events to find. What an hourly run costs is what it asks about"
        " the last `late_window_days` and `recheck_hours`.",
        table(["", "backfill: requests", "read", "next run: requests", "read"], rows),
    )


def asked(
    ground: Ground, sandbox: Sandbox, state: dict[str, Any]
) -> Counter[tuple[str, str]]:
    """Run the tap from a state; count requests and bytes by the kind of question."""
    path, out = ground.folder / "state.json", ground.folder / "out.jsonl"
    path.write_text(json.dumps(state))
    sandbox.forget_requests()
    run([*ground.tap(sandbox.url), "--state", path], keep=out)
    states = [line for line in out.open() if line.startswith('{"type":"STATE"')]
    out.unlink()
    path.write_text(json.dumps(json.loads(states[-1])["value"]))
    found: Counter[tuple[str, str]] = Counter()
    for request in sandbox.requests():
        text = request["hogql"] or ""
        name = next(kind for sign, kind in KINDS.items() if sign in text)
        for kind in (name, "in all"):
            found[kind, "requests"] += 1
            found[kind, "bytes"] += request["bytes_read"] or 0
    return found


def cells(found: Counter[tuple[str, str]], name: str, count: int) -> list[str]:
    """Spell requests and megabytes; for a million events."""
    million = 1e6 / count
    read = found[name, "bytes"] * million / 1e6
    return [f"{found[name, 'requests']:,}", f"{read:,.0f} MB"]
