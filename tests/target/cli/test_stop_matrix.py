"""Every kind of message, ended in every way, on both paths: no state passes a record.

The receiver notes each record when it accepts it; each state is held against that when
it comes out. Then the next run begins where the last state says, and nothing is lost.
"""

from __future__ import annotations

import contextlib
import dataclasses
import gzip
import json
import os
import signal
import threading
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Any

import pytest

from target_patterns_webhook.cli import ending
from target_patterns_webhook.cli.signals import Signals
from target_patterns_webhook.errors import TargetError
from target_patterns_webhook.target import TargetPatternsWebhook
from tests.support.receiver import Receiver
from tests.target.inside import logged, own_handlers
from tests.target.process import SCHEMA, record, start, state
from tests.target.singer.test_input import batch_message

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.receiver import Request

GROUPS, ROWS = 4, 30  # a state behind each group of rows
EVERY = GROUPS * ROWS
AT = 9  # the request at which the run is ended, of 24: within the second group
BATCHES = ("batch", "batch-gzip", "batch-of-files")
PATHS = {"plain": {}, "sdk": {"validate_records": True}}
LONG = 500  # pads a record, so that the input of a real process is no single block


def _records(first: int, pad: int) -> list[bytes]:
    return [record(n, "x" * pad) for n in range(first, first + ROWS)]


def _file(folder: Path, name: str, first: int, rows: int, pad: int) -> Path:
    path = folder / f"{first}-{name}"
    text = b"".join(
        b'{"id":%d,"pad":"%b"}\n' % (n, b"x" * pad) for n in range(first, first + rows)
    )
    path.write_bytes(gzip.compress(text) if name.endswith("gz") else text)
    return path


def _batch(folder: Path, first: int, pad: int) -> bytes:
    return batch_message(_file(folder, "jsonl", first, ROWS, pad), compression=None)


def _gzip(folder: Path, first: int, pad: int) -> bytes:
    file = _file(folder, "jsonl.gz", first, ROWS, pad)
    return batch_message(file, compression="gzip")


def _files(folder: Path, first: int, pad: int) -> bytes:
    third = ROWS // 3
    files = [
        _file(folder, f"{part}.jsonl", first + part * third, third, pad)
        for part in range(3)
    ]
    return batch_message(*files, compression=None)


def _plain(_: Path, first: int, pad: int) -> bytes:
    return b"".join(_records(first, pad))


def _schemas(_: Path, first: int, pad: int) -> bytes:
    changed = SCHEMA.replace(b'"pad"', b'"pad":{},"more"')
    lines = _records(first, pad)
    return b"".join(
        (changed if n % 10 else SCHEMA) + line if n % 5 == 0 else line
        for n, line in enumerate(lines)
    )


def _versions(_: Path, first: int, pad: int) -> bytes:
    version = b'{"type":"ACTIVATE_VERSION","stream":"s","version":%d}\n'
    lines = _records(first, pad)
    return b"".join(version % n + line for n, line in enumerate(lines))


def _states(_: Path, first: int, pad: int) -> bytes:
    lines = _records(first, pad)
    return b"".join(
        line + state(first + n) if n % 4 == 3 else line for n, line in enumerate(lines)
    )


KINDS: dict[str, Callable[[Path, int, int], bytes]] = {
    "record": _plain,
    "batch": _batch,
    "batch-gzip": _gzip,
    "batch-of-files": _files,
    "schema-change": _schemas,
    "activate-version": _versions,
    "state-between": _states,
}


