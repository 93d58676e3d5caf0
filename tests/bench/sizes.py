"""What the tap's memory does where events are small, large, or one of them is huge."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.bench.process import run
from tests.bench.report import megabytes, table
from tests.support.rows import fill

if TYPE_CHECKING:
    from tests.bench.ground import Ground
    from tests.bench.report import Report
    from tests.support.sandbox import Sandbox

# How many, and the bytes of the text that each is padded with.
SIZES = {
    "0.3 KB": (300_000, 100),
    "1.35 KB": (300_000, 1_150),
    "5 KB": (100_000, 4_800),
    "50 KB": (20_000, 49_800),
}
HUGE = "5 KB, and one of 10 MB"
MOST_LARGE, MOST = 400, 256  # MB: with events of 50 KB, with all others
# Text that does not pack to nothing, as a person's would not.
PAD = "substring(repeat(hex(MD5(toString(number))), {copies}), 1, {size})"
ABOUT = """At the defaults, straight from the sandbox, one run each. Pages wait as they
came, packed, and one is opened at a time, 4 MB of it at once; where events are large,
windows hold fewer of them."""


def measure(ground: Ground, report: Report) -> None:
    """Read events of each size."""
    rows = []
    for name, (events, size) in SIZES.items():
        count = ground.size(events)
        with ground.sandbox(0) as sandbox:
            put(ground, sandbox, count, size)
            rows.append(read(ground, report, sandbox, name, count))
            if name == "5 KB":
                put(ground, sandbox, 1, 10_000_000)
                rows.append(read(ground, report, sandbox, HUGE, count + 1))
    head = ["events of", "number", "requests", "peak memory"]
    report.add("Memory by the size of events", ABOUT, table(head, rows))


def put(ground: Ground, sandbox: Sandbox, count: int, size: int) -> None:
    """Put events in, one a second from the first day on."""
    pad = PAD.format(copies=-(-size // 32), size=size)
    start = f"toDateTime64('{ground.start:%Y-%m-%d %H:%M:%S}', 6, 'UTC')"
    fill(
        sandbox,
        count,
        event="'sized'",
        timestamp=f"{start} + number + {size % 1000}",
        created_at=f"{start} + number + {size % 1000}",
        properties=f"""concat('{{"pad":"', {pad}, '"}}')""",
    )


def read(
    ground: Ground, report: Report, sandbox: Sandbox, name: str, count: int
) -> list[str]:
    """Run the tap, and hold it to its bound."""
    sandbox.forget_requests()
    done = run(ground.tap(sandbox.url))
    assert done.records == count, (name, done.records, count)
    most = MOST_LARGE if name == "50 KB" else MOST
    what = f"the tap's peak with events of {name}, MB"
    report.ratio(what, done.peak_bytes / 1e6, most, at_most=True)
    asked = len(sandbox.requests())
    return [name, f"{count:,}", f"{asked:,}", megabytes(done.peak_bytes)]
