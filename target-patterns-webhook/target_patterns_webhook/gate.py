"""Whether a request may start now: one gate for all senders. Pure: told the time.

A 429 or 503 closes it for everybody, and so do failures in a row, whatever they are.
When the time has come one request goes through, a probe, and only its success opens
the gate again. What was under way when the gate closed tells nothing new.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from target_patterns_webhook.retry import Backoff, Budget, Verdict

if TYPE_CHECKING:
    from target_patterns_webhook.answer import Answer
    from target_patterns_webhook.limit import Limit

_OUTAGE = 3  # failures in a row


@dataclasses.dataclass(frozen=True, slots=True)
class Attempt:
    """A request that was let through, to be handed back with its outcome."""

    probe: bool
    saturated: bool
    era: int  # how often the gate had been closed before it


class Gate:
    """Counts who is under way; holds all of them back when it must."""

    def __init__(self, limit: Limit, backoff: Backoff) -> None:
        self.limit = limit
        self.under_way = 0
        self.closed = False
        self.opens_at = 0.0
        self.waited = 0.0  # seconds that it was closed, in all
        self._asked = False  # by a Retry-After: not ours to shorten
        self._closed_at = 0.0
        self._probing = False
        self._era = 0
        self._row = 0  # failures since the last success
        self._backoff = backoff
        self._budget = Budget()

    def admits(self, now: float) -> bool:
        """Return whether one more request may start."""
        if self.closed:
            return not self._probing and now >= self.opens_at
        return self.under_way < self.limit.now

    def wake_at(self) -> float | None:
        """Return from when on a request may start, None where only an answer helps."""
        if self.closed:
            return None if self._probing else self.opens_at
        return None if self.under_way >= self.limit.now else 0.0

    def enter(self) -> Attempt:
        """Count a request in; ask ``admits`` first."""
        self.under_way += 1
        self._probing = self._probing or self.closed
        saturated = self.under_way >= self.limit.now
        return Attempt(probe=self.closed, saturated=saturated, era=self._era)

    def leave(self, attempt: Attempt) -> None:
        """Count a request out that tells nothing of the receiver's strength."""
        self.under_way -= 1
        if attempt.probe:
            self._probing = False

    def answered(self, attempt: Attempt, answer: Answer, now: float) -> None:
        """Count a request out that the receiver dealt with, whatever it said."""
        self.leave(attempt)
        if attempt.era < self._era and not attempt.probe:
            return
        self._row = 0
        self._budget.earn()
        if answer.verdict is Verdict.ACCEPTED:  # a refusal takes less time
            self.limit.succeeded(answer.seconds, saturated=attempt.saturated)
        if self.closed:
            self.closed = self._asked = False
            self.waited += now - self._closed_at

    def failed(
        self, attempt: Attempt, answer: Answer, failures: int, left: float, now: float
    ) -> float:
        """Count a request out that has to be repeated. Return the seconds until then.

        ``failures``: of this batch, in a row, with this one. ``left``: seconds that it
        may still be retried; only a Retry-After is never cut short to that.
        """
        self.leave(attempt)
        news = attempt.era == self._era
        self._row += news
        paid = self._budget.spend()
        asked = answer.retry_after
        if asked is not None:
            wait = self._backoff.asked(asked)
        elif paid:
            wait = min(left, self._backoff.wait(max(failures, self._row)))
        else:
            wait = min(left, self._backoff.long_wait())
        hold = answer.verdict is Verdict.HOLD or asked is not None
        if news and (answer.verdict is Verdict.HOLD or answer.timed_out):
            self.limit.pushed_back()
        if hold or not paid or attempt.probe or self._row >= _OUTAGE:
            self._close(now + wait, now, asked=asked is not None, news=news)
        return wait

    def hurry(self, now: float) -> None:
        """Let a probe through at once, unless the receiver itself asked to wait."""
        if not self._asked:
            self.opens_at = min(self.opens_at, now)

    def _close(self, until: float, now: float, *, asked: bool, news: bool) -> None:
        if not self.closed:
            self.closed, self._closed_at, self.opens_at = True, now, until
        elif news or asked:
            self.opens_at = max(self.opens_at, until)
        self._asked = self._asked or asked
        self._era += news