def given(folder: Path, kind: str, after: int, *, pad: int = 0) -> bytes:
    """Return what a tap writes that goes on after a state, in four groups at most."""
    lines = [SCHEMA]
    for first in range((after + 1) // ROWS * ROWS, EVERY, ROWS):
        lines += KINDS[kind](folder, first, pad), state(first + ROWS - 1)
    return b"".join(lines)


class Out:
    """Standard output that holds each state against what was accepted until then."""

    def __init__(self, receiver: Receiver, upto: int = -1) -> None:
        self.upto = upto
        self.ahead: list[int] = []
        self._receiver = receiver

    def write(self, text: str) -> None:
        """Take one state."""
        self.take(json.loads(text))

    def take(self, value: dict[str, Any]) -> None:
        """Take one state."""
        with self._receiver.lock:
            accepted = set(self._receiver.accepted)
        upto = int(value["upto"])
        self.ahead += [n for n in range(upto + 1) if str(n) not in accepted]
        self.upto = max(self.upto, upto)

    def flush(self) -> None:
        """Have nothing to flush."""

    def take_from(self, pipe: int) -> None:
        """Take what is in a pipe, and close it."""
        os.set_blocking(pipe, False)
        with contextlib.suppress(BlockingIOError), os.fdopen(pipe, "rb") as end:
            for line in end:
                self.take(json.loads(line))


@dataclasses.dataclass
class Way:
    """A way of ending: what happens at a request, and to the input."""

    code: int
    signals: tuple[signal.Signals, ...] = ()
    refuses: str = ""
    cut: Callable[[bytes], bytes] = bytes
    closes: bool = False


def _malformed(text: bytes) -> bytes:
    lines = text.splitlines(keepends=True)
    return b"".join([*lines[:-2], b'{"type":"RECORD","stream":"s","rec\n', *lines[-2:]])


WAYS = {
    "sigterm": Way(143, signals=(signal.SIGTERM,)),
    "sigint": Way(130, signals=(signal.SIGINT,)),
    "ctrl-c-under-meltano": Way(130, signals=(signal.SIGINT, signal.SIGTERM)),
    "malformed-line": Way(1, cut=_malformed),
    "refused-for-good": Way(1, refuses="401"),
    "input-torn": Way(1, cut=lambda text: text[:-9]),
    "reader-gone": Way(1, closes=True),
}


class Judge:
    """Ends the run at one of its requests, then waits until it knows."""

    def __init__(self, way: Way, close: Callable[[], None]) -> None:
        self.over = False
        self._way = way
        self._close = close
        self._count = 0
        self._lock = threading.Lock()

    def __call__(self, request: Request) -> str | None:
        """Answer a request."""
        del request
        with self._lock:
            self._count += 1
            now = self._count == AT and not self.over
        if now:
            for number in self._way.signals:
                os.kill(os.getpid(), number)
            if self._way.closes:
                self._close()
            return "slow:0.05" if not self._way.refuses else self._way.refuses
        refused = self._count > AT and self._way.refuses and not self.over
        return self._way.refuses if refused else None


def run_here(config: dict[str, object], source: Path, out: Any) -> int:  # noqa: ANN401 - a stream
    """Run a target in this process, as its command does; return the exit code."""

    def command() -> int:
        target = TargetPatternsWebhook(config=config)
        try:
            with source.open() as lines:
                target.listen(lines)
        except TargetError as error:
            ending.last_words("target-patterns-webhook", str(error))
            return error.exit_code
        return 0

    with logged() as words, own_handlers(), redirect_stdout(out):
        code = command()
    assert "Traceback" not in words.getvalue()
    return code


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("way", WAYS)
def test_no_state_passes_what_was_not_delivered(
    tmp_path: Path, kind: str, way: str, path: str
) -> None:
    """However a run ends, inside whatever message, its states tell the truth.

    And the run that goes on from the last of them brings what is missing.
    """
    source = tmp_path / "input"
    how = WAYS[way]
    read_end, write_end = os.pipe()
    judge = Judge(how, lambda: seen.take_from(read_end))
    with Receiver(judge=judge) as receiver, os.fdopen(write_end, "w") as pipe:
        config: dict[str, object] = {
            "webhook_url": receiver.url,
            "batch_size_rows": 5,
            "max_parallel_requests": 1,
            **PATHS[path],
        }
        seen = Out(receiver)
        source.write_bytes(how.cut(given(tmp_path, kind, -1)))
        code = run_here(config, source, pipe if how.closes else seen)
        first = set(receiver.accepted)
        judge.over = True
        ending.discard(write_end)
        if not how.closes:
            os.close(read_end)
        source.write_bytes(given(tmp_path, kind, seen.upto))
        again = Out(receiver, seen.upto)
        resumed = run_here(config, source, again)

        accepted = set(receiver.accepted)
    assert code == how.code
    assert seen.ahead == again.ahead == []
    assert (
        kind not in BATCHES
        or way in {"malformed-line", "input-torn"}
        or (len(first) < EVERY)
    )
    assert (resumed, again.upto) == (0, EVERY - 1)
    assert accepted == {str(n) for n in range(EVERY)}


@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM])
def test_of_one_stop_the_interrupt_is_named(first: signal.Signals) -> None:
    """Of two signals that come together Python may handle either first."""
    with own_handlers(), Signals() as signals:
        for number in (first, signal.SIGINT + signal.SIGTERM - first):
            signal.raise_signal(number)

    assert (signals.received, signals.exit_code) == (signal.SIGINT, 130)


@pytest.mark.parametrize("path", PATHS)
def test_a_kill_inside_a_batch_loses_nothing(tmp_path: Path, path: str) -> None:
    """SIGKILL leaves no state that passes a record, whatever message was being read.

    Of the others see test_resume.py.
    """
    reached = threading.Event()

    def judge(request: Request) -> str:
        del request
        if len(receiver.accepted) >= AT * 5:
            reached.set()
        return "slow:0.02"

    with Receiver(judge=judge) as receiver:
        config: dict[str, object] = {
            "webhook_url": receiver.url,
            "batch_size_rows": 5,
            "max_parallel_requests": 1,
            **PATHS[path],
        }
        seen = Out(receiver)
        process = start(tmp_path, config)
        threading.Thread(
            target=_feed, args=(process, given(tmp_path, "batch-gzip", -1))
        ).start()
        killer = threading.Thread(target=_kill, args=(process, reached))
        killer.start()
        assert process.stdout is not None
        for line in process.stdout:
            if line.endswith(b"\n"):
                seen.take(json.loads(line))
        code = process.wait(60)
        process.stdout.close()
        killer.join()
        source = tmp_path / "input"
        source.write_bytes(given(tmp_path, "batch-gzip", seen.upto))
        again = Out(receiver)
        resumed = run_here(config, source, again)

        accepted = set(receiver.accepted)
    assert (code, resumed) == (-signal.SIGKILL, 0)
    assert seen.ahead == again.ahead == []
    assert accepted == {str(n) for n in range(EVERY)}


def _kill(process: subprocess.Popen[bytes], when: threading.Event) -> None:
    when.wait(60)
    process.kill()


def _feed(process: subprocess.Popen[bytes], text: bytes) -> None:
    assert process.stdin is not None
    assert process.stderr is not None
    process.stderr.close()
    try:
        process.stdin.write(text)
        process.stdin.close()
    except BrokenPipeError:
        pass  # it was killed
