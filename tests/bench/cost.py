"""What reading costs: at PostHog (requests, bytes, quota) and here (time, memory).

Over 10,000 to 1,000,000 events of the same density, so that growth shows.
"""

from __future__ import annotations

import json
import statistics
import urllib.request
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from tests.bench import questions
from tests.bench.ground import alternate, middle, receiver, replay, stats
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
LATENCY = 0.15
NEAR, FAR = "at once", "after 150 ms"
WAITING_ROUNDS = 5  # a share is the small difference of two large times
SMALL_PAGE = 10_000
PICTURE = "benchmarks.svg"
COST = f"""Requests of every kind, and the bytes that ClickHouse says it read for them,
over a million events in 30 days and the first parts of them. The ideal is one request
for each full page; one scan is every column of every row read once. PostHog's events
are sorted by day, then by name and person: a page inside a day costs the whole day
again. These days have 33,333 events, so pages of {PAGE_SIZE:,} read a day hardly more
than once and pages of {SMALL_PAGE:,} about four times. Memory is the tap's peak."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What the server did for one run of the tap, and what that run took here."""

    events: int
    page_size: int
    requests: int
    nbytes: int
    scan: int
    run: Run

    @property
    def reader(self) -> Reader:
        """The tap, as the quotas see it."""
        per_million = self.requests * 1e6 / self.events
        return Reader(per_million, self.events / self.run.seconds, QUERY)


def measure(ground: Ground, report: Report) -> None:
    """Read and write more and more events."""
    readings: list[Reading] = []
    writings: list[Run] = []
    with ground.sandbox(0) as sandbox:
        held = 0
        for size in SIZES:
            count = ground.size(size)
            ground.fill(sandbox, held, count - held)
            held = count
            readings.append(read(ground, sandbox, count, PAGE_SIZE))
            writings.append(write(ground, count))
        small = read(ground, sandbox, count, SMALL_PAGE)
        at_posthog(report, readings, small)
        lead(report, readings[-1])
        quotas(report, readings[-1], small)
        waiting(ground, report, sandbox, count)
        questions.measure(ground, report, sandbox, count)
    growth(report, readings, writings)


def read(ground: Ground, sandbox: Sandbox, count: int, page_size: int) -> Reading:
    """Run the tap at the sandbox itself for its cost, then with the answers kept."""
    with replay(sandbox.url) as url:
        sandbox.forget_requests()
        tap = ground.tap(url, page_size=page_size)
        run(tap)
        asked = sandbox.requests()
        done = middle([run(tap) for _ in range(ground.rounds)])
    assert done.records == count, done
    nbytes = sum(request["bytes_read"] or 0 for request in asked)
    return Reading(count, page_size, len(asked), nbytes, scan(sandbox), done)


def write(ground: Ground, count: int) -> Run:
    """Run the target into a receiver that answers at once."""
    lines = ground.singer(count)
    with receiver() as url:
        target = ground.target(url)
        done = middle([run(target, stdin=lines) for _ in range(ground.rounds)])
        assert stats(url)["records"] == count * ground.rounds, done
    lines.unlink()
    return done


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


def at_posthog(report: Report, readings: list[Reading], small: Reading) -> None:
    """Say what ClickHouse did for it."""
    rows = [
        [
            f"{one.events:,}, {one.page_size:,} a page",
            f"{one.requests:,}",
            f"{one.requests / one.events * one.page_size:.2f}",
            f"{one.nbytes / one.events * 1e6 / 1e9:.2f} GB",
            f"{one.nbytes / one.scan:.2f}",
            megabytes(one.run.peak_bytes),
        ]
        for one in (*readings, small)
    ]
    read = ["read per million", "times one scan"]
    head = ["events", "requests", "of the ideal", *read, "peak memory"]
    last = readings[-1]
    bound = 1.15 * last.events / PAGE_SIZE + 10  # a few questions, however few pages
    what = "requests / (1.15 * events / `page_size` + 10)"
    report.ratio(what, last.requests / bound, 1, at_most=True)
    what = f"the tap's peak over {last.events:,} events, MB"
    report.ratio(what, last.run.peak_bytes / 1e6, 256, at_most=True)
    report.ratio("bytes read / one scan", last.nbytes / last.scan, 1.5, at_most=True)
    report.add("What it costs at PostHog", COST, table(head, rows))


