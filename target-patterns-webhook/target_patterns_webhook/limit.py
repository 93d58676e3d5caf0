"""How many requests may be under way: up by one, down by half. Pure: no clock.

AIMD. It rises while the limit is what holds requests back and their latency does not
grow; it halves when the receiver says so. Latency shows a queue at the receiver before
it complains: with a limit L, L * (1 - base / latency) requests are only waiting there.
"""

from __future__ import annotations

import math

_BACKED_UP = 1.5  # so many waiting at the receiver is too many; or this share of them:
_SHARE = 0.2
_EASE = 0.9
_FORGET = 1.02  # the best latency seen fades, as receivers change
_FEWEST = 4  # samples that make a mean


class Limit:
    """A limit between 1 and a ceiling that finds what the receiver can take.

    It starts at 1 and doubles with each round trip until the first sign of pressure.
    """

    def __init__(self, ceiling: int) -> None:
        self._ceiling = ceiling
        self._limit = 1.0
        self._starting = True
        self._base = math.inf  # seconds, mean of the best window
        self._samples: list[float] = []
        self._window = _FEWEST  # samples until the next decision, about a round trip

    @property
    def now(self) -> int:
        """How many requests may be under way."""
        return int(self._limit)

    def succeeded(self, seconds: float, *, saturated: bool) -> None:
        """Learn from an accepted request; ``saturated``: the limit was reached."""
        if not saturated:
            return
        if self._starting:
            self._limit = min(self._ceiling, self._limit + 1)
        self._samples.append(seconds)
        if len(self._samples) >= self._window:
            self._decide()
            self._window = max(_FEWEST, self.now)

    def pushed_back(self) -> None:
        """Halve: the receiver asked for less (429, 503) or did not answer in time."""
        self._starting = False
        self._samples.clear()
        self._limit = max(1.0, self._limit / 2)

    def _decide(self) -> None:
        mean = sum(self._samples) / len(self._samples)
        self._samples.clear()
        self._base = min(self._base * _FORGET, mean)
        waiting = self._limit * (1 - self._base / mean) if mean else 0.0
        most = max(_BACKED_UP, _SHARE * self._limit)
        if waiting > most:
            self._starting = False
            self._limit = max(1.0, self._limit * _EASE)
        elif waiting < most / 2 and not self._starting:
            self._limit = min(float(self._ceiling), self._limit + 1)
