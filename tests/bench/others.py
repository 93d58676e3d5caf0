"""The tap beside what others use: the same events, what each of them delivers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.bench.peers import dlt_pipeline
from tests.bench.peers.airbyte import VERSION, reading
from tests.bench.process import Run, run
from tests.bench.report import megabytes, table

if TYPE_CHECKING:
    from pathlib import Path

    from tests.bench.ground import Ground
    from tests.bench.report import Report
    from tests.support.sandbox import Sandbox

HEAD = [
    "",
    "delivered",
    "requests",
    "read at PostHog",
    "time",
    "processor",
    "peak memory",
]
DLT = f"dlt {dlt_pipeline.VERSION}"
SOURCE = "../tests/bench/peers/dlt_events.py"
EVENTS = 200_000
NOW, BEFORE = 1_000, 50_000  # PostHog's cap on a page of the events list
ABOUT = """The same {count:,} events from the same sandbox; no answer is kept. The dlt
pipeline ([its source]({source})) is what one would write:
a HogQL resource that pages by (timestamp, uuid), into compressed JSON lines. It counts
nothing, and what arrives behind its newest timestamp it never sees. Airbyte's connector
asks for pages of 10,000 of the events list by OFFSET and takes a short page
for the last. PostHog has cut pages at {cap:,} since May 2026 (PostHog/posthog#60124):
each slice ends after its first page, and the sync succeeds. In the last row the server
would give 50,000: there a slice ends where its newest-first page does, which PostHog
also cuts short (bruin-data/ingestr#1113)."""


def measure(ground: Ground, report: Report) -> None:
    """Read the same events with both."""
    count = ground.size(EVENTS)
    with ground.sandbox(count) as sandbox:
        files = ground.folder / "dlt"
        by_day, by_month = (reading(ground, sandbox.url, days) for days in (1, 30))
        programs: dict[str, tuple[list[str | Path], int]] = {
            "tap-posthog": (ground.tap(sandbox.url), NOW),
            DLT: (dlt_pipeline.reading(ground, sandbox.url, files), NOW),
            f"Airbyte {VERSION}, slices of 30 days": (by_month, NOW),
            f"Airbyte {VERSION}, slices of a day": (by_day, NOW),
            f"Airbyte {VERSION}, slices of a day, no cap": (by_day, BEFORE),
        }
        rows = []
        for name, (argv, cap) in programs.items():
            sandbox.behave(events_list_max=cap)
            sandbox.forget_requests()
            done = run(argv)
            delivered = dlt_pipeline.delivered(files) if name == DLT else done.records
            rows.append([name, *cells(done, delivered, sandbox)])
            if cap == BEFORE:
                report.airbyte_rate = done.rate(done.records)
    report.add(
        "The tap beside what others use",
        ABOUT.format(count=count, cap=NOW, source=SOURCE),
        table(HEAD, rows),
    )


def cells(done: Run, delivered: int, sandbox: Sandbox) -> list[str]:
    """Give a program's row."""
    asked = sandbox.requests()
    nbytes = sum(request["bytes_read"] or 0 for request in asked)
    return [
        f"{delivered:,}",
        f"{len(asked):,}",
        f"{nbytes / 1e9:,.2f} GB",
        f"{done.seconds:.1f} s",
        f"{done.cpu_seconds:.1f} s",
        megabytes(done.peak_bytes),
    ]
