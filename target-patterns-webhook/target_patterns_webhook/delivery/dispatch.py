"""Which chunk is sent next, and how much of it. Pure: told the time.

Holds the chunks that wait, in the order of sealing, and cuts one where it may not go
whole: above a size that was refused, or with a record in it that is.
"""

from __future__ import annotations

import bisect
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from target_patterns_webhook.delivery.batching import Payload
    from target_patterns_webhook.delivery.chunk import Chunk
    from target_patterns_webhook.delivery.rejections import Rejections


class Dispatch:
    """Chunks that are not in flight. ``len`` of it: how many."""

    def __init__(
        self, payload: Payload, rejections: Rejections, *, strict: bool
    ) -> None:
        """``strict``: one by one, in order."""
        self.size: int | None = None  # most bytes of a body, learned from a 413
        self._payload = payload
        self._rejections = rejections
        self._strict = strict
        self._pending: list[Chunk] = []

    def __len__(self) -> int:
        return len(self._pending)

    @property
    def on_trial(self) -> bool:
        """Whether one goes to a receiver that may be one that refuses everything."""
        on_trial = self._rejections.on_trial
        return any(on_trial(chunk.stream) for chunk in self._pending)

    def put(self, *chunks: Chunk) -> None:
        """Let chunks wait for their turn."""
        for chunk in chunks:
            bisect.insort(self._pending, chunk, key=lambda p: p.order)

    def take(self, now: float) -> Chunk | None:
        """Return what to send now, None where time or an answer has to come first."""
        chunk = next((p for p in self._ready() if p.not_before <= now), None)
        if chunk is None:
            return None
        self._pending.remove(chunk)
        while (cut := self._cut(chunk)) is not None:
            chunk.unpair()
            chunk, rest = cut
            self.put(*rest)
        return chunk

    def wake_at(self, opens_at: float) -> float | None:
        """Return when time alone gives something to send, not before ``opens_at``."""
        at: float | None = None
        for chunk in self._ready():
            if chunk.not_before <= opens_at:
                return opens_at  # most often the first one, of thousands
            at = min(at or chunk.not_before, chunk.not_before)
        return at

    def hurry(self, now: float) -> None:
        """Cut every wait short but those that the receiver asked for."""
        for chunk in self._pending:
            soonest = max(now, chunk.asked_until)
            chunk.not_before = min(chunk.not_before, soonest)

    def _ready(self) -> Iterator[Chunk]:
        """Yield what may be sent as far as order goes, first things first.

        The second half of what was rejected waits for the verdict on the first one.
        """
        for chunk in self._pending[:1] if self._strict else self._pending:
            if chunk.twin is None or chunk.twin.start > chunk.start:
                yield chunk

    def _cut(self, chunk: Chunk) -> tuple[Chunk, list[Chunk]] | None:
        """Return what to send first of a chunk that is not to be sent whole."""
        if len(chunk.records) == 1:
            return None
        if self._rejections.on_trial(chunk.stream):
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
        tried = self._rejections.tried(chunk.stream)
        at = 0 if self._strict else (0, last, last // 2)[tried]
        parts = list(chunk.single_out(at))
        single = next(p for p in parts if p.start == chunk.start + at)
        rest = [p for p in parts if p is not single]
        if chunk.suspect and len(rest) == 1:
            single.twin, rest[0].twin = rest[0], single
        return single, rest
