"""The tap beside Airbyte's connector: the same events, what each of them delivers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.bench.peers.airbyte import VERSION, reading
from tests.bench.process import Run, run
from tests.bench.report import megabytes, table

if TYPE_CHECKING:
    from pathlib import Path

    from tests.bench.ground import Ground
    from tests.bench.report import Report

HEAD = ["", "delivered", "of all", "requests", "events/s", "time", "peak memory"]
EVENTS = 200_000
NOW, BEFORE = 1_000, 50_000  # PostHog's cap on a page of the events list
ABOUT = """The same {count:,} events from the same sandbox; no answer is kept. Airbyte's
connector asks for pages of 10,000 of the events list by OFFSET and takes a short page
for the last. PostHog has cut pages at {cap:,} since May 2026 (PostHog/posthog#60124):
each slice ends after its first page, and the sync succeeds. In the last row the server
would give 50,000: there a slice ends where its newest-first page does, which PostHog
also cuts short (bruin-data/ingestr#1113)."""


def measure(ground: Ground, report: Report) -> None:
    """Read the same events with both."""
    count = ground.size(EVENTS)
    with ground.sandbox(count) as sandbox:
        by_day = reading(ground, sandbox.url, 1)
        programs: dict[str, tuple[list[str | Path], int]] = {
            "tap-posthog": (ground.tap(sandbox.url), NOW),
            "Airbyte, slices of 30 days": (reading(ground, sandbox.url, 30), NOW),
            "Airbyte, slices of a day": (by_day, NOW),
            "Airbyte, slices of a day, no cap": (by_day, BEFORE),
        }
        rows = []
        for name, (argv, cap) in programs.items():
            sandbox.behave(events_list_max=cap)
            sandbox.forget_requests()
            done = run(argv)
            asked = len(sandbox.requests())
            rows.append([name, *cells(done, asked, count)])
            if cap == BEFORE:
                report.airbyte_rate = done.rate(done.records)
    report.add(
        f"The tap beside airbyte-source-posthog {VERSION}",
        ABOUT.format(count=count, cap=NOW),
        table(HEAD, rows),
    )


def cells(done: Run, requests: int, count: int) -> list[str]:
    """Give a program's row."""
    return [
        f"{done.records:,}",
        f"{done.records / count:.1%}",
        f"{requests:,}",
        f"{done.rate(done.records):,.0f}",
        f"{done.seconds:.1f} s",
        megabytes(done.peak_bytes),
    ]
