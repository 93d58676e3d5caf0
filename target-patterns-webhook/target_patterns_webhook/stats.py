"""What a run did, in numbers. Its owner guards it: it has no lock, and is read live."""

from __future__ import annotations

import dataclasses
import math
import time
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

BUCKET_GROWTH = math.log(1.05)  # of a bucket: percentiles are exact to 5 %


class Latencies:
    """Seconds of requests, as counts in buckets: memory does not grow with the run."""

    def __init__(self) -> None:
        self._buckets: Counter[int] = Counter()

    def add(self, seconds: float) -> None:
        """Count one request."""
        self._buckets[round(math.log(max(seconds, 1e-5)) / BUCKET_GROWTH)] += 1

    def percentile(self, percent: float) -> float:
        """Return what so many per cent of the requests stayed within, 0 with none."""
        buckets = sorted(self._buckets.copy().items())
        left = sum(count for _, count in buckets) * percent / 100
        for bucket, count in buckets:
            left -= count
            if left <= 0:
                return round(math.exp(bucket * BUCKET_GROWTH), 5)
        return 0.0


@dataclasses.dataclass(slots=True)
class Counts:
    """What was done with some records. Counts of records unless said otherwise.

    ``read = accepted + dead_lettered + undelivered`` at all times.
    """

    read: int = 0  # given to Delivery
    accepted: int = 0
    dead_lettered: int = 0
    batches: int = 0  # sealed
    requests: int = 0
    bytes: int = 0  # of accepted bodies, before compression
    wire_bytes: int = 0  # of the bodies of all requests, as sent
    retries: Counter[str] = dataclasses.field(default_factory=Counter)  # by cause

    @property
    def undelivered(self) -> int:
        """Records that are held, or were when the run ended."""
        return self.read - self.accepted - self.dead_lettered


@dataclasses.dataclass(slots=True)
class Stats(Counts):
    """The counts of all streams, of each, and what no stream has for itself."""

    states: int = 0  # written
    waited_seconds: float = 0.0  # that pressure from the receiver held all senders
    in_flight: int = 0
    oldest_since: float | None = None  # clock time of the oldest unacknowledged record
    seconds: Latencies = dataclasses.field(default_factory=Latencies)
    clock: Callable[[], float] = time.monotonic
    streams: dict[str, Counts] = dataclasses.field(default_factory=dict)

    def count(self, stream: str, **more: int) -> None:
        """Count so many more of each, for a stream and in all."""
        for counts in (self, self._of(stream)):
            for name, number in more.items():
                setattr(counts, name, getattr(counts, name) + number)

    def retried(self, stream: str, cause: str) -> None:
        """Count a request that is sent again."""
        self.retries[cause] += 1
        self._of(stream).retries[cause] += 1

    def _of(self, stream: str) -> Counts:
        counts = self.streams.get(stream)
        if counts is None:
            counts = self.streams[stream] = Counts()
        return counts

    @property
    def oldest_unacknowledged_seconds(self) -> float:
        """Age of the oldest record that is held, 0 with none."""
        since = self.oldest_since
        return 0.0 if since is None else max(0.0, self.clock() - since)

    @property
    def latencies(self) -> tuple[float, float, float]:
        """Seconds of a request: p50, p95, p99."""
        p50, p95, p99 = (self.seconds.percentile(p) for p in (50, 95, 99))
        return p50, p95, p99
