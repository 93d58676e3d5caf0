"""Progress and summary: what a person sees of a run, while it goes and at its end."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import threading
from typing import TYPE_CHECKING

from target_patterns_webhook.progress import Progress
from target_patterns_webhook.settings.settings import Settings
from target_patterns_webhook.singer.batch_folders import BatchFolders
from target_patterns_webhook.singer.intake import Intake
from target_patterns_webhook.stats import Stats
from tests.support.receiver import Receiver
from tests.target.inside import deliver, logged
from tests.target.process import COMMAND, environment, singer

if TYPE_CHECKING:
    from pathlib import Path


def new_intake() -> Intake:
    """Return an intake that hands on to nobody."""
    return Intake(
        Settings.from_config({"webhook_url": "http://localhost/"}),
        add=lambda _stream, *_records: None,
        mark=lambda _state: None,
        probe=lambda: None,
        stopped=lambda: False,
        storage={},
        folders=BatchFolders(),
    )


def test_a_log_line_says_how_far_the_run_is() -> None:
    """Records, rate, where in time, what is accepted, and what was hard, in words."""
    stats, intake, times = Stats(clock=lambda: 70.0), new_intake(), [0.0, 10.0]
    progress = Progress(stats, intake, clock=lambda: times.pop(0))
    stats.read, stats.accepted, stats.batches = 12_000, 11_500, 23
    stats.retries["503"] = 2
    stats.dead_lettered, stats.oldest_since = 1, 65.0
    intake.filtered["events"] = 500
    intake.latest = b'{"timestamp":"2026-11-21T10:00:00.000000Z"}'

    with logged() as words:
        progress.tick()

    assert words.getvalue() == (
        "12,500 records, 1,250/s, at 2026-11-21T10:00, 11,500 accepted, 23 batches, "
        "2 retries, 1 dead-lettered, oldest unacknowledged 5 s\n"
    )


def test_the_last_line_adds_up() -> None:
    """Read = accepted + dead-lettered + filtered + undelivered, and all stats."""
    ended, _ = deliver(singer(range(25)), batch_size_rows=10, max_parallel_requests=1)

    last = ended.stderr.splitlines()[-1]
    assert last.startswith(
        "25 records read = 25 accepted + 0 dead-lettered + 0 filtered + 0 undelivered"
    )
    assert json.loads(last[last.index("{") :]).keys() == {
        "read",
        "accepted",
        "dead_lettered",
        "filtered",
        "nulled",
        "undelivered",
        "batches",
        "requests",
        "bytes",
        "wire_bytes",
        "states",
        "retries",
        "waited_seconds",
        "request_seconds",
        "oldest_unacknowledged_seconds",
        "streams",
    }
    assert ended.summary["batches"] == ended.summary["requests"] == 3
    assert '"metric":"record_count","value":25' in ended.stderr


def test_a_terminal_has_a_live_line(tmp_path: Path) -> None:
    """On a terminal one line is written over and over, and is gone in the end."""
    ours, theirs = pty.openpty()
    config = tmp_path / "config.json"
    with Receiver(latency=2) as receiver:
        config.write_text(json.dumps({"webhook_url": receiver.url}))
        process = subprocess.Popen(
            [COMMAND, "--config", str(config)],
            env=environment({"COLUMNS": "60"}),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=theirs,
        )
        os.close(theirs)
        shown: list[bytes] = []
        reader = threading.Thread(target=_read, args=(ours, shown))
        reader.start()
        process.communicate(singer(range(3)))
        reader.join(60)
    os.close(ours)

    words = b"".join(shown).decode()
    live = [part.split("\r")[0] for part in words.split("\x1b[K")[1:]]
    assert process.returncode == 0
    assert live[0].startswith("3 records, ")
    assert all(len(line) < 60 for line in live[:-1])


def _read(terminal: int, shown: list[bytes]) -> None:
    while True:
        try:
            shown.append(os.read(terminal, 4096))
        except OSError:  # the other end is closed
            return
