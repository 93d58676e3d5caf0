"""How a run ends: signals, a closed output, a kill. Real processes, real signals.

Whatever happens: no state is ahead of what the receiver accepted.
"""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.receiver import Receiver
from tests.target.inside import run_inside
from tests.target.process import SCHEMA, Ended, finish, record, singer, start, state

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

PATIENCE = 60.0


def until(true: Callable[[], object]) -> None:
    """Wait until something is true."""
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.01)


def feed(process: subprocess.Popen[bytes], given: bytes) -> None:
    """Write to the process's input and leave it open."""
    assert process.stdin is not None
    process.stdin.write(given)
    process.stdin.flush()


def send(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Send a signal and wait until it is handled: two at once would be one."""
    process.send_signal(number)
    status = Path(f"/proc/{process.pid}/status")

    def handled() -> bool:
        caught = re.search(r"SigCgt:\s*(\w+)", status.read_text())
        assert caught is not None
        return not int(caught[1], 16) & 1 << (number - 1)

    until(handled)


class Held:
    """A receiver's judgement that answers when it is told to."""

    def __init__(self) -> None:
        self.arrived = threading.Event()
        self.released = threading.Event()

    def __call__(self, request: object) -> None:
        """Note a request and hold it."""
        del request
        self.arrived.set()
        self.released.wait(PATIENCE)


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)]
)
def test_a_signal_while_the_input_is_idle(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    """What is held is sent, the last state written, and the exit code is the shell's.

    The open batch would have waited for an hour.
    """
    with Receiver() as receiver:
        config = {
            "webhook_url": receiver.url,
            "max_batch_age_seconds": 3600,
            "batch_size_rows": 2,
        }
        process = start(tmp_path, config)
        feed(process, SCHEMA + record(1) + record(2) + record(3) + state(3))
        until(lambda: receiver.accepted)
        process.send_signal(number)
        ended = finish(process)

        assert receiver.accepted == ["1", "2", "3"]
    assert (ended.code, ended.states) == (code, [{"upto": 3}])
    assert ended.error.startswith(f"Stopped by {number.name}.")
    assert ended.summary["undelivered"] == 0


def test_a_signal_while_a_request_is_in_flight(tmp_path: Path) -> None:
    """The request's answer is awaited: its state is written only after it.

    The SDK's own handler writes it at once here, and exits with 0.
    """
    held = Held()
    with Receiver(judge=held) as receiver:
        process = start(tmp_path, {"webhook_url": receiver.url, "batch_size_rows": 2})
        feed(process, SCHEMA + record(1) + record(2) + state(2))
        assert held.arrived.wait(PATIENCE)
        send(process, signal.SIGTERM)
        time.sleep(0.5)
        assert process.poll() is None
        assert receiver.accepted == []
        held.released.set()
        ended = finish(process)

        assert receiver.accepted == ["1", "2"]
    assert (ended.code, ended.states) == (143, [{"upto": 2}])


def test_a_signal_during_a_wait(tmp_path: Path) -> None:
    """Any wait is cut short; what cannot be sent is said, and its state not written."""
    with Receiver(judge=lambda _: "429:3600") as receiver:
        config = {
            "webhook_url": receiver.url,
            "batch_size_rows": 2,
            "max_retry_seconds": 7200,
        }
        process = start(tmp_path, config)
        feed(process, state(0) + SCHEMA + record(1) + record(2) + state(2))
        until(lambda: len(receiver.requests) >= 1)
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        ended = finish(process)

        assert time.monotonic() - began < PATIENCE
        assert receiver.accepted == []
    assert (ended.code, ended.states) == (143, [{"upto": 0}])
    assert "2 records were not delivered" in ended.error
    assert ended.summary["undelivered"] == 2


def test_a_signal_during_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """They go on for as long as the grace lasts, and then what is left is said.

    In this process, where the grace can be shorter than its twenty seconds.
    """
    monkeypatch.setattr("target_patterns_webhook.run.GRACE_SECONDS", 2.0)
    signals = iter([signal.SIGTERM])

    def judge(request: object) -> str:
        del request
        for number in signals:
            os.kill(os.getpid(), number)
        return "503"

    with Receiver(judge=judge) as receiver:
        config = {"webhook_url": receiver.url, "batch_size_rows": 2}
        given = state(0) + SCHEMA + record(1) + record(2) + state(2)
        ended = run_inside(config, given)

        assert len(receiver.requests) > 1
        assert receiver.accepted == []
    assert (ended.code, ended.states) == (143, [{"upto": 0}])
    assert "2 records were not delivered within 2 s" in ended.error
    assert ended.summary["undelivered"] == 2


def test_a_signal_while_the_receiver_holds_everything_up(tmp_path: Path) -> None:
    """A run whose input is blocked by a stalled receiver wakes and stops reading."""
    held = Held()
    with Receiver(judge=held) as receiver:
        config = {
            "webhook_url": receiver.url,
            "batch_size_rows": 10,
            "max_parallel_requests": 1,
        }
        process = start(tmp_path, config)
        given = singer(range(100_000), pad="x" * 100)
        writer = threading.Thread(target=_write_all, args=(process, given))
        writer.start()
        assert held.arrived.wait(PATIENCE)
        time.sleep(1)
        send(process, signal.SIGTERM)
        held.released.set()
        ended = finish_after(writer, process)
        accepted = [int(i) for i in receiver.accepted]

    assert ended.code == 143
    assert accepted == list(range(len(accepted)))
    assert len(accepted) < 100_000
    assert ended.states[-1]["upto"] <= accepted[-1]
    assert ended.summary["undelivered"] == 0


def test_a_second_signal_ends_at_once(tmp_path: Path) -> None:
    """The same signal again ends the process before the grace has passed."""
    held = Held()
    with Receiver(judge=held) as receiver:
        process = start(tmp_path, {"webhook_url": receiver.url, "batch_size_rows": 1})
        feed(process, SCHEMA + record(1) + state(1))
        assert held.arrived.wait(PATIENCE)
        send(process, signal.SIGTERM)
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        code = process.wait(PATIENCE)
        held.released.set()
        stdout, _ = process.communicate()

    assert (code, stdout) == (-signal.SIGTERM, b"")


@pytest.mark.parametrize("later", [False, True])
def test_a_second_signal_of_another_kind(
    tmp_path: Path,
    later: bool,  # noqa: FBT001 - a column
) -> None:
    """Ctrl-C under a runner gives SIGINT, then its SIGTERM: that is one stop.

    Two seconds later it is somebody who does not want to wait.
    """
    held = Held()
    with Receiver(judge=held) as receiver:
        process = start(tmp_path, {"webhook_url": receiver.url, "batch_size_rows": 1})
        feed(process, SCHEMA + record(1) + state(1))
        assert held.arrived.wait(PATIENCE)
        send(process, signal.SIGINT)
        time.sleep(2.1 if later else 0)
        process.send_signal(signal.SIGTERM)
        if not later:
            time.sleep(0.5)
            assert process.poll() is None
            held.released.set()
        ended = finish(process)
        held.released.set()

    if later:
        assert (ended.code, ended.states) == (-signal.SIGTERM, [])
    else:
        assert (ended.code, ended.states) == (130, [{"upto": 1}])
        assert ended.error.startswith("Stopped by SIGINT.")
        assert ended.summary["undelivered"] == 0


def test_a_closed_output_ends_the_run(tmp_path: Path) -> None:
    """With nobody to read the states the target stops, though its input is open."""
    read_end, write_end = os.pipe()
    with Receiver() as receiver:
        process = start(tmp_path, {"webhook_url": receiver.url}, stdout=write_end)
        os.close(write_end)
        feed(process, SCHEMA + record(1))
        os.close(read_end)
        assert process.stderr is not None
        code = process.wait(PATIENCE)
        words = process.stderr.read().decode()
        assert process.stdin is not None
        process.stdin.close()
        process.stderr.close()

    assert code == 1
    assert "| Standard output was closed" in words.splitlines()[-1]
    assert "Traceback" not in words
    assert "BrokenPipe" not in words


def _write_all(process: subprocess.Popen[bytes], given: bytes) -> None:
    assert process.stdin is not None
    try:
        process.stdin.write(given)
        process.stdin.close()
    except BrokenPipeError:
        pass  # it has stopped reading, as it should


def finish_after(writer: threading.Thread, process: subprocess.Popen[bytes]) -> Ended:
    """Wait for the end of a process whose input another thread writes."""
    given = process.stdin
    process.stdin = None  # not communicate's to close: the thread writes to it
    ended = finish(process)
    writer.join(PATIENCE)
    assert given is not None
    given.close()
    return ended
