"""One run of one program, as its operating system saw it: time, processor, memory.

It also owns the servers of a bench, from their first line until the block ends.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

REPOSITORY = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
MARK = b"RECORD"  # of a Singer or Airbyte record; in no event's text
CHUNK = 1 << 20
STDERR_TAIL = 2_000
# Without what a developer's machine or CI sets for Python, such as unbuffered output.
ENVIRONMENT = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}


class BenchError(Exception):
    """A program did not do what is measured. Its last words are in the text."""


@dataclass(frozen=True, slots=True)
class Run:
    """What one run took. ``first`` is the seconds until its first byte of output."""

    seconds: float
    cpu_seconds: float
    peak_bytes: int
    records: int = 0
    first: float = 0
    stderr: str = field(default="", repr=False)

    def rate(self, events: int) -> float:
        """Events a second over the whole run, its start included."""
        return events / self.seconds


def run(
    argv: Sequence[str | Path],
    *,
    stdin: Path | None = None,
    keep: Path | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path = REPOSITORY,
) -> Run:
    """Run a program to its end and count the records that it writes, or keep them.

    Raises:
        BenchError: it ended with another status than 0.
    """
    with (
        (stdin or Path(os.devnull)).open("rb") as source,
        (keep or Path(os.devnull)).open("wb") as kept,
        tempfile.TemporaryFile() as errors,
    ):
        started = time.perf_counter()
        process = subprocess.Popen(
            list(map(str, argv)),
            stdin=source,
            stdout=kept if keep else subprocess.PIPE,
            stderr=errors,
            env={**ENVIRONMENT, **(env or {})},
            cwd=cwd,
        )
        records, first = _count(process.stdout, started)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        errors.seek(0)
        said = errors.read().decode(errors="replace")
    if process.returncode:
        name, words = Path(argv[0]).name, said[-STDERR_TAIL:]
        msg = f"{name} ended with {process.returncode}: {words}"
        raise BenchError(msg)
    return Run(
        seconds,
        usage.ru_utime + usage.ru_stime,
        usage.ru_maxrss * 1024,
        records,
        first,
        said,
    )


def _count(stream: IO[bytes] | None, started: float) -> tuple[int, float]:
    records, first, tail = 0, 0.0, b""
    if stream is None:
        return records, first
    with stream:
        while chunk := os.read(stream.fileno(), CHUNK):
            first = first or time.perf_counter() - started
            records += (tail + chunk).count(MARK)
            tail = chunk[1 - len(MARK) :]
    return records, first


@contextlib.contextmanager
def server(module: str, *arguments: object) -> Iterator[str]:
    """Keep one of the bench's servers; give its URL."""
    argv = [sys.executable, "-m", f"tests.bench.{module}", *map(str, arguments)]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, cwd=REPOSITORY, text=True)
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
