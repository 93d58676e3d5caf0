"""A delivery with real threads, in time that may run faster."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Any

from target_patterns_webhook.delivery.crew import Delivery
from tests.support.simulation import settings

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence

    from tests.support.receiver import Receiver

FAST = 200.0  # times real time


def record(number: int) -> bytes:
    """Return a record with an id."""
    return b'{"id":%d}' % number


def delivery(
    hook: Receiver | str,
    *,
    write_state: Callable[[bytes], object] = len,
    keys: Callable[[str], Sequence[str]] = lambda _: (),
    fast: float = 1.0,
    **config: Any,  # noqa: ANN401 - any setting
) -> Delivery:
    """Return a delivery to a receiver; ``fast``: its waits are that much shorter."""
    url = hook if isinstance(hook, str) else hook.url
    config.setdefault("timeout_seconds", 30)
    return Delivery(
        settings(**{**config, "webhook_url": url}),
        write_state=write_state,
        keys=keys,
        clock=lambda: time.monotonic() * fast,
        wait=lambda condition, seconds: condition.wait(seconds and seconds / fast),
        chance=random.Random(7).random,  # noqa: S311 - jitter
    )


def eventually(true: Callable[[], object], seconds: float = 20) -> None:
    """Return as soon as it is true."""
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until
        time.sleep(0.01)


class Clock:
    """Time that runs faster, until it does not."""

    def __init__(self, speed: float) -> None:
        self._speed = speed
        self._base = self._since = time.monotonic()

    def __call__(self) -> float:
        """Return the time in seconds."""
        return self._base + (time.monotonic() - self._since) * self._speed

    def wait(self, condition: threading.Condition, seconds: float | None) -> None:
        """Wait in this time, a second at most, as its speed may change."""
        condition.wait(min(1, (1 if seconds is None else seconds) / self._speed))

    def real(self) -> None:
        """Run as other clocks do from now on."""
        self._base, self._since, self._speed = self(), time.monotonic(), 1.0
