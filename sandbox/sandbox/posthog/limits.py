"""How much PostHog lets a client ask: rate, concurrency, bytes read. No HTTP."""

from __future__ import annotations

import asyncio
import math
import time
from collections import defaultdict, deque
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from sandbox.posthog.errors import BUSY, ApiError, throttled

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sandbox.posthog.behaviour import Behaviour

_MINUTE, _HOUR = 60.0, 3600.0
_MOST = 5000  # requests of a key remembered; twice PostHog's hourly quota


class Limits:
    """What has been asked so far. Waits are real time, whatever the server's clock."""

    def __init__(self) -> None:
        self._asked: dict[str, deque[float]] = defaultdict(lambda: deque(maxlen=_MOST))
        self._running = 0
        self._free = asyncio.Condition()
        self._read = 0.0
        self._read_at = time.monotonic()

    def throttle(self, key: str, behaviour: Behaviour) -> None:
        """Count one request of a key.

        Raises:
            ApiError: 429; it is one too many for this minute or hour.
        """
        now, asked = time.monotonic(), self._asked[key]
        while asked and asked[0] <= now - _HOUR:
            asked.popleft()
        for most, span in (
            (behaviour.per_minute, _MINUTE),
            (behaviour.per_hour, _HOUR),
        ):
            within = [at for at in asked if at > now - span]
            if most is not None and len(within) >= most:
                wait = math.ceil(within[-most] + span - now) if most else int(span)
                msg = "Request was throttled."
                raise _wait(msg, wait, behaviour)
        asked.append(now)

    def afford(self, behaviour: Behaviour) -> None:
        """Look whether anything is left to read from.

        Raises:
            ApiError: 429; the bytes of this project are used up.
        """
        over = self._owed(behaviour)
        if behaviour.read_budget_bytes is not None and over >= 0:
            refill = behaviour.read_budget_refill_per_second
            wait = math.ceil((over + 1) / refill) if refill else int(_HOUR)
            detail = "Your project has used up its API query read budget."
            raise _wait(detail, min(max(wait, 1), int(_HOUR)), behaviour)

    def spend(self, nbytes: int, behaviour: Behaviour) -> None:
        """Take what a query has read out of the budget, even below nothing."""
        self._owed(behaviour)
        self._read += nbytes

    def _owed(self, behaviour: Behaviour) -> float:
        now = time.monotonic()
        refilled = (now - self._read_at) * behaviour.read_budget_refill_per_second
        self._read, self._read_at = max(0.0, self._read - refilled), now
        return self._read - (behaviour.read_budget_bytes or 0)

    @asynccontextmanager
    async def slot(self, behaviour: Behaviour) -> AsyncIterator[None]:
        """Hold one of the places for running queries.

        Raises:
            ApiError: 429 without Retry-After; none became free in time.
        """
        try:
            async with asyncio.timeout(behaviour.queue_seconds), self._free:
                await self._free.wait_for(
                    lambda: self._running < behaviour.max_concurrent
                )
                self._running += 1
        except TimeoutError:
            raise throttled(BUSY) from None
        try:
            yield
        finally:
            self._running -= 1
            async with self._free:
                self._free.notify()


def _wait(detail: str, seconds: int, behaviour: Behaviour) -> ApiError:
    unit = "second" if seconds == 1 else "seconds"
    detail = f"{detail} Expected available in {seconds} {unit}."
    return throttled(detail, seconds if behaviour.retry_after else None)
