"""When to try again, and how long to wait first. No I/O, no clock."""

from __future__ import annotations

import dataclasses
import enum
import random
from http import HTTPStatus
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_RETRIED = frozenset({408, 425, 429})
_REFUSED = frozenset({400, 422})
_HELD = frozenset({429, 503})


class Verdict(enum.Enum):
    """What an answer means for the records that it answers."""

    ACCEPTED = enum.auto()
    RETRY = enum.auto()
    HOLD = enum.auto()  # retry, and hold every other sender too
    TOO_LARGE = enum.auto()
    REFUSED = enum.auto()
    FATAL = enum.auto()


def judge(status: int, *, asked_to_wait: bool = False) -> Verdict:
    """Say what a status code means. ``asked_to_wait``: it came with a Retry-After.

    A 413 that asks to wait is temporary (RFC 9110, 15.5.14). What is not named here
    is fatal: a wrong token or URL must never cost records.
    """
    if 200 <= status < 300:  # noqa: PLR2004 - the class of success
        return Verdict.ACCEPTED
    if status in _HELD:
        return Verdict.HOLD
    if status in _RETRIED or 500 <= status < 600:  # noqa: PLR2004 - server errors
        return Verdict.RETRY
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return Verdict.RETRY if asked_to_wait else Verdict.TOO_LARGE
    return Verdict.REFUSED if status in _REFUSED else Verdict.FATAL


@dataclasses.dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential back-off with full jitter: U(0, min(cap, first * 2^n)), seconds."""

    first: float = 0.5
    cap: float = 60.0
    chance: Callable[[], float] = random.random

    def wait(self, failures: int) -> float:
        """Return the wait after so many failures (1, 2...) in a row."""
        return min(self.cap, self.first * 2.0 ** min(failures - 1, 60)) * self.chance()

    def long_wait(self) -> float:
        """Return the wait between probes when retries have run out of budget."""
        return self.cap * (0.75 + 0.25 * self.chance())

    def asked(self, seconds: float) -> float:
        """Return the wait for a Retry-After: never earlier, and not all at once."""
        return seconds + min(1.0, 0.1 * seconds) * self.chance()


class Budget:
    """How many retries are worth it: a share of what succeeds, and a few beside.

    In an outage it is soon empty, and then only a rare probe goes out.
    """

    def __init__(self, *, burst: float = 10.0, share: float = 0.2) -> None:
        self._burst = burst
        self._share = share
        self._left = burst

    def earn(self) -> None:
        """Note a success."""
        self._left = min(self._burst, self._left + self._share)

    def spend(self) -> bool:
        """Pay for a retry. Return whether there was enough."""
        if self._left < 1:
            return False
        self._left -= 1
        return True
