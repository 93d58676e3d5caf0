"""Everything between ``add`` and the state that may be written: what is held, and why.

Ties batching, dispatch and watermark together and counts. No threads, no I/O: the
caller holds the lock and does what it says.
"""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

from target_patterns_webhook.delivery.batching import Batcher, Occurrences, Payload
from target_patterns_webhook.delivery.circuit_breaker import Backoff, CircuitBreaker
from target_patterns_webhook.delivery.concurrency import ConcurrencyLimit
from target_patterns_webhook.delivery.dispatch import Dispatch
from target_patterns_webhook.delivery.watermark import Watermark
from target_patterns_webhook.http.outcome import Verdict
from target_patterns_webhook.stats import Stats

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from target_patterns_webhook.delivery.batching import Batch
    from target_patterns_webhook.delivery.chunk import Chunk, Rejection
    from target_patterns_webhook.delivery.circuit_breaker import Attempt
    from target_patterns_webhook.http.outcome import Outcome
    from target_patterns_webhook.settings.settings import Settings

MOST_BYTES = 64_000_000
OVERHEAD = 57  # bytes of memory for each record beside its text


class Outbox:
    """Records that are open, waiting or in flight, and the states that they hold up."""

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
        keys: Callable[[str], Sequence[str]] = lambda _: (),
    ) -> None:
        """``chance`` returns 0..1, for jitter; ``keys`` a stream's key properties."""
        ceiling = settings.max_parallel_requests
        self.stats = Stats(clock=clock)
        self.payload = Payload(settings.payload_format)
        self.batcher = Batcher(
            self.payload,
            rows=settings.batch_size_rows,
            size=settings.max_batch_bytes,
            age=settings.max_batch_age_seconds,
        )
        backoff = Backoff(chance=chance)
        self.breaker = CircuitBreaker(
            ConcurrencyLimit(ceiling), backoff, self.stats, senders=ceiling
        )
        self.dispatch = Dispatch(
            self.breaker,
            self.payload,
            self.stats,
            strict=ceiling == 1,
            keep_rejected=settings.on_rejected == "dead_letter",
            max_retry_seconds=settings.max_retry_seconds,
            keys=keys,
        )
        self.watermark = Watermark()
        self.bytes = 0
        self.occurrences = Occurrences()
        self._most_waiting = 2 * ceiling
        self._clock = clock

    @property
    def full(self) -> bool:
        """Whether no more may be added for now."""
        too_many = self.dispatch.waiting > self._most_waiting
        return too_many or self.bytes > MOST_BYTES

    @property
    def empty(self) -> bool:
        """Whether every record is settled, or refused and held for a verdict."""
        return self.dispatch.idle and self.batcher.due() is None

    def add(self, stream: str, records: Sequence[bytes]) -> bool:
        """Take records of one stream. Return whether there is something to send."""
        self.stats.read += len(records)
        self.bytes += sum(map(len, records)) + OVERHEAD * len(records)
        return self._put(self.batcher.add(stream, records, self._clock()))

    def seal(self) -> bool:
        """Seal what is open. Return whether there is something to send."""
        return self._put(self.batcher.seal_all())

    def seal_due(self) -> bool:
        """Seal what is old enough. Return whether there is something to send."""
        return self._put(self.batcher.seal_due(self._clock()))

    def mark(self, state: bytes) -> None:
        """Take a state that came after all records so far."""
        self.watermark.mark(state, self.batcher.opened)

    def answered(
        self, chunk: Chunk, attempt: Attempt, outcome: Outcome, wire_bytes: int
    ) -> list[Rejection]:
        """Take an answer in. Return what to dead-letter; ``bury`` it then."""
        stats = self.stats
        now = self._clock()
        letters, settled = self.dispatch.answered(chunk, attempt, outcome, now)
        stats.requests += 1
        stats.wire_bytes += wire_bytes
        stats.seconds.add(outcome.seconds)
        if outcome.verdict is Verdict.ACCEPTED and chunk.sent is not None:
            stats.bytes += len(chunk.sent[1])
        if self.dispatch.size is not None:
            self.batcher.size = self.dispatch.size
        self._settle(settled)
        return letters

    def bury(self, letters: Sequence[Rejection]) -> None:
        """Note that refused records are on the disk."""
        self.stats.dead_lettered += len(letters)
        self._settle(self.dispatch.bury(letters))

    def note_oldest(self) -> None:
        """Look up how long the oldest record has been held."""
        sealed = self.dispatch.opened_at(self.watermark.low)
        self.stats.oldest_since = self.batcher.oldest() if sealed is None else sealed

    def _put(self, sealed: Sequence[Batch]) -> bool:
        for batch in sealed:
            self.dispatch.put(batch)
        return bool(sealed)

    def _settle(self, batches: Sequence[Batch]) -> None:
        for batch in batches:
            records = batch.records
            self.bytes -= sum(map(len, records)) + OVERHEAD * len(records)
            self.watermark.settle(batch.number)
        self.note_oldest()