def lead(report: Report, one: Reading) -> None:
    """Answer what a user asks first: how long, and how much of the budget."""
    rows = [
        [
            f"{events // 10**6} million events",
            f"{one.reader.requests_per_million * events / 1e6:,.0f}",
            spelled(one.reader.seconds(events)),
            f"{one.nbytes / one.events * events / 1e9:,.1f} GB",
        ]
        for events in BACKFILLS
    ]
    report.add(
        "How long, and how much of my budget?",
        f"At the defaults, over days of {one.events / 30:,.0f} events of 1.35 KB:"
        " requests, the time they take at this machine's speed and PostHog's quotas,"
        " and the bytes that PostHog reads for them. Computed from a million events.",
        table(["", "requests", "time", "read at PostHog"], rows),
        first=True,
    )


def quotas(report: Report, last: Reading, small: Reading) -> None:
    """Say what PostHog's quotas make of a backfill."""
    readers = {
        f"tap-posthog, {one.page_size:,} a page": one.reader for one in (last, small)
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


def waiting(ground: Ground, report: Report, sandbox: Sandbox, count: int) -> None:
    """Compare a server that answers at once with one that takes 150 ms."""
    with replay(sandbox.url) as near, replay(near, LATENCY) as far:
        programs = {
            name: partial(run, ground.tap(url))
            for name, url in ((NEAR, near), (FAR, far))
        }
        alternate(programs, 1)  # so that both servers have every answer
        runs = alternate(programs, WAITING_ROUNDS if ground.rounds > 1 else 1)
    pairs = zip(runs[NEAR], runs[FAR], strict=True)
    share = statistics.median(1 - near.seconds / far.seconds for near, far in pairs)
    done = {name: middle(each) for name, each in runs.items()}
    assert all(one.records == count for one in done.values()), done
    rows = [
        [name, f"{one.seconds:.2f} s", f"{one.rate(count):,.0f}"]
        for name, one in done.items()
    ]
    report.ratio("share of its time that the tap waits", share, 0.1, at_most=True)
    report.add(
        "Waiting",
        f"The tap over {count:,} events from a server that answers each request at"
        f" once, and from one that takes 150 ms, {len(runs[FAR])} times in turn. In the"
        f" median pair {share:.0%} of the time is waiting. Part of it no reading ahead"
        " can hide: a count, a histogram and the first page come one after the other.",
        table(["the server answers", "time", "events/s"], rows),
    )


def growth(report: Report, readings: list[Reading], writings: list[Run]) -> None:
    """Say and draw how time and memory grow."""
    counts = [one.events for one in readings]
    taps = [one.run for one in readings]
    runs = {
        "tap-posthog": list(zip(counts, taps, strict=True)),
        "target-patterns-webhook": list(zip(counts, writings, strict=True)),
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
        what = f"{name}: an event's time after / before 100,000"
        report.ratio(what, late / early, 1.1, at_most=True)
    memory = writings[-1].peak_bytes / writings[2].peak_bytes
    what = "target-patterns-webhook: memory at 1,000,000 / 100,000"
    report.ratio(what, memory, 1.2, at_most=True)
    rows = [
        [
            f"{count:,}",
            f"{tap.seconds:.2f} s",
            megabytes(tap.peak_bytes),
            f"{target.seconds:.2f} s",
            megabytes(target.peak_bytes),
        ]
        for count, tap, target in zip(counts, taps, writings, strict=True)
    ]
    head = ["events", "tap", "its peak memory", "target", "its peak memory"]
    report.add(
        "Scaling",
        f"![Time and memory by the number of events]({PICTURE})",
        table(head, rows),
    )
