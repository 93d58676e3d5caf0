"""SIGTERM and SIGINT: remembered, never acted on inside a handler.

The first one ends the run in good order; the same one again ends the process at once.
SIGINT and a runner's SIGTERM beside it are one stop, which is called SIGINT.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import TYPE_CHECKING, Any

from target_patterns_webhook.cli.ending import is_one_stop

if TYPE_CHECKING:
    from types import FrameType
    from typing import Self

ENDING = (signal.SIGTERM, signal.SIGINT)


class Signals:
    """Listens within its ``with``. Outside the main thread, where it cannot, never set.

    ``wake`` is a descriptor that becomes readable, and stays so, once one has come.
    """

    def __init__(self) -> None:
        self.received: signal.Signals | None = None
        self._received_at = 0.0
        self.wake, self._write = os.pipe()
        os.set_blocking(self._write, False)
        self._before: dict[signal.Signals, Any] = {}
        self._wakeup_before = -1

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._wakeup_before = signal.set_wakeup_fd(
                self._write, warn_on_full_buffer=False
            )
            for number in ENDING:
                self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        """Give both signals back, unless one has come.

        Then the process is ending, and the rest of that stop may still arrive.
        """
        if self._before:
            signal.set_wakeup_fd(self._wakeup_before)
        if self.received is None:
            for number, before in self._before.items():
                signal.signal(number, before)
        os.close(self.wake)
        os.close(self._write)

    def nudge(self) -> None:
        """Make ``wake`` readable, as a signal would."""
        os.write(self._write, b"\0")

    def _handle(self, number: int, frame: FrameType | None) -> None:
        del frame
        signal.signal(number, signal.SIG_DFL)
        now = time.monotonic()
        if self.received is None:
            self.received, self._received_at = signal.Signals(number), now
        elif is_one_stop(self.received, number, now - self._received_at):
            # of two that come together Python may handle either first
            self.received = min(self.received, signal.Signals(number))
        else:
            signal.raise_signal(number)

    def __bool__(self) -> bool:
        return self.received is not None

    @property
    def received_name(self) -> str:
        """Its name, as SIGTERM."""
        return self.received.name if self.received else "no signal"

    @property
    def exit_code(self) -> int:
        """What a shell reports for a process that the signal ended: 143 or 130."""
        return 128 + (self.received or 0)
