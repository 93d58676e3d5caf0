"""What reading costs: at PostHog (requests, bytes, quota) and here (time, memory).

Over 10,000 to 1,000,000 events of the same density, so that growth shows.
"""

from __future__ import annotations

import json
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.bench.ground import figures, receiver, replay
from tests.bench.picture import Curve, Panel, draw
from tests.bench.process import Run, run
from tests.bench.query import PAGE_SIZE, SELECT
from tests.bench.quota import EVENTS_LIST, QUERY, Reader, spelled
from tests.bench.report import megabytes, table

if TYPE_CHECKING:
    from tests.bench.ground import Ground
    from tests.bench.report import Report
    from tests.support.sandbox import Sandbox

SIZES = (10_000, 30_000, 100_000, 300_000, 1_000_000)
BACKFILLS = (1_000_000, 10_000_000, 100_000_000)
AIRBYTE_PAGE = 1_000
PICTURE = "benchmarks.svg"


@dataclass(frozen=True, slots=True)
class Point:
    """One size: what the server read, and what each program took."""

    events: int
    requests: int
    nbytes: int
    scan: int
    tap: Run
    target: Run


def measure(ground: Ground, report: Report) -> None:
    """Read and write more and more events."""
    points: list[Point] = []
    with ground.sandbox(0) as sandbox, receiver() as hook:
        held = 0
        for size in SIZES:
            count = ground.size(size)
            ground.fill(sandbox, held, count - held)
            held = count
            points.append(point(ground, sandbox, hook, count))
    at_posthog(report, points)
    quotas(report, points[-1])
    growth(report, points)


def point(ground: Ground, sandbox: Sandbox, hook: str, count: int) -> Point:
    """Measure one size: once at the sandbox itself, then with its answers kept."""
    with replay(sandbox.url) as url:
        sandbox.forget_requests()
        run(ground.tap(url))
        asked = sandbox.requests()
        tap = run(ground.tap(url))
    lines = ground.singer(count)
    target = run(ground.target(hook), stdin=lines)
    assert (tap.records, figures(hook)["records"]) == (count, count)
    lines.unlink()
    nbytes = sum(request["bytes_read"] or 0 for request in asked)
    return Point(count, len(asked), nbytes, scan(sandbox), tap, target)


def scan(sandbox: Sandbox) -> int:
    """Give the bytes that ClickHouse reads to show every event's columns once."""
    columns = SELECT.replace("$session_id", "`$session_id`")
    columns = columns.replace("$window_id", "`$window_id`")
    sql = f"select count() from events where not ignore({columns})"  # noqa: S608 - own
    question = urllib.request.Request(  # noqa: S310 - loopback
        f"{sandbox.url}/sandbox/posthog/sql", json.dumps({"sql": sql}).encode()
    )
    with urllib.request.urlopen(question) as answer:  # noqa: S310 - loopback
        return int(json.load(answer)["statistics"]["bytes_read"])


def at_posthog(report: Report, points: list[Point]) -> None:
    """Say what ClickHouse did for it."""
    rows = [
        [
            f"{p.events:,}",
            f"{p.requests:,}",
            f"{p.requests / p.events * PAGE_SIZE:.2f}",
            f"{p.nbytes / p.events * 1e6 / 1e9:.2f} GB",
            f"{p.nbytes / p.scan:.2f}",
        ]
        for p in points
    ]
    head = ["events", "requests", "a page", "read per million", "times one scan"]
    last = points[-1]
    per_page = last.requests / last.events * PAGE_SIZE
    report.ratio("requests / `page_size` events", per_page, 1.1, at_most=True)
    report.ratio("bytes read / one scan", last.nbytes / last.scan, 1.5, at_most=True)
    report.add(
        "What it costs at PostHog",
        "Requests of every kind, and the bytes that ClickHouse says it read for them,"
        " over a million events in 30 days and the first parts of them. `a page` is"
        f" requests per {PAGE_SIZE:,} events; one scan is every column of every row"
        " read once.",
        table(head, rows),
    )


def quotas(report: Report, last: Point) -> None:
    """Say what PostHog's quotas make of a backfill."""
    requests = last.requests * 1e6 / last.events
    rate = last.events / last.tap.seconds
    readers = {
        f"tap-posthog, {PAGE_SIZE:,} a page": Reader(requests, rate, QUERY),
        "tap-posthog, 50,000 a page": Reader(requests / 5, rate, QUERY),
    }
    if report.airbyte_rate:
        pages = 1e6 / AIRBYTE_PAGE
        readers["1,000 a page, Airbyte's speed"] = Reader(
            pages, report.airbyte_rate, QUERY
        )
        readers["the same, the events list's quota"] = Reader(
            pages, report.airbyte_rate, EVENTS_LIST
        )
    rows = [
        [
            name,
            f"{reader.requests_per_million:,.0f}",
            *(spelled(reader.seconds(events)) for events in BACKFILLS),
        ]
        for name, reader in readers.items()
    ]
    head = ["", "requests per million", *(f"{n // 10**6} million" for n in BACKFILLS)]
    report.add(
        "A backfill under PostHog's quotas",
        "Computed from the requests and the speeds measured here: 240 requests a minute"
        " and 2,400 an hour for the query endpoint; the events list has 1,200 an hour."
        " Airbyte's connector asks for 10,000 a page and so loses the rest of each"
        " slice; the rows show what it would take if it read on.",
        table(head, rows),
    )


def growth(report: Report, points: list[Point]) -> None:
    """Say and draw how time and memory grow."""
    runs = {
        "tap-posthog": [(p.events, p.tap) for p in points],
        "target-patterns-webhook": [(p.events, p.target) for p in points],
    }
    times = [Curve(k, [(n, r.seconds) for n, r in v]) for k, v in runs.items()]
    peaks = [Curve(k, [(n, r.peak_bytes / 1e6) for n, r in v]) for k, v in runs.items()]
    report.pictures[PICTURE] = draw(
        [
            Panel("Time", "s", times, logarithmic=False),
            Panel("Peak memory", "MB", peaks, logarithmic=False),
        ]
    )
    for name, each in runs.items():
        (small, first), (middle, second), (large, third) = each[0], each[2], each[-1]
        early = (second.seconds - first.seconds) / (middle - small)
        late = (third.seconds - second.seconds) / (large - middle)
        memory = third.peak_bytes / second.peak_bytes
        what = f"{name}: an event's time after / before 100,000"
        report.ratio(what, late / early, 1.2, at_most=True)
        what = f"{name}: memory at 1,000,000 / 100,000"
        report.ratio(what, memory, 1.2, at_most=True)
    rows = [
        [
            f"{p.events:,}",
            f"{p.tap.seconds:.2f} s",
            megabytes(p.tap.peak_bytes),
            f"{p.target.seconds:.2f} s",
            megabytes(p.target.peak_bytes),
        ]
        for p in points
    ]
    head = ["events", "tap", "its peak memory", "target", "its peak memory"]
    report.add(
        "Scaling",
        f"![Time and memory by the number of events]({PICTURE})",
        table(head, rows),
    )
