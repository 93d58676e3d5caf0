"""What a refused record means: put aside, wait and see, or the end of the run. Pure.

A receiver that refuses everything must not turn a data set into dead letters. So until
it accepts something its refused records are held, and the third one ends the run; later
a thousand in a row do. Where streams have webhooks of their own, each is judged alone.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from typing import TYPE_CHECKING

from target_patterns_webhook.delivery.chunk import Rejection, key_of
from target_patterns_webhook.errors import FatalError, RejectedError

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

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


@dataclasses.dataclass(slots=True)
class Receiver:
    """How one receiver has judged so far."""

    held: list[Rejection] = dataclasses.field(default_factory=list)  # until it accepts
    in_a_row: int = 0
    refused: bool = False  # something, once
    accepted: bool = False

    @property
    def on_trial(self) -> bool:
        """Whether it may be one that refuses everything."""
        return self.refused and not self.accepted


class Rejections:
    """Counts them, and says of each whether it may be dead-lettered."""

    def __init__(
        self,
        *,
        keep: bool,
        fail: Callable[[DeliveryError], None],
        keys: Callable[[str], Sequence[str]],
        receiver: Callable[[str], Hashable] = lambda _: None,
    ) -> None:
        """``keep``: there are dead letters; ``fail`` takes what ends the run.

        ``keys`` names the key properties of a stream, ``receiver`` tells receivers
        of streams apart.
        """
        self._keep = keep
        self._fail = fail
        self._keys = keys
        self._of_batch: defaultdict[int, list[Rejection]] = defaultdict(list)
        self._receiver = receiver
        self._refused = False  # something, by anybody: most runs look no further
        self._receivers: defaultdict[Hashable, Receiver] = defaultdict(Receiver)

    def on_trial(self, stream: str) -> bool:
        """Whether a stream's receiver may be one that refuses everything."""
        return self._refused and self._of(stream).on_trial

    def tried(self, stream: str) -> int:
        """Return how many single records its receiver has refused, on trial."""
        return len(self._of(stream).held)

    def suspect(self, stream: str) -> None:
        """Note that something was refused, record yet unknown."""
        self._refused = self._of(stream).refused = True

    def accepted(self, stream: str) -> list[Rejection]:
        """Note an acceptance. Return what was held and may be dead-lettered now."""
        receiver = self._of(stream)
        receiver.accepted = True
        receiver.in_a_row = 0
        held, receiver.held = receiver.held, []
        return held if self._keep else []

    def rejected_alone(self, chunk: Chunk, outcome: Outcome) -> list[Rejection]:
        """Judge a single record that is refused. Return it if it is to be put aside."""
        batch, record = chunk.batch, chunk.records[0]
        key = key_of(record, self._keys(chunk.stream))
        rejection = Rejection(batch, record, outcome.status, outcome.response, key)
        if not self._keep:
            self._of_batch[batch.number].append(rejection)
        receiver = self._of(chunk.stream)
        receiver.in_a_row += 1
        self._refused = receiver.refused = True
        if not receiver.accepted:
            receiver.held.append(rejection)
            if len(receiver.held) >= MOST_TRIALS:
                self._fail_all(receiver)
        elif receiver.in_a_row >= MOST_IN_ROW:
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
        for receiver in self._receivers.values():
            if receiver.held:
                self._fail_all(receiver)

    def _of(self, stream: str) -> Receiver:
        return self._receivers[self._receiver(stream)]

    def _fail_all(self, receiver: Receiver) -> None:
        held, last = len(receiver.held), receiver.held[-1]
        message = (
            f"The webhook refused every record that was tried ({held}, of "
            f"stream {last.batch.stream!r}) with {last.status}, and took none."
            f"{_said('The last', last)}"
        )
        self._fail(FatalError(message, hint=ALL_REJECTED))


def _said(which: str, rejection: Rejection) -> str:
    """Say which record it was, and why the receiver did not want it."""
    named = f" {which}: {rejection.key}." if rejection.key else ""
    return f"{named} It said: {rejection.reason!r}." if rejection.reason else named
