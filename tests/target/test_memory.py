"""Memory is bounded whatever the input's size and however slow the receiver is."""

from __future__ import annotations

import contextlib
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.receiver import Receiver
from tests.target.process import SCHEMA, Ended, record, start, state

if TYPE_CHECKING:
    import subprocess

RECORDS = 1_000_000


def peak_megabytes(process: subprocess.Popen[bytes]) -> float:
    """Return the most memory that a process has had so far."""
    status = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


@pytest.mark.prove
@pytest.mark.timeout(1800)
def test_a_million_records_into_a_receiver_that_stalls(tmp_path: Path) -> None:
    """1,000,000 records of 1 KB, first into a stall, then flowing: below 200 MB."""
    release = threading.Event()
    written = 0

    def write(process: subprocess.Popen[bytes]) -> None:
        nonlocal written
        assert process.stdin is not None
        line = record(1, "x" * 980)
        with process.stdin as pipe:
            pipe.write(SCHEMA)
            for _ in range(RECORDS // 1000):
                pipe.write(line * 1000)
                written += 1000
            pipe.write(state(RECORDS))

    with Receiver(
        judge=lambda _request: release.wait(600) and None, keep=False
    ) as hook:
        process = start(tmp_path, {"webhook_url": hook.url, "timeout_seconds": 900})
        writer = threading.Thread(target=write, args=(process,))
        writer.start()
        before = -1
        while written != before or not hook.taken:
            before = written
            time.sleep(3)
        stalled = peak_megabytes(process)
        assert written < RECORDS
        release.set()
        flowing = stalled
        while process.poll() is None:  # wait4's peak would count this process's, too
            with contextlib.suppress(StopIteration):  # it has ended meanwhile
                flowing = peak_megabytes(process)
            time.sleep(0.05)
        writer.join(900)
        process.stdin = None  # closed by its writer
        stdout, stderr = process.communicate()
    ended = Ended(process.returncode, stdout, stderr.decode())

    print(f"peak {stalled:.0f} MB while stalled, {flowing:.0f} MB in all")  # noqa: T201 - the proof's numbers
    assert ended.code == 0
    assert ended.summary["accepted"] == RECORDS
    assert ended.states == [{"upto": RECORDS}]
    assert flowing < 200
