"""When to try again: what a response asks for, how long to wait, and the waits.

Time and chance are arguments.
"""

from __future__ import annotations

import enum
import threading
import time
from typing import TYPE_CHECKING

from tap_posthog.errors import GaveUpError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_posthog.progress import Traffic

FIRST_WAIT = 1.0  # seconds
LONGEST_WAIT = 60.0
# PostHog: time limit, estimated too slow, memory limit. Cloudflare: 524, connected to
# PostHog and waited 100 s for the answer; 522 is no connection at all, and a fault.
TOO_MUCH = {504, 512, 513, 524}


class Verdict(enum.Enum):
    """What to do about one answer."""

    READ = enum.auto()
    WAIT = enum.auto()  # a limit: come back when it says so
    RETRY = enum.auto()  # a fault: come back soon
    SHRINK = enum.auto()  # too much for the server at once: ask for less
    STOP = enum.auto()  # the same request would get the same answer


def judge(status: int, code: str = "", *, divisible: bool = True) -> Verdict:
    """Say what an answer asks for, by its status and the `code` of an error.

    What is too much at once is a fault like others where less cannot be asked for.
    """
    if status == 200:  # noqa: PLR2004 - a status is clearer than its name
        return Verdict.READ
    if status == 429:  # noqa: PLR2004 - as above
        return Verdict.WAIT
    too_much = code == "too_many_bytes" or code.endswith("_timed_out")
    if divisible and (status in TOO_MUCH or too_much):
        return Verdict.SHRINK
    if status == 408 or status in range(500, 600):  # noqa: PLR2004 - as above
        return Verdict.RETRY
    return Verdict.STOP


def backoff(attempt: int, rng: Callable[[], float]) -> float:
    """Wait before try number `attempt` (from 1) is repeated: full jitter.

    `rng` gives 0..1. The bound doubles from one second up to a minute.
    """
    return min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** min(attempt - 1, 10)) * rng()


class Waits:
    """Sleeps, for several threads at once: each its own, and for a limit all together.

    A stop ends every wait, and each thread then fails with what stopped them all.
    """

    def __init__(
        self,
        traffic: Traffic,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] | None = None,
    ) -> None:
        """Take where waits are counted. Time is an argument; by default it is real."""
        self._traffic = traffic
        self._clock = clock
        self._stopped = threading.Event()
        self._sleep = sleep or self._stopped.wait
        self._lock = threading.Lock()
        self._closed_until = 0.0  # by the clock: no request before
        self._cause: BaseException | None = None

    def stop(self, cause: BaseException | None = None) -> None:
        """End every wait, now and from now on. The first cause is the one that counts.

        Each waiting thread gets it as its own error: the user has to know what happened
        first, not that others were stopped by it.
        """
        with self._lock:
            self._cause = self._cause or cause
        self._stopped.set()

    @property
    def is_stopped(self) -> bool:
        """Whether every wait is over."""
        return self._stopped.is_set()

    def check(self) -> None:
        """Raise what stopped all, if it was stopped."""
        if self._stopped.is_set():
            msg = "Stopped, since nobody waits for the answer any more"
            raise self._cause or GaveUpError(msg)

    def close_until(self, until: float) -> bool:
        """Hold everybody until then. Return whether that is news worth a line."""
        with self._lock:
            news = until > self._closed_until + 1
            self._closed_until = max(self._closed_until, until)
        return news

    def until_open(self) -> None:
        """Wait while a limit, met by any thread, says not to ask.

        The time may be put off meanwhile, by a thread that was told to wait longer.
        """
        while self._pause(self._closed_until):
            pass

    def until(self, moment: float) -> None:
        """Wait for a moment by the clock."""
        with self._lock:
            self._traffic.waits += 1
        self._pause(moment)

    def _pause(self, until: float) -> bool:
        """Return whether there was anything to wait for."""
        left = until - self._clock()
        if left > 0 and not self._stopped.is_set():
            self._sleep(left)
            with self._lock:
                self._traffic.waited += left
        self.check()
        return left > 0
