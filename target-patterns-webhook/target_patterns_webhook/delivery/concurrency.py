"""How many requests may be in flight: up by one, down by half. Pure: no clock.

AIMD. It rises while the limit is what holds requests back and their latency does not
grow. It halves when so many at once are not accepted any more: failures among successes
at the same load say nothing of the load. Latency shows a queue at the receiver before
it complains: with a limit L, L * (1 - base / latency) requests are only waiting there.
"""

from __future__ import annotations

import math

MOST_QUEUED = 1.5  # so many waiting at the receiver is too many; or this share of them:
MOST_QUEUED_SHARE = 0.2
EASE_FACTOR = 0.9
MIN_SAMPLES = 8  # samples that make a mean
BASE_SMOOTHING = 0.3  # how far one window pulls the base down
LOOK_EVERY_WINDOWS = 60  # receivers change, and a base seen in a queue is none
REMEMBER_WINDOWS = (
    30  # windows, for which a limit that was pushed back is not tried again
)
MIN_PUSHED_BACK = 4  # below, being pushed back is more likely chance than concurrency
PUSHED_BACK_IN_A_ROW = 14  # push-backs in a row; see circuit_breaker.py


class ConcurrencyLimit:
    """A limit between 1 and a ceiling that finds what the receiver can take.

    It starts at 1 and doubles with each round trip until the first sign of pressure.
    Now and then it looks at the latency with half of the load. A limit at which it
    was pushed back is left alone for a while.
    """

    def __init__(self, ceiling: int) -> None:
        self._ceiling = float(ceiling)
        self._limit = 1.0
        self._starting = True
        self._base = 0.0  # seconds without a queue, 0: not known
        self._samples: list[float] = []
        self._window = MIN_SAMPLES  # samples until the next decision: a round trip
        self._skip = 0  # samples that were in flight before the limit changed
        self._windows = 0
        self._looking: float | None = None  # the limit to go back to
        self._too_many: float = math.inf
        self._too_many_until = 0
        self._pushed = 0  # push-backs in a row, as far as load goes
        self._pushed_at: float = math.inf  # the fewest at once that were pushed back

    @property
    def now(self) -> int:
        """How many requests may be in flight."""
        return int(self._limit)

    def succeeded(self, seconds: float, *, at: int, saturated: bool) -> None:
        """Learn from an accepted request, one of ``at`` when it began.

        ``saturated``: the limit was reached then.
        """
        if at >= self._pushed_at:
            self._pushed, self._pushed_at = 0, math.inf
        if self._skip:
            self._skip -= 1
            return
        if not saturated:
            return
        if self._starting:
            self._rise()
        self._samples.append(seconds)
        if len(self._samples) >= self._window:
            mean = sum(self._samples) / len(self._samples)
            self._decide(mean)
            self._samples.clear()
            self._window = max(MIN_SAMPLES, self.now)

    def pushed_back(self, *, at: int) -> None:
        """Learn from a 429, a 503 or a time-out, to one of ``at`` requests.

        Halves when so many came in a row that nothing is accepted at that load.
        """
        self._pushed += 1
        self._pushed_at = min(self._pushed_at, at)
        if self._pushed >= PUSHED_BACK_IN_A_ROW:
            self.halve()

    def halve(self) -> None:
        """Halve: the receiver asks for less."""
        too_many = min(self.now, self._pushed_at)
        if self._looking is None and too_many >= MIN_PUSHED_BACK:
            self._too_many, self._too_many_until = (
                too_many,
                self._windows + REMEMBER_WINDOWS,
            )
        self._starting = False
        self._fall_to(max(1.0, self._limit / 2))

    def restart(self) -> None:
        """Begin again with one, as after an outage."""
        self._starting = True
        self._fall_to(1.0)

    def _fall_to(self, limit: float) -> None:
        self._looking = None
        self._pushed, self._pushed_at = 0, math.inf
        self._samples.clear()
        self._limit = limit

    def _decide(self, mean: float) -> None:
        self._windows += 1
        if self._looking is not None:
            self._base, self._limit, self._looking = mean, self._looking, None
            return
        if not self._base:
            self._base = mean
        self._base += BASE_SMOOTHING * min(0.0, mean - self._base)
        waiting = self._limit * (1 - self._base / mean) if mean else 0.0
        most = max(MOST_QUEUED, MOST_QUEUED_SHARE * self._limit)
        if waiting > most:
            self._starting = False
            self._limit = max(1.0, self._limit * EASE_FACTOR)
        elif waiting < most / 2 and not self._starting:
            self._rise()
        if self._windows % LOOK_EVERY_WINDOWS == 0:
            self._look()

    def _rise(self) -> None:
        if self._windows >= self._too_many_until:
            self._too_many = math.inf
        if int(self._limit + 1) < self._too_many:
            self._limit = min(self._ceiling, self._limit + 1)

    def _look(self) -> None:
        self._starting = False
        self._skip = self.now
        self._looking, self._limit = self._limit, max(1.0, self._limit / 2)
