"""Which chunk is sent next, and what its answer does to it. Pure: told the time.

Owns the chunks from the sealing of a batch to its last record. It decides; threads,
sockets and the dead-letter file are the caller's. Once ``failure`` is set nothing more
is handed out, but answers still on their way count.
"""

from __future__ import annotations

import bisect
from typing import TYPE_CHECKING

from target_patterns_webhook.delivery.chunk import Chunk
from target_patterns_webhook.delivery.rejections import Rejections
from target_patterns_webhook.errors import (
    DeliveryError,
    FatalError,
    GaveUpError,
)
from target_patterns_webhook.http.outcome import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from target_patterns_webhook.delivery.batching import Batch, Payload
    from target_patterns_webhook.delivery.chunk import Rejection
    from target_patterns_webhook.delivery.circuit_breaker import Attempt, CircuitBreaker
    from target_patterns_webhook.http.outcome import Outcome
    from target_patterns_webhook.stats import Stats


class Dispatch:
    """Chunks in order of sealing, retried, cut and refused as their answers say."""

    def __init__(  # noqa: PLR0913 - its settings, all by name
        self,
        breaker: CircuitBreaker,
        payload: Payload,
        stats: Stats,
        *,
        strict: bool,
        keep_rejected: bool,
        max_retry_seconds: float,
        keys: Callable[[str], Sequence[str]],
    ) -> None:
        """``strict``: one by one, in order. ``keep_rejected``: as dead letters.

        ``keys`` names the key properties of a stream.
        """
        self.breaker = breaker
        self.failure: DeliveryError | None = None
        self.size: int | None = None  # most bytes of a body, learned from a 413
        self._payload = payload
        self._stats = stats
        self._strict = strict
        self._rejections = Rejections(keep=keep_rejected, fail=self._fail, keys=keys)
        self._max_retry_seconds = max_retry_seconds
        self._pending: list[Chunk] = []
        self._unsettled: dict[int, Batch] = {}  # by the batch's number

    @property
    def waiting(self) -> int:
        """How many chunks are not in flight."""
        return len(self._pending)

    @property
    def idle(self) -> bool:
        """Whether nothing waits and nothing is in flight."""
        return not self._pending and not self.breaker.in_flight

    def opened_at(self, number: int) -> float | None:
        """Return when a sealed batch was opened, None if it is settled or open."""
        batch = self._unsettled.get(number)
        return None if batch is None else batch.opened_at

    def put(self, batch: Batch) -> None:
        """Take a sealed batch."""
        batch.turn, batch.left = self._stats.batches, len(batch.records)
        self._stats.batches += 1
        self._unsettled[batch.number] = batch
        self._push(Chunk(batch, 0, batch.records))

    def next(self, now: float) -> tuple[Chunk, Attempt] | None:
        """Return what to send now, which then counts as in flight."""
        if not self._admits(now):
            return None
        ready = self._ready()
        chunk = next((p for p in ready if p.not_before <= now), None)
        if chunk is None:
            return None
        self._pending.remove(chunk)
        while (cut := self._cut(chunk)) is not None:
            chunk.unpair()
            chunk, rest = cut
            self._push(*rest)
        return chunk, self.breaker.enter()

    def wake_at(self) -> float | None:
        """Return when time alone gives something to send; None: only an answer can."""
        if self.failure is not None or not self._pending:
            return None
        if self._rejections.trial and self.breaker.in_flight:
            return None
        opens_at = self.breaker.wake_at()
        if opens_at is None:
            return None
        at: float | None = None
        for chunk in self._ready():
            if chunk.not_before <= opens_at:
                return opens_at  # most often the first one, of thousands
            at = min(at or chunk.not_before, chunk.not_before)
        return at

    def hurry(self, now: float) -> None:
        """Cut every wait short but those that the receiver asked for."""
        self.breaker.hurry(now)
        for chunk in self._pending:
            soonest = max(now, chunk.asked_until)
            chunk.not_before = min(chunk.not_before, soonest)

    def answered(
        self, chunk: Chunk, attempt: Attempt, outcome: Outcome, now: float
    ) -> tuple[list[Rejection], list[Batch]]:
        """Return what to dead-letter (``bury`` it then), and batches that are done."""
        conflict = outcome.verdict is Verdict.CONFLICT
        if outcome.verdict in {Verdict.RETRY, Verdict.HOLD_ALL} or (
            conflict and chunk.sent_before
        ):
            self._retry(chunk, attempt, outcome, now)
            return [], []
        if outcome.verdict is Verdict.FATAL or conflict:
            self.breaker.leave(attempt)
            self._fail(FatalError(outcome.message, hint=outcome.hint))
            return [], []
        self.breaker.answered(attempt, outcome, now)
        if outcome.verdict is Verdict.ACCEPTED:
            return self._accept(chunk)
        chunk.unpair()
        if len(chunk.records) == 1:
            return self._rejections.refused(chunk, outcome), []
        if outcome.verdict is Verdict.TOO_LARGE:
            size = chunk.size(self._payload.overhead(chunk.stream))
            self.size = min(self.size or size, size // 2)
            self._push(*chunk.smaller())
        else:
            chunk.suspect = True
            self._push(chunk)
            self._rejections.suspect()
        return [], []

    def bury(self, rejections: Sequence[Rejection]) -> list[Batch]:
        """Note that rejected records are on disk. Return the batches that are done."""
        return [b for each in rejections for b in self._settle(each.batch, 1)]

    def finish(self) -> None:
        """Note that no more will come: what is held then was all that was refused."""
        self._rejections.finish()

    def _retry(
        self, chunk: Chunk, attempt: Attempt, outcome: Outcome, now: float
    ) -> None:
        self._stats.retries[outcome.cause] += 1
        if outcome.stale and not chunk.stale:
            chunk.stale = True
            self.breaker.lost(attempt)
            self._push(chunk)
            return
        chunk.failures += 1
        if chunk.failures == 1:
            chunk.failed_at = now
        left = self._max_retry_seconds - (now - chunk.failed_at)
        wait = self.breaker.failed(attempt, outcome, chunk.failures, left, now)
        chunk.not_before = now + wait
        chunk.asked_until = now + (outcome.retry_after or 0.0)
        self._push(chunk)
        if outcome.retry_after is not None and outcome.retry_after > left:
            self._fail(
                GaveUpError(
                    f"{outcome.message} It asks to wait {outcome.retry_after:,.0f} s, "
                    f"and {max(left, 0):,.0f} s of max_retry_seconds are left."
                )
            )
        elif left <= 0:
            self._fail(
                GaveUpError(
                    f"{outcome.message} A batch was tried {chunk.failures:,}x "
                    f"over {now - chunk.failed_at:,.0f} s (max_retry_seconds)."
                )
            )

    def _accept(self, chunk: Chunk) -> tuple[list[Rejection], list[Batch]]:
        self._stats.accepted += len(chunk.records)
        if chunk.twin is not None:
            chunk.twin.suspect = True
            chunk.unpair()
        done = self._settle(chunk.batch, len(chunk.records))
        return self._rejections.accepted(), done

    def _settle(self, batch: Batch, records: int) -> list[Batch]:
        """Take records off a batch. Return it when none is left."""
        batch.left -= records
        if batch.left:
            self._rejections.settled(batch)
            return []
        return [self._unsettled.pop(batch.number)]

    def _fail(self, error: DeliveryError) -> None:
        self.failure = self.failure or error

    def _admits(self, now: float) -> bool:
        trial_in_flight = self._rejections.trial and self.breaker.in_flight
        return self.failure is None and not trial_in_flight and self.breaker.admits(now)

    def _cut(self, chunk: Chunk) -> tuple[Chunk, list[Chunk]] | None:
        """Return what to send first of a chunk that is not to be sent whole."""
        if len(chunk.records) == 1:
            return None
        if self._rejections.trial:
            return self._single_out(chunk)
        if chunk.suspect:
            first, second = chunk.bisect()
            return first, [second]
        overhead = self._payload.overhead(chunk.stream)
        if self.size is not None and not chunk.failures:
            first, *rest = chunk.within(overhead, self.size)
            return (first, rest) if rest else None
        return None

    def _single_out(self, chunk: Chunk) -> tuple[Chunk, list[Chunk]]:
        """Try the first record, then, if order is free, the last and a middle one."""
        last = len(chunk.records) - 1
        at = 0 if self._strict else (0, last, last // 2)[len(self._rejections.held)]
        parts = list(chunk.single_out(at))
        single = next(p for p in parts if p.start == chunk.start + at)
        rest = [p for p in parts if p is not single]
        if chunk.suspect and len(rest) == 1:
            single.twin, rest[0].twin = rest[0], single
        return single, rest

    def _ready(self) -> Iterator[Chunk]:
        """Yield what may be sent as far as order goes, first things first.

        The second half of what was refused waits for the verdict on the first one.
        """
        for chunk in self._pending[:1] if self._strict else self._pending:
            if chunk.twin is None or chunk.twin.start > chunk.start:
                yield chunk

    def _push(self, *chunks: Chunk) -> None:
        for chunk in chunks:
            bisect.insort(self._pending, chunk, key=lambda p: p.order)
