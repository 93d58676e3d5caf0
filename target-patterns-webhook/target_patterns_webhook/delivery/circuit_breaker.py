"""Whether a request may start now, for all senders. Pure: told the time.

What tells an outage from bad luck is failures in a row, over all senders, with nothing
accepted in between. Each of them leaves room for one request less. After fourteen (as
many as there are senders, if that is more) a single one at a time goes out, a probe,
after ever longer waits. Anything accepted ends that. So a receiver that
fails at random is kept busy, and one that is down is left in peace.

A Retry-After holds all senders at once, for as long as it asks. A bare 429 or 503 holds
every sender for the back-off, or until the next acceptance if that comes first. A pace
that the user sets is kept whatever the receiver says.
"""

from __future__ import annotations

import dataclasses
import random
from typing import TYPE_CHECKING

from target_patterns_webhook.http.outcome import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_patterns_webhook.delivery.concurrency import ConcurrencyLimit
    from target_patterns_webhook.http.outcome import Outcome
    from target_patterns_webhook.stats import Stats

OUTAGE_FAILURES = 14  # failures in a row; where half of all fail, one chance in 16,384
SHORTEST_FIRST, LONGEST_FIRST = 0.025, 0.5  # seconds: bounds of a first back-off
BACKOFF_GROWTH = 1.5  # at 2, half of all failing would make waits without a mean
FIRST_PROBE, PROBE_GROWTH = 0.5, 4.0  # seconds, and from one probe to the next
LATENCY_SMOOTHING = 0.2  # how far one answer moves the latency


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
        first = LONGEST_FIRST if latency is None else latency / 4
        first = min(LONGEST_FIRST, max(SHORTEST_FIRST, first))
        most = min(self.cap, first * BACKOFF_GROWTH ** min(failures - 1, 60))
        return most * self.chance()

    def probe(self, probes: int) -> float:
        """Return the wait before a receiver that is down is tried again.

        ``probes``: how many failed already. There is one at a time, so little jitter
        is needed, and no chance makes it short.
        """
        most = min(self.cap, FIRST_PROBE * PROBE_GROWTH ** min(probes, 60))
        return most * (0.8 + 0.2 * self.chance())

    def asked(self, seconds: float) -> float:
        """Return the wait for a Retry-After: never earlier, and not all at once."""
        return seconds + min(1.0, 0.1 * seconds) * self.chance()


@dataclasses.dataclass(frozen=True, slots=True)
class Attempt:
    """A request that was let through, to be handed back with its outcome."""

    at: int  # of so many in flight, itself with them
    saturated: bool
    era: int  # how often the receiver had asked to wait before it


class CircuitBreaker:
    """Counts who is in flight; holds all of them back when it must."""

    def __init__(
        self,
        limit: ConcurrencyLimit,
        backoff: Backoff,
        stats: Stats,
        *,
        senders: int = 1,
        per_second: float | None = None,
    ) -> None:
        """``per_second``: how many requests may start, evenly; None: no matter."""
        self.limit = limit
        self._stats = stats
        self._backoff = backoff
        self._outage = max(OUTAGE_FAILURES, senders)
        self._row = 0  # failures since anything was accepted
        self.held_until = 0.0  # no request may start before
        self._asked_until = 0.0  # by a Retry-After: not ours to shorten
        self._era = 0
        self._interval = 1 / per_second if per_second else 0.0
        self._paced_until = 0.0
        self._latency: float | None = None  # of what is accepted

    @property
    def in_flight(self) -> int:
        """How many requests are in flight."""
        return self._stats.in_flight

    @property
    def _room(self) -> int:
        if not self._row:
            return self.limit.now
        return min(self.limit.now, max(1, self._outage - self._row))

    def admits(self, now: float) -> bool:
        """Return whether one more request may start."""
        return self.in_flight < self._room and now >= self._opens_at

    def wake_at(self) -> float | None:
        """Return from when on a request may start, None where only an answer helps."""
        return self._opens_at if self.in_flight < self._room else None

    @property
    def _opens_at(self) -> float:
        return max(self.held_until, self._paced_until)

    def enter(self, at: float) -> Attempt:
        """Count a request in; ask ``admits`` first."""
        self._paced_until = at + self._interval
        self._stats.in_flight = now = self.in_flight + 1
        return Attempt(now, now >= self.limit.now, self._era)

    def leave(self, attempt: Attempt) -> None:
        """Count a request out that tells nothing of the receiver's strength."""
        del attempt
        self._stats.in_flight -= 1

    def lost(self, attempt: Attempt) -> None:
        """Count a request out that may be repeated at once: its connection was old."""
        self.leave(attempt)
        if attempt.era == self._era:
            self._note(attempt, pressed=False, asked=False)

    def answered(self, attempt: Attempt, outcome: Outcome, now: float) -> None:
        """Count a request out that the receiver dealt with, whatever it said."""
        self.leave(attempt)
        if attempt.era < self._era:
            return  # it began before the receiver asked to wait
        self._row = 0
        self._hold(now, now)
        if outcome.verdict is Verdict.ACCEPTED:  # a rejection takes less time
            before = outcome.seconds if self._latency is None else self._latency
            self._latency = before + LATENCY_SMOOTHING * (outcome.seconds - before)
            self.limit.succeeded(
                outcome.seconds, at=attempt.at, saturated=attempt.saturated
            )

    def failed(
        self, attempt: Attempt, outcome: Outcome, failures: int, left: float, now: float
    ) -> float:
        """Count a request out that has to be repeated. Return the seconds until then.

        ``failures``: of this batch, in a row, with this one. ``left``: seconds that it
        may still be retried; only a Retry-After is never cut short to that.
        """
        self.leave(attempt)
        asked = outcome.retry_after or 0.0
        hold = outcome.verdict is Verdict.HOLD_ALL
        if news := attempt.era == self._era:
            self._note(attempt, pressed=hold or outcome.timed_out, asked=asked > 0)
        wait = min(left, self._backoff.wait(failures, self._latency))
        held = 0.0
        if news and self._row >= self._outage:
            held = min(left, self._backoff.probe(self._row - self._outage))
        elif news and hold:
            held = min(left, self._backoff.wait(self._row, self._latency))
        if asked:
            asked = self._backoff.asked(asked)
            wait, held = max(wait, asked), max(held, asked)
            self._asked_until = max(self._asked_until, now + asked)
        self._hold(max(self.held_until, now + held), now)
        return wait

    def hurry(self, now: float) -> None:
        """Let a probe through at once, unless the receiver itself asked to wait."""
        self._hold(min(self.held_until, max(now, self._asked_until)), now)

    def _note(self, attempt: Attempt, *, pressed: bool, asked: bool) -> None:
        self._row += 1
        if pressed:
            self.limit.pushed_back(at=attempt.at)
        if asked:
            self.limit.halve()
            self._row = max(self._row, self._outage)
            self._era += 1
        elif self._row == self._outage:
            self.limit.restart()

    def _hold(self, until: float, now: float) -> None:
        self._stats.waited_seconds += max(until, now) - max(self.held_until, now)
        self.held_until = until
