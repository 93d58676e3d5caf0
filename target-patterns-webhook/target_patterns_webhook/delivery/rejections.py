"""What a refused record means: put aside, wait and see, or the end of the run. Pure.

A receiver that refuses everything must not turn a data set into dead letters. So until
something is accepted refused records are held, and the third one ends the run; later a
thousand in a row do.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from target_patterns_webhook.delivery.chunk import Rejection, key_of
from target_patterns_webhook.errors import FatalError, RejectedError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from target_patterns_webhook.delivery.batching import Batch
    from target_patterns_webhook.delivery.chunk import Chunk
    from target_patterns_webhook.errors import DeliveryError
    from target_patterns_webhook.http.outcome import Outcome

MOST_TRIALS = 3  # single records, while nothing has been accepted
MOST_IN_ROW = 1000
IN_A_ROW_HINT = "Look at the dead-letter file, if there is one, before going on."
ALL_REJECTED = (
    "Check record_format and payload_format against what the receiver takes. "
    "Nothing was put into the dead-letter file."
)


class Rejections:
    """Counts them, and says of each whether it may be dead-lettered."""

    def __init__(
        self,
        *,
        keep: bool,
        fail: Callable[[DeliveryError], None],
        keys: Callable[[str], Sequence[str]],
    ) -> None:
        """``keep``: there are dead letters; ``fail`` takes what ends the run.

        ``keys`` names the key properties of a stream.
        """
        self.held: list[Rejection] = []  # until something is accepted
        self._keep = keep
        self._fail = fail
        self._keys = keys
        self._of_batch: defaultdict[int, list[Rejection]] = defaultdict(list)
        self._in_a_row = 0
        self._seen = False
        self._accepted = False

    @property
    def trial(self) -> bool:
        """Whether the receiver may be one that refuses everything."""
        return self._seen and not self._accepted

    def suspect(self) -> None:
        """Note that something was refused, record yet unknown."""
        self._seen = True

    def accepted(self) -> list[Rejection]:
        """Note an acceptance. Return what was held and may be dead-lettered now."""
        self._accepted = True
        self._in_a_row = 0
        held, self.held = self.held, []
        return held if self._keep else []

    def rejected_alone(self, chunk: Chunk, outcome: Outcome) -> list[Rejection]:
        """Judge a single record that is refused. Return it if it is to be put aside."""
        batch, record = chunk.batch, chunk.records[0]
        key = key_of(record, self._keys(chunk.stream))
        rejection = Rejection(batch, record, outcome.status, outcome.response, key)
        if not self._keep:
            self._of_batch[batch.number].append(rejection)
        self._in_a_row += 1
        self._seen = True
        if not self._accepted:
            self.held.append(rejection)
            if len(self.held) >= MOST_TRIALS:
                self._fail_all()
        elif self._in_a_row >= MOST_IN_ROW:
            message = f"{outcome.message} It refused {MOST_IN_ROW:,} records in a row."
            self._fail(FatalError(message, hint=IN_A_ROW_HINT))
        elif self._keep:
            return [rejection]
        self.settled(batch)
        return []

    def settled(self, batch: Batch) -> None:
        """Without dead letters, stop when only rejected records of a batch are left."""
        rejected = self._of_batch.get(batch.number)
        if not rejected or batch.left > len(rejected):
            return
        first, records = rejected[0], len(batch.records)
        others = "; the others were delivered" if len(rejected) < records else ""
        self._fail(
            RejectedError(
                f"The webhook refused {len(rejected):,} of {records:,} records of a "
                f"batch of stream {batch.stream!r} with {first.status}{others}."
                f"{_said('The first', first)}"
            )
        )

    def finish(self) -> None:
        """Note that no more will come: what is held then was all that was tried."""
        if self.held:
            self._fail_all()

    def _fail_all(self) -> None:
        last = self.held[-1]
        message = (
            f"The webhook refused every record that was tried ({len(self.held)}, of "
            f"stream {last.batch.stream!r}) with {last.status}, and took none."
            f"{_said('The last', last)}"
        )
        self._fail(FatalError(message, hint=ALL_REJECTED))


def _said(which: str, rejection: Rejection) -> str:
    """Say which record it was, and why the receiver did not want it."""
    named = f" {which}: {rejection.key}." if rejection.key else ""
    return f"{named} It said: {rejection.reason!r}." if rejection.reason else named
