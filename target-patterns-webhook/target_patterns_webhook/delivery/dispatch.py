"""Which parcel is sent next, and what its answer does to it. Pure: told the time.

Owns the parcels from the sealing of a batch to its last record. It decides; threads,
sockets and the dead-letter file are the caller's. Once ``failure`` is set nothing more
is handed out, but answers still on their way count.
"""

from __future__ import annotations

import bisect
from collections import Counter
from typing import TYPE_CHECKING

from target_patterns_webhook.delivery.chunk import Parcel, Whole
from target_patterns_webhook.delivery.rejections import Refusals
from target_patterns_webhook.delivery.retry import Verdict
from target_patterns_webhook.errors import (
    DeliveryError,
    FatalError,
    GaveUpError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from target_patterns_webhook.delivery.batching import Batch, Payload
    from target_patterns_webhook.delivery.chunk import Refusal
    from target_patterns_webhook.delivery.circuit_breaker import Attempt, Gate
    from target_patterns_webhook.http.outcome import Answer


class Dispatch:
    """Parcels in order of sealing, retried, cut and refused as their answers say."""

    def __init__(  # noqa: PLR0913 - its settings, all by name
        self,
        gate: Gate,
        payload: Payload,
        *,
        strict: bool,
        keep_refused: bool,
        max_retry_seconds: float,
        keys: Callable[[str], Sequence[str]],
    ) -> None:
        """``strict``: one by one, in order. ``keep_refused``: as dead letters.

        ``keys`` names the key properties of a stream.
        """
        self.gate = gate
        self.failure: DeliveryError | None = None
        self.size: int | None = None  # most bytes of a body, learned from a 413
        self.done: list[Whole] = []  # take them from here
        self.accepted = 0  # records
        self.batches = 0
        self.retries: Counter[str] = Counter()
        self._payload = payload
        self._strict = strict
        self._refusals = Refusals(keep=keep_refused, fail=self._fail, keys=keys)
        self._max_retry_seconds = max_retry_seconds
        self._pending: list[Parcel] = []
        self._unsettled: dict[int, Whole] = {}  # by the batch's number

    @property
    def waiting(self) -> int:
        """How many parcels are not under way."""
        return len(self._pending)

    @property
    def idle(self) -> bool:
        """Whether nothing waits and nothing is under way."""
        return not self._pending and not self.gate.under_way

    def opened_at(self, number: int) -> float | None:
        """Return when a sealed batch was opened, None if it is settled or open."""
        whole = self._unsettled.get(number)
        return None if whole is None else whole.batch.opened_at

    def put(self, batch: Batch) -> None:
        """Take a sealed batch."""
        whole = Whole(batch, self.batches, len(batch.records))
        self.batches += 1
        self._unsettled[batch.number] = whole
        self._push(Parcel(whole, 0, batch.records))

    def next(self, now: float) -> tuple[Parcel, Attempt] | None:
        """Return what to send now, which then counts as under way."""
        if not self._admits(now):
            return None
        ready = self._ready()
        parcel = next((p for p in ready if p.not_before <= now), None)
        if parcel is None:
            return None
        self._pending.remove(parcel)
        while (cut := self._cut(parcel)) is not None:
            parcel.unpair()
            parcel, rest = cut
            self._push(*rest)
        return parcel, self.gate.enter()

    def wake_at(self) -> float | None:
        """Return when time alone gives something to send; None: only an answer can."""
        if self.failure is not None or not self._pending:
            return None
        if self._refusals.trial and self.gate.under_way:
            return None
        opens_at = self.gate.wake_at()
        if opens_at is None:
            return None
        at: float | None = None
        for parcel in self._ready():
            if parcel.not_before <= opens_at:
                return opens_at  # most often the first one, of thousands
            at = min(at or parcel.not_before, parcel.not_before)
        return at

    def hurry(self, now: float) -> None:
        """Cut every wait short but those that the receiver asked for."""
        self.gate.hurry(now)
        for parcel in self._pending:
            soonest = max(now, parcel.asked_until)
            parcel.not_before = min(parcel.not_before, soonest)

    def answered(
        self, parcel: Parcel, attempt: Attempt, answer: Answer, now: float
    ) -> list[Refusal]:
        """Draw the consequences. Return what to dead-letter; ``bury`` it then."""
        conflict = answer.verdict is Verdict.CONFLICT
        if answer.verdict in {Verdict.RETRY, Verdict.HOLD} or (
            conflict and parcel.sent_before
        ):
            self._retry(parcel, attempt, answer, now)
            return []
        if answer.verdict is Verdict.FATAL or conflict:
            self.gate.leave(attempt)
            self._fail(FatalError(answer.message, hint=answer.hint))
            return []
        self.gate.answered(attempt, answer, now)
        if answer.verdict is Verdict.ACCEPTED:
            return self._accept(parcel)
        parcel.unpair()
        if len(parcel.records) == 1:
            return self._refusals.refused(parcel, answer)
        if answer.verdict is Verdict.TOO_LARGE:
            size = parcel.size(self._payload.overhead(parcel.stream))
            self.size = min(self.size or size, size // 2)
            self._push(*parcel.smaller())
        else:
            parcel.suspect = True
            self._push(parcel)
            self._refusals.suspect()
        return []

    def bury(self, refusals: Sequence[Refusal]) -> None:
        """Note that refused records are on disk."""
        for refusal in refusals:
            self._settle(refusal.whole, 1)

    def finish(self) -> None:
        """Note that no more will come: what is held then was all that was refused."""
        self._refusals.finish()

    def _retry(
        self, parcel: Parcel, attempt: Attempt, answer: Answer, now: float
    ) -> None:
        self.retries[answer.cause] += 1
        if answer.stale and not parcel.stale:
            parcel.stale = True
            self.gate.lost(attempt)
            self._push(parcel)
            return
        parcel.failures += 1
        if parcel.failures == 1:
            parcel.failed_at = now
        left = self._max_retry_seconds - (now - parcel.failed_at)
        wait = self.gate.failed(attempt, answer, parcel.failures, left, now)
        parcel.not_before = now + wait
        parcel.asked_until = now + (answer.retry_after or 0.0)
        self._push(parcel)
        if answer.retry_after is not None and answer.retry_after > left:
            self._fail(
                GaveUpError(
                    f"{answer.message} It asks to wait {answer.retry_after:,.0f} s, "
                    f"and {max(left, 0):,.0f} s of max_retry_seconds are left."
                )
            )
        elif left <= 0:
            self._fail(
                GaveUpError(
                    f"{answer.message} A batch was tried {parcel.failures:,}x "
                    f"over {now - parcel.failed_at:,.0f} s (max_retry_seconds)."
                )
            )

    def _accept(self, parcel: Parcel) -> list[Refusal]:
        self.accepted += len(parcel.records)
        if parcel.twin is not None:
            parcel.twin.suspect = True
            parcel.unpair()
        self._settle(parcel.whole, len(parcel.records))
        return self._refusals.accepted()

    def _settle(self, whole: Whole, records: int) -> None:
        whole.left -= records
        if not whole.left:
            del self._unsettled[whole.batch.number]
            self.done.append(whole)
        else:
            self._refusals.settled(whole)

    def _fail(self, error: DeliveryError) -> None:
        self.failure = self.failure or error

    def _admits(self, now: float) -> bool:
        trial_under_way = self._refusals.trial and self.gate.under_way
        return self.failure is None and not trial_under_way and self.gate.admits(now)

    def _cut(self, parcel: Parcel) -> tuple[Parcel, list[Parcel]] | None:
        """Return what to send first of a parcel that is not to be sent whole."""
        if len(parcel.records) == 1:
            return None
        if self._refusals.trial:
            return self._single_out(parcel)
        if parcel.suspect:
            first, second = parcel.bisect()
            return first, [second]
        overhead = self._payload.overhead(parcel.stream)
        if self.size is not None and not parcel.failures:
            first, *rest = parcel.within(overhead, self.size)
            return (first, rest) if rest else None
        return None

    def _single_out(self, parcel: Parcel) -> tuple[Parcel, list[Parcel]]:
        """Try the first record, then, if order is free, the last and a middle one."""
        last = len(parcel.records) - 1
        at = 0 if self._strict else (0, last, last // 2)[len(self._refusals.held)]
        parts = list(parcel.single_out(at))
        single = next(p for p in parts if p.start == parcel.start + at)
        rest = [p for p in parts if p is not single]
        if parcel.suspect and len(rest) == 1:
            single.twin, rest[0].twin = rest[0], single
        return single, rest

    def _ready(self) -> Iterator[Parcel]:
        """Yield what may be sent as far as order goes, first things first.

        The second half of what was refused waits for the verdict on the first one.
        """
        for parcel in self._pending[:1] if self._strict else self._pending:
            if parcel.twin is None or parcel.twin.start > parcel.start:
                yield parcel

    def _push(self, *parcels: Parcel) -> None:
        for parcel in parcels:
            bisect.insort(self._pending, parcel, key=lambda p: p.order)
