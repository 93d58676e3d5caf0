"""Everything between ``add`` and the state that may be written: what is held, and why.

Decides what goes next and what an outcome does to it, and counts. No threads, no I/O:
the caller holds the lock and does what it says. Once ``failure`` is set nothing more is
handed out, but answers still on their way count.
"""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

from target_patterns_webhook.delivery.batching import Batcher, Occurrences, Payload
from target_patterns_webhook.delivery.chunk import Chunk
from target_patterns_webhook.delivery.circuit_breaker import Backoff, CircuitBreaker
from target_patterns_webhook.delivery.concurrency import ConcurrencyLimit
from target_patterns_webhook.delivery.dispatch import Dispatch
from target_patterns_webhook.delivery.rejections import Rejections
from target_patterns_webhook.delivery.watermark import Watermark
from target_patterns_webhook.errors import FatalError, GaveUpError
from target_patterns_webhook.http.outcome import Verdict
from target_patterns_webhook.stats import Stats

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from target_patterns_webhook.delivery.batching import Batch
    from target_patterns_webhook.delivery.chunk import Rejection
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
        senders = settings.max_parallel_requests
        self.failure: BaseException | None = None  # the first
        self.stats = Stats(clock=clock)
        self.payload = Payload(settings.payload_format)
        self.batcher = Batcher(
            self.payload,
            rows=self.payload.rows(settings.batch_size_rows),
            size=settings.max_batch_bytes,
            age=settings.max_batch_age_seconds,
        )
        backoff = Backoff(chance=chance)
        self.breaker = CircuitBreaker(
            ConcurrencyLimit(senders),
            backoff,
            self.stats,
            senders=senders,
            per_second=settings.max_requests_per_second,
        )
        self.watermark = Watermark()
        self.bytes = 0
        keep = settings.on_rejected == "dead_letter"
        self._rejections = Rejections(
            keep=keep, fail=self.fail, keys=keys, receiver=settings.webhooks.of
        )
        self._dispatch = Dispatch(self.payload, self._rejections, strict=senders == 1)
        self._unsettled: dict[int, Batch] = {}  # sealed, by the batch's number
        self.occurrences = Occurrences()
        self._max_retry_seconds = settings.max_retry_seconds
        self._most_waiting = 2 * senders
        self._clock = clock

    @property
    def waiting(self) -> int:
        """How many chunks are sealed and not in flight."""
        return len(self._dispatch)

    @property
    def full(self) -> bool:
        """Whether no more may be added for now."""
        return self.waiting > self._most_waiting or self.bytes > MOST_BYTES

    @property
    def empty(self) -> bool:
        """Whether every record is settled, or rejected and held for a verdict."""
        sealed = self.waiting or self.breaker.in_flight
        return not sealed and self.batcher.due() is None

    def add(self, stream: str, records: Sequence[bytes]) -> bool:
        """Take records of one stream. Return whether there is something to send."""
        self.stats.count(stream, read=len(records))
        self.bytes += _memory(records)
        something = self._put(self.batcher.add(stream, records, self._clock()))
        if self.stats.oldest_since is None:  # else an older one is held
            self._note_oldest()
        return something

    def mark(self, state: bytes) -> None:
        """Take a state that came after all records so far."""
        self.watermark.mark(state, self.batcher.opened)

    def seal(self) -> bool:
        """Seal what is open. Return whether there is something to send."""
        return self._put(self.batcher.seal_all())

    def seal_due(self) -> bool:
        """Seal what is old enough. Return whether there is something to send."""
        return self._put(self.batcher.seal_due(self._clock()))

    def next(self) -> tuple[Chunk, Attempt] | None:
        """Return what to send now, which then counts as in flight."""
        now = self._clock()
        if self._held or not self.breaker.admits(now):
            return None
        chunk = self._dispatch.take(now)
        return None if chunk is None else (chunk, self.breaker.enter(now))

    def wake_at(self) -> float | None:
        """Return when time alone gives something to send; None: only an answer can."""
        opens_at = self.breaker.wake_at()
        if self._held or opens_at is None:
            return None
        return self._dispatch.wake_at(opens_at)

    def hurry(self) -> None:
        """Cut every wait short but those that the receiver asked for."""
        now = self._clock()
        self.breaker.hurry(now)
        self._dispatch.hurry(now)

    def answered(
        self, chunk: Chunk, attempt: Attempt, outcome: Outcome, wire_bytes: int
    ) -> list[Rejection]:
        """Do what an outcome asks for. Return what to dead-letter; ``bury`` it then."""
        letters = self._conclude(chunk, attempt, outcome)
        self.stats.count(chunk.stream, requests=1, wire_bytes=wire_bytes)
        self.stats.seconds.add(outcome.seconds)
        self._note_oldest()
        return letters

    def bury(self, letters: Sequence[Rejection]) -> None:
        """Note that rejected records are on the disk."""
        for letter in letters:
            self.stats.count(letter.batch.stream, dead_lettered=1)
            self._settle(letter.batch, 1)
        self._note_oldest()

    def fail(self, error: BaseException) -> None:
        """Note what ends the delivery, if it is the first."""
        self.failure = self.failure or error

    def finish(self) -> None:
        """Note that no more will come: what is held then was all that was rejected."""
        self._rejections.finish()

    @property
    def _held(self) -> bool:
        """Whether nothing may be sent, or not before an answer is here."""
        trial_in_flight = self._dispatch.on_trial and self.breaker.in_flight
        return self.failure is not None or bool(trial_in_flight)

    def _put(self, sealed: Sequence[Batch]) -> bool:
        for batch in sealed:
            batch.turn, batch.left = self.stats.batches, len(batch.records)
            self.stats.count(batch.stream, batches=1)
            self._unsettled[batch.number] = batch
            self._dispatch.put(Chunk(batch, 0, batch.records))
        return bool(sealed)

    def _conclude(
        self, chunk: Chunk, attempt: Attempt, outcome: Outcome
    ) -> list[Rejection]:
        verdict = outcome.verdict
        if verdict is Verdict.CONFLICT:
            verdict = Verdict.RETRY if chunk.sent_before else Verdict.FATAL
        if verdict in {Verdict.RETRY, Verdict.HOLD_ALL}:
            self._retry(chunk, attempt, outcome)
            return []
        if verdict is Verdict.FATAL:
            self.breaker.leave(attempt)
            self.fail(FatalError(outcome.message, hint=outcome.hint))
            return []
        self.breaker.answered(attempt, outcome, self._clock())
        if verdict is Verdict.ACCEPTED:
            return self._accept(chunk)
        chunk.unpair()
        if len(chunk.records) == 1:
            return self._rejections.rejected_alone(chunk, outcome)
        if verdict is Verdict.TOO_LARGE:
            self._shrink(chunk)
        else:
            chunk.suspect = True
            self._dispatch.put(chunk)
            self._rejections.suspect(chunk.stream)
        return []

    def _retry(self, chunk: Chunk, attempt: Attempt, outcome: Outcome) -> None:
        self.stats.retried(chunk.stream, outcome.cause)
        self._dispatch.put(chunk)
        if outcome.stale and not chunk.stale:
            chunk.stale = True
            self.breaker.lost(attempt)
            return
        now = self._clock()
        chunk.failures += 1
        if chunk.failures == 1:
            chunk.failed_at = now
        asked, tried = outcome.retry_after, now - chunk.failed_at
        left = self._max_retry_seconds - tried
        wait = self.breaker.failed(attempt, outcome, chunk.failures, left, now)
        chunk.not_before = now + wait
        chunk.asked_until = now + (asked or 0.0)
        if asked is not None and asked > left:
            why = (
                f"It asks to wait {asked:,.0f} s, and {max(left, 0):,.0f} s of "
                "max_retry_seconds are left."
            )
        elif left <= 0:
            why = (
                f"A batch was tried {chunk.failures:,}x over {tried:,.0f} s "
                "(max_retry_seconds)."
            )
        else:
            return
        self.fail(GaveUpError(f"{outcome.message} {why}"))

    def _accept(self, chunk: Chunk) -> list[Rejection]:
        size = len(chunk.sent[1]) if chunk.sent else 0
        self.stats.count(chunk.stream, accepted=len(chunk.records), bytes=size)
        if chunk.twin is not None:
            chunk.twin.suspect = True
            chunk.unpair()
        self._settle(chunk.batch, len(chunk.records))
        return self._rejections.accepted(chunk.stream)

    def _shrink(self, chunk: Chunk) -> None:
        """Make bodies at most half as large as the one that was too large."""
        size = chunk.size(self.payload.overhead(chunk.stream))
        self.batcher.size = min(self._dispatch.size or size, size // 2)
        self._dispatch.size = self.batcher.size
        self._dispatch.put(*chunk.smaller())

    def _settle(self, batch: Batch, records: int) -> None:
        """Take records off a batch; with the last one it is done."""
        batch.left -= records
        if batch.left:
            self._rejections.settled(batch)
            return
        del self._unsettled[batch.number]
        self.bytes -= _memory(batch.records)
        self.watermark.settle(batch.number)

    def _note_oldest(self) -> None:
        """Look up how long the oldest record has been held."""
        sealed = self._unsettled.get(self.watermark.low)
        oldest = self.batcher.oldest() if sealed is None else sealed.opened_at
        self.stats.oldest_since = oldest


def _memory(records: Sequence[bytes]) -> int:
    return sum(map(len, records)) + OVERHEAD * len(records)
