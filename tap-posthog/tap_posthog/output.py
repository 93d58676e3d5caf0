"""The tap's stdout: whole lines only, and out at each state. Knows no events.

A signal is let in between two writes and never inside one, so that no line is torn.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
import time
from typing import TYPE_CHECKING, NoReturn, Self

from singer_sdk.io_base import SingerWriter
from singer_sdk.singerlib import RecordMessage
from typing_extensions import override

from tap_posthog.cli.ending import (
    SIGNAL_EXIT,
    discard,
    is_one_stop,
    last_words_in_a_handler,
    write_whole,
)
from tap_posthog.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from singer_sdk.singerlib.messages import Message

    from tap_posthog.cli.report import Report

HELD = 1 << 20  # bytes of records that wait for the state behind them
GRACE_SECONDS = 20.0  # for a write in flight, once a signal has come
NAME = "tap-posthog"


class Output(SingerWriter):
    """Writes messages the SDK's way, and lines that are made elsewhere."""

    def __init__(self) -> None:
        """Start with nothing held, and no signal met."""
        super().__init__()
        self.last_words: Callable[[], str] = lambda: ""
        self.report: Report | None = None
        self._held: list[bytes] = []
        self._size = 0
        self._writing = False
        self._signal: int | None = None
        self._signalled_at = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Leave nothing held, however a sync ends."""
        self.flush()

    @override
    def write_message(self, message: Message) -> None:
        """Write a message; records may wait for the next other message."""
        self.write_lines(self.format_message(message).encode() + b"\n")
        if not isinstance(message, RecordMessage):
            self.flush()

    def write_lines(self, lines: bytes) -> None:
        """Write whole lines."""
        self._held.append(lines)
        self._size += len(lines)
        if self._size >= HELD:
            self.flush()

    def flush(self) -> None:
        """Hand everything to the program that reads stdout.

        Raises:
            OutputError: it has gone, or the disk is full.
        """
        data = b"".join(self._held)
        self._held.clear()
        self._size = 0
        self._writing = True
        try:
            _write_out(data)
        except OSError as exc:
            if self._signal is None:
                raise _unwritable(exc) from None
        finally:
            self._writing = False
        if self._signal is not None:
            self._leave(self._signal)

    def on_signal(self, signum: int, _frame: FrameType | None) -> None:
        """End the run: at once, or after the write that is in flight.

        A second signal does not wait for that write, unless it is the same stop. Nor is
        it awaited for long: a runner that is stopping may have ceased to read.
        """
        now = time.monotonic()
        if self._signal is None:
            self._signal, self._signalled_at = signum, now
            if self._writing:
                signal.signal(signal.SIGALRM, lambda *_: self._leave(signum))
                signal.setitimer(signal.ITIMER_REAL, GRACE_SECONDS)
                return
        elif is_one_stop(self._signal, signum, now - self._signalled_at):
            return
        self._leave(signum)

    def _leave(self, signum: int) -> NoReturn:
        """Exit here: requests in flight would hold the interpreter's own exit up.

        All that must survive is out already, since states are flushed as they come.
        """
        code = SIGNAL_EXIT + signum
        words = (
            f"Stopped by {signal.Signals(signum).name}. {self.last_words()}".rstrip()
        )
        if self.report and (problem := self.report.write(code, words)):
            words = f"{words}. {problem}"
        last_words_in_a_handler(NAME, words)
        os._exit(code)


def _write_out(data: bytes) -> None:
    binary = getattr(sys.stdout, "buffer", None)
    if binary is None:  # captured by a test, in this process
        sys.stdout.write(data.decode())
        return
    sys.stdout.flush()
    write_whole(binary, data)
    binary.flush()


def _unwritable(exc: OSError) -> OutputError:
    # Or the interpreter tries once more at its exit, and prints a second error.
    discard(1)
    if exc.errno == errno.EPIPE:
        return OutputError(
            "The program that reads this tap's output has stopped (broken pipe): see "
            "its last message. Run again; it goes on from the last state"
        )
    return OutputError(
        f"The output cannot be written: {exc.strerror}. Make room or choose another "
        "place, then run again; it goes on from the last state"
    )
