"""How fast the target delivers: beside a plain BatchSink target and beside the floors.

One grid of receiver latency, senders and gzip, and the ratios that the pair is held to.
"""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any

from tests.bench.ground import alternate, middle, receiver, stats
from tests.bench.process import BenchError, Run, run
from tests.bench.report import megabytes, table

if TYPE_CHECKING:
    from pathlib import Path

    from tests.bench.ground import Ground
    from tests.bench.report import Report

EVENTS = 1_000_000  # enough for the start to count little
GRID_EVENTS = 100_000
PLAIN_EVENTS = 50_000  # enough for the slower one
LATENCIES = (0, 0.02, 0.1)
SENDERS = (1, 4, 8)
COMPRESSIONS = ("none", "gzip")
OURS, USUAL, FAST = (
    "target-patterns-webhook",
    "plain BatchSink",
    "the same, SDK's msgspec reader",
)
POSTED, JOINED = "floor, records stay bytes, posted", "floor, not even posted"


def measure(ground: Ground, report: Report) -> None:
    """Write the same records with each program."""
    beside_others(ground, report)
    grid(ground, report)


def deliver(argv: list[Any], lines: Path, url: str, count: int, gzip: str) -> Run:
    """Run a target and hold it to its bargain: the receiver has every record."""
    stats(url)
    done = run(argv, stdin=lines)
    got = stats(url)["records"]
    if gzip == "none" and got != count:
        msg = f"{argv[0]}: {got} of {count} records arrived; {done.stderr}"
        raise BenchError(msg)
    return done


def beside_others(ground: Ground, report: Report) -> None:
    """Compare whole processes, alternating, into a receiver that answers at once."""
    count = ground.size(EVENTS)
    lines = ground.singer(count)
    with receiver() as url:
        config = ground.target_config(url)
        programs = {
            OURS: ground.target(url),
            USUAL: ground.peer("sdk_target", "json", config),
            FAST: ground.peer("sdk_target", "msgspec", config),
            POSTED: ground.python("floors", "post", url),
        }
        runs = {
            name: partial(deliver, argv, lines, url, count, "none")
            for name, argv in programs.items()
        } | {JOINED: partial(run, ground.python("floors", "lines"), stdin=lines)}
        done = {
            name: middle(each) for name, each in alternate(runs, ground.rounds).items()
        }
    ours = done[OURS]
    rows = [
        [
            name,
            f"{one.rate(count):,.0f}",
            f"{one.seconds / ours.seconds:.2f}",
            f"{one.cpu_seconds:.2f} s",
            megabytes(one.peak_bytes),
        ]
        for name, one in done.items()
    ]
    report.ratio("target / plain BatchSink", done[USUAL].seconds / ours.seconds, 6)
    report.ratio("target / floor, posted", done[POSTED].seconds / ours.seconds, 0.8)
    report.ratio("target / floor, lines", done[JOINED].seconds / ours.seconds, 0.4)
    report.add(
        "The target alone",
        f"{count:,} records from a file, 500 in a request, to a receiver that answers"
        " at once and counts them. Validation is off in all.",
        table(["", "events/s", "time, ours = 1", "processor", "peak memory"], rows),
    )


def grid(ground: Ground, report: Report) -> None:
    """Measure each latency with each number of senders, plain and compressed."""
    count, plain = ground.size(GRID_EVENTS), ground.size(PLAIN_EVENTS)
    rates: dict[str, list[float]] = {}
    usual, ours = starts(ground)
    for gzip in COMPRESSIONS:
        for latency in LATENCIES:
            with receiver(latency) as url:
                config = ground.target_config(url, compression=gzip)
                argv = ground.peer("sdk_target", "json", config)
                done = deliver(argv, ground.singer(plain), url, plain, gzip)
                rate = after_start(plain, done.seconds, usual)
                rates.setdefault(named(USUAL, gzip), []).append(rate)
                for senders in SENDERS:
                    argv = ground.target(
                        url, compression=gzip, max_parallel_requests=senders
                    )
                    done = deliver(argv, ground.singer(count), url, count, gzip)
                    rate = after_start(count, done.seconds, ours)
                    name = named(f"{OURS}, {senders} at once", gzip)
                    rates.setdefault(name, []).append(rate)
    one, eight = (rates[f"{OURS}, {senders} at once"][-1] for senders in (1, 8))
    if not math.isnan(eight / one):
        report.ratio("8 senders / 1 sender at 100 ms", eight / one, 6)
    report.add(
        "The target by the receiver's latency",
        f"Events a second after the start, {count:,} records ({plain:,} for the plain"
        " target, which has one sender), one run each.",
        table(
            ["", *(f"{seconds * 1000:.0f} ms" for seconds in LATENCIES)],
            [[name, *map(shown, each)] for name, each in rates.items()],
        ),
    )


def after_start(events: int, seconds: float, start: float) -> float:
    """Events a second without the start; NaN where that is within the start's noise."""
    rest = seconds - start
    return events / rest if rest > start / 10 else math.nan


def shown(rate: float) -> str:
    """Write a rate, or that it takes more events to tell (as with `--quick`)."""
    return "too few" if math.isnan(rate) else f"{rate:,.0f}"


def named(program: str, compression: str) -> str:
    """Name a row of the grid."""
    return program if compression == "none" else f"{program}, {compression}"


def starts(ground: Ground) -> tuple[float, float]:
    """Give the seconds that the plain target and ours take to move nothing."""
    with receiver() as url:
        config = ground.target_config(url)
        programs = {
            USUAL: partial(run, ground.peer("sdk_target", "json", config)),
            OURS: partial(run, ground.target(url)),
        }
        done = alternate(programs, ground.rounds)
    return middle(done[USUAL]).seconds, middle(done[OURS]).seconds
