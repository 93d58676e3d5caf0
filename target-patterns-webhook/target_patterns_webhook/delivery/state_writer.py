"""The thread that keeps time and writes states: seals what is due, writes what is safe.

The only one that calls ``write_state``. Sends nothing.
"""

from __future__ import annotations

import math
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_patterns_webhook.delivery.outbox import Outbox

MIN_WAIT = 0.001  # seconds: a wait of 0 would spin


class StateWriter:
    """Works between ``start`` and ``end``. It shares its owner's lock."""

    def __init__(  # noqa: PLR0913 - what its owner lends it, all by name
        self,
        outbox: Outbox,
        lock: threading.Lock,
        *,
        write_state: Callable[[bytes], object],
        sealed: Callable[[], None],
        failed: Callable[[BaseException], None],
        clock: Callable[[], float],
        wait: Callable[[threading.Condition, float | None], object],
    ) -> None:
        """``sealed`` is called with the lock held, ``failed`` without it."""
        self._outbox = outbox
        self._lock = lock
        self._wake = threading.Condition(lock)
        self._write_state = write_state
        self._sealed = sealed
        self._failed = failed
        self._clock = clock
        self._wait = wait
        self._looks_at = 0.0  # when it will look for what is due
        self._ended = False
        self._thread = threading.Thread(
            target=self._run, name="state-writer", daemon=True
        )

    def start(self) -> None:
        """Begin to keep time."""
        self._thread.start()

    def nudge(self) -> None:
        """Wake the thread if a state is safe, or a batch due sooner than it will look.

        The caller holds the lock.
        """
        due = self._outbox.batcher.due()
        early = due is not None and due < self._looks_at
        if early or self._outbox.watermark.ready:
            self._wake.notify()

    def end(self, *, patient: Callable[[], bool]) -> None:
        """Write the last state and end the thread.

        While ``patient`` it waits for the reader of states, else five seconds.
        """
        with self._lock:
            self._ended = True
            self._wake.notify()
        left = 10
        while self._thread.is_alive() and left:
            self._thread.join(0.5)
            left -= not patient()

    def _run(self) -> None:
        try:
            while not self._turn():
                pass
        except BaseException as error:  # noqa: BLE001 - it comes out of add or drain
            self._failed(error)

    def _turn(self) -> bool:
        """Write the state that is safe, or wait for one. Return whether it is over."""
        with self._lock:
            if self._outbox.seal_due():
                self._sealed()
            state = self._outbox.watermark.take()
            if state is None:
                if not self._ended:
                    self._sleep()
                return self._ended and not self._outbox.watermark.ready
        self._write_state(state)
        with self._lock:
            self._outbox.stats.states += 1
        return False

    def _sleep(self) -> None:
        due = self._outbox.batcher.due()
        self._looks_at = math.inf if due is None else due
        left = None if due is None else max(MIN_WAIT, due - self._clock())
        self._wait(self._wake, left)
