"""What goes on beside a run: its signal, the reader of its states, its progress line.

One thread, owned by a ``with``. It only watches: what follows is up to the caller.
"""

from __future__ import annotations

import select
import threading
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from target_patterns_webhook.cli.signals import Signals
    from target_patterns_webhook.progress import Progress


class Monitor:
    """Calls ``on_stop`` once: when a signal comes, or the reader of ``out`` is gone."""

    def __init__(
        self,
        signals: Signals,
        out: IO[str],
        *,
        on_stop: Callable[[], None],
        progress: Progress,
    ) -> None:
        self.output_lost = False
        self._signals = signals
        self._out = out
        self._on_stop = on_stop
        self._progress = progress
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="monitor", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._signals.nudge()
        self._thread.join()
        self._progress.clear()

    def _run(self) -> None:
        self._wait_for_a_reason()
        if not self._over.is_set():
            self._on_stop()
        while not self._over.wait(self._progress.every):
            self._progress.tick()

    def _wait_for_a_reason(self) -> None:
        poll = select.poll()
        poll.register(self._signals.wake, select.POLLIN)
        output = self._descriptor()
        if output is not None:
            poll.register(output, 0)  # tells when its reader is gone, nothing else
        while not (events := poll.poll(self._progress.every * 1000)):
            self._progress.tick()
        self.output_lost = any(descriptor == output for descriptor, _ in events)
        if self.output_lost:
            self._signals.nudge()

    def _descriptor(self) -> int | None:
        try:
            return self._out.fileno()
        except (AttributeError, OSError):  # a file that is only in memory
            return None
