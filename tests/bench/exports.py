"""How fast the tap reads the files of an export, and in what memory.

Beside the least that does the same work, DuckDB, and Python's own gzip.
"""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.bench.ground import alternate, middle
from tests.bench.process import BIN, run
from tests.bench.report import megabytes, table

if TYPE_CHECKING:
    from tests.bench.ground import Ground
    from tests.bench.report import Report

EVENTS, LINES = 300_000, 100_000
GROWING = (100_000, 1_000_000, 10_000_000)
A_FILE = 1_000_000  # rows, and an hour
MOST_MB = 400
TAP, FLOOR, DUCKDB = "tap-posthog", "pyarrow's kernels, no more", "DuckDB, one SELECT"
PLAIN = "Python's gzip and msgspec"
ABOUT = """Export files of events of 1.35 KB: Parquet with zstd, and JSONLines as
PostHog packs them, a gzip member for each row. The floors make the same lines and know
no copies, bookmark, filter or state."""
FLAT = """The same Parquet, in files of up to a million rows."""


def measure(ground: Ground, report: Report) -> None:
    """Read Parquet and JSONLines, then more and more Parquet."""
    count, lines = ground.size(EVENTS), ground.size(LINES)
    folders = {name: ground.folder / f"export-{name}" for name in ("parquet", "jsonl")}
    files = {
        "parquet": [make("parquet", folders["parquet"], 0, count)],
        "jsonl": [make("jsonl", folders["jsonl"], 0, lines)],
    }
    programs = {
        TAP: partial(run, tap(ground, folders["parquet"])),
        FLOOR: partial(run, peer("parquet", files["parquet"])),
        DUCKDB: partial(run, peer("duckdb", files["parquet"])),
        f"{TAP}, JSONLines": partial(run, tap(ground, folders["jsonl"])),
        PLAIN: partial(run, peer("jsonl", files["jsonl"])),
    }
    runs = alternate(programs, ground.rounds)
    done = {name: middle(each) for name, each in runs.items()}
    counts = dict.fromkeys(done, count) | {f"{TAP}, JSONLines": lines, PLAIN: lines}
    for name, one in done.items():
        assert one.records == counts[name], (name, one.records, one.stderr)
    report.ratio(
        "Parquet: tap / pyarrow's kernels",
        done[FLOOR].cpu_seconds / done[TAP].cpu_seconds,
        0.7,
    )
    report.ratio(
        "JSONLines: tap / Python's gzip",
        done[PLAIN].cpu_seconds / done[f"{TAP}, JSONLines"].cpu_seconds,
        2.5,
    )
    rows = [
        [
            name,
            f"{counts[name] / one.cpu_seconds:,.0f}",
            f"{one.cpu_seconds:.2f} s",
            megabytes(one.peak_bytes),
        ]
        for name, one in done.items()
    ]
    head = ["", "events a second of processor", "processor", "peak memory"]
    report.add("Export files", ABOUT, table(head, rows))
    growth(ground, report)


def growth(ground: Ground, report: Report) -> None:
    """Read more and more rows: memory must not follow."""
    rows, peaks = [], []
    for size in GROWING:
        count = ground.size(size)
        folder = ground.folder / f"export-{size}"
        for hour, first in enumerate(range(0, count, A_FILE)):
            make("parquet", folder, hour, min(A_FILE, count - first))
        one = run(tap(ground, folder))
        assert one.records == count, (size, one.records, one.stderr)
        peaks.append(one.peak_bytes)
        rows.append([f"{count:,}", f"{one.seconds:.1f} s", megabytes(one.peak_bytes)])
        for path in folder.rglob("*.parquet"):
            path.unlink()
    most = peaks[-1] / 1e6
    what = f"the tap's peak over {GROWING[-1]:,} rows of files, MB"
    report.ratio(what, most, MOST_MB, at_most=True)
    report.add(
        "Export files, growing", FLAT, table(["rows", "time", "peak memory"], rows)
    )


def tap(ground: Ground, folder: Path) -> list[Any]:
    """Name the tap, to read a folder."""
    config = ground.config(
        f"tap-{folder.name}",
        project_id="1",
        events_source="files",
        files_url=folder.as_uri(),
    )
    return [BIN / "tap-posthog", "--config", config]


def peer(how: str, files: list[Path]) -> list[Any]:
    """Name one of the other ways."""
    return [sys.executable, "-m", "tests.bench.peers.export_files", how, *files]


def make(form: str, folder: Path, hour: int, count: int) -> Path:
    """Have a window's file written, by another process: its memory is not ours."""
    module = [sys.executable, "-m", "tests.bench.export_window", form]
    argv = [*module, str(folder), str(hour), str(count)]
    done = subprocess.run(argv, check=True, capture_output=True, text=True)
    return Path(done.stdout.strip())
