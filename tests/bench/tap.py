"""How fast the tap reads: beside the usual SDK tap and beside the floors.

What it costs at PostHog, and how long it waits, is in `cost.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.bench.ground import alternate, middle, replay
from tests.bench.process import Run, run
from tests.bench.report import megabytes, table

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.bench.ground import Ground
    from tests.bench.report import Report
    from tests.support.sandbox import Sandbox

EVENTS = 150_000
OURS, USUAL, FAST = ("tap-posthog", "usual SDK tap", "the same, SDK's msgspec writer")
TEXT, DECODED = "floor, `properties` stay text", "floor, everything decoded"
HEAD = ["", "events/s", "time, ours = 1", "first record", "processor", "peak memory"]
SERVED = (
    "All read the same {count:,} events from the same server, which has kept the"
    " sandbox's own answers, gzip as PostHog sends it: what is measured is the reader."
)


def measure(ground: Ground, report: Report) -> None:
    """Read the same events with each program."""
    count = ground.size(EVENTS)
    with ground.sandbox(count) as sandbox:
        beside_others(ground, report, sandbox, count)


def whole(count: int, program: Callable[[], Run]) -> Callable[[], Run]:
    """Hold a program to its bargain: a run that lacks events is no measurement."""

    def checked() -> Run:
        done = program()
        assert done.records == count, (done.records, count, done.stderr[-2000:])
        return done

    return checked


def beside_others(ground: Ground, report: Report, sandbox: Sandbox, count: int) -> None:
    """Compare whole processes, alternating."""
    with replay(sandbox.url) as url:
        config = ground.tap_config(url)
        programs = {
            OURS: ground.tap(url),
            USUAL: ground.peer("sdk_tap", "json", config),
            FAST: ground.peer("sdk_tap", "msgspec", config),
            TEXT: ground.python("floors", "read", url, "text"),
            DECODED: ground.python("floors", "read", url, "decode"),
        }
        runs = {
            name: whole(count, lambda argv=argv: run(argv))  # type: ignore[misc]
            for name, argv in programs.items()
        }
        for name in (OURS, TEXT):
            runs[name]()  # so that the server has every answer
        done = {
            name: middle(each) for name, each in alternate(runs, ground.rounds).items()
        }
    ours = done[OURS]
    rows = [
        [
            name,
            f"{one.rate(count):,.0f}",
            f"{one.seconds / ours.seconds:.2f}",
            f"{one.first:.2f} s",
            f"{one.cpu_seconds:.2f} s",
            megabytes(one.peak_bytes),
        ]
        for name, one in done.items()
    ]
    report.ratio("tap / usual SDK tap", done[USUAL].seconds / ours.seconds, 8)
    report.ratio("tap / floor with text", done[TEXT].seconds / ours.seconds, 0.75)
    report.add("The tap alone", SERVED.format(count=count), table(HEAD, rows))
