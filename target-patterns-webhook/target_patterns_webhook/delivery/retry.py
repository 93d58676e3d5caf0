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
_REJECTED = frozenset({400, 422})
_HELD = frozenset({429, 503})
_SHORTEST_FIRST, _LONGEST_FIRST = 0.025, 0.5  # seconds: bounds of a first back-off
_GROWTH = 1.5  # at 2, half of all failing would make waits without a mean
_FIRST_PROBE, _PROBE_GROWTH = 0.5, 4.0  # seconds, and from one probe to the next


class Verdict(enum.Enum):
    """What an answer means for the records that it answers."""

    ACCEPTED = enum.auto()
    RETRY = enum.auto()
    HOLD_ALL = enum.auto()  # retry, and hold every other sender too
    TOO_LARGE = enum.auto()
    REJECTED = enum.auto()
    CONFLICT = enum.auto()  # retry what was sent before, else fatal
    FATAL = enum.auto()


def judge(status: int, *, asked_to_wait: bool = False) -> Verdict:
    """Say what a status code means. ``asked_to_wait``: it came with a Retry-After.

    A 413 that asks to wait is temporary (RFC 9110, 15.5.14). A 409 says that an earlier
    attempt under the same Idempotency-Key is still worked on (the IETF's draft on that
    header, 2.6). What is not named here is fatal: a wrong token or URL must never cost
    records.
    """
    if 200 <= status < 300:  # noqa: PLR2004 - the class of success
        return Verdict.ACCEPTED
    if status in _HELD:
        return Verdict.HOLD_ALL
    if status in _RETRIED or 500 <= status < 600:  # noqa: PLR2004 - server errors
        return Verdict.RETRY
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return Verdict.RETRY if asked_to_wait else Verdict.TOO_LARGE
    if status == HTTPStatus.CONFLICT:
        return Verdict.CONFLICT
    return Verdict.REJECTED if status in _REJECTED else Verdict.FATAL


@dataclasses.dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential back-off with full jitter, in seconds.

    The first one is in step with the receiver, a quarter of its latency: a sender that
    waits half a second for a receiver of 100 ms has nothing else to do in strict order.
    """

    cap: float = 60.0
    chance: Callable[[], float] = random.random

    def wait(self, failures: int, latency: float | None = None) -> float:
        """Return the wait after so many failures (1, 2...) of a batch in a row.

        ``latency``: seconds that an accepted request takes, None: not known yet.
        """
        first = _LONGEST_FIRST if latency is None else latency / 4
        first = min(_LONGEST_FIRST, max(_SHORTEST_FIRST, first))
        most = min(self.cap, first * _GROWTH ** min(failures - 1, 60))
        return most * self.chance()

    def probe(self, probes: int) -> float:
        """Return the wait before a receiver that is down is tried again.

        ``probes``: how many failed already. There is one at a time, so little jitter
        is needed, and no chance makes it short.
        """
        most = min(self.cap, _FIRST_PROBE * _PROBE_GROWTH ** min(probes, 60))
        return most * (0.8 + 0.2 * self.chance())

    def asked(self, seconds: float) -> float:
        """Return the wait for a Retry-After: never earlier, and not all at once."""
        return seconds + min(1.0, 0.1 * seconds) * self.chance()
