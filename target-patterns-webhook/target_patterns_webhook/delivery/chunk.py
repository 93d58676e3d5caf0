"""What one request carries: a batch, or a part of one that was cut. Pure."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING

from target_patterns_webhook.delivery.batching import fitting, halves
from target_patterns_webhook.raw_json import MalformedError, members

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from target_patterns_webhook.delivery.batching import Batch, Payload

MOST_REASON, MOST_VALUE = 200, 60  # characters of it that a message has room for


@dataclasses.dataclass(slots=True, eq=False)
class Chunk:
    """Neighbouring records of one batch, sent by one request until they are dealt with.

    Its id and bytes are made once and repeated by each attempt.
    """

    batch: Batch
    start: int  # of its records in the batch
    records: Sequence[bytes]
    suspect: bool = False  # known to hold a rejected record: cut it before it is sent
    twin: Chunk | None = None  # the other part of what was refused as one
    failures: int = 0
    failed_at: float = 0.0  # the first time
    not_before: float = 0.0
    asked_until: float = 0.0  # by a Retry-After: not ours to shorten
    stale: bool = False  # was repeated at once for a lost connection
    sent: tuple[str, bytes] | None = None

    @property
    def order(self) -> tuple[int, int]:
        """Its place among all that is waiting."""
        return self.batch.turn, self.start

    @property
    def sent_before(self) -> bool:
        """Whether an earlier attempt may still be worked on."""
        return bool(self.failures or self.stale)

    @property
    def stream(self) -> str:
        """The stream of its records."""
        return self.batch.stream

    def encode(
        self, payload: Payload, count: Callable[[bytes], int] | None = None
    ) -> tuple[str, bytes]:
        """Return its id and body, the same ones each time; ``count`` equal contents."""
        if self.sent is None:
            self.sent = payload.encode(self.stream, self.records, count)
        return self.sent

    def size(self, overhead: int) -> int:
        """Return the exact bytes of its body."""
        return overhead + sum(map(len, self.records)) + len(self.records)

    def parts(self, *lengths: int) -> list[Chunk]:
        """Cut it into parts of these lengths."""
        cut, start = [], 0
        for length in lengths:
            records = self.records[start : start + length]
            cut.append(Chunk(self.batch, self.start + start, records))
            start += length
        return cut

    def bisect(self) -> list[Chunk]:
        """Cut it in two to isolate what is rejected: if one passes, the other holds it.

        The first half is the smaller one: it is the one that costs two requests.
        """
        first, second = self.parts(
            len(self.records) // 2, len(self.records) - len(self.records) // 2
        )
        first.twin, second.twin = second, first
        return [first, second]

    def unpair(self) -> None:
        """Forget the other half: this one's fate is known, or it was cut."""
        if self.twin is not None:
            self.twin.twin = None
            self.twin = None

    def smaller(self) -> list[Chunk]:
        """Cut it in two of about the same bytes."""
        return self.parts(*map(len, halves(self.records)))

    def within(self, overhead: int, size: int) -> list[Chunk]:
        """Cut it into parts whose bodies are within ``size``, or are one record."""
        return self.parts(*map(len, fitting(self.records, overhead, size)))

    def single_out(self, at: int) -> Iterator[Chunk]:
        """Cut it into the record at ``at`` and what is before and after."""
        lengths = (at, 1, len(self.records) - at - 1)
        for part in self.parts(*lengths):
            if part.records:
                yield part


@dataclasses.dataclass(frozen=True, slots=True)
class Rejection:
    """A record that the receiver refused for good, standing alone."""

    batch: Batch
    record: bytes
    status: int
    response: str
    key: str = ""  # in words: its key properties and their values

    @property
    def reason(self) -> str:
        """What the receiver said, in one short line."""
        text = self.response
        if text.lstrip().startswith("<"):
            text = re.sub(r"<[^>]*>", " ", text)  # a page
        return _short(text, MOST_REASON)


def key_of(record: bytes, names: Sequence[str]) -> str:
    """Name a record by its key properties; by uuid or id where it has none."""
    try:
        found = members(record)
    except MalformedError:
        return ""
    known = [name for name in names or ("uuid", "id") if name in found]
    values = (found[name].decode(errors="replace").strip('"') for name in known)
    pairs = zip(known, values, strict=True)
    return ", ".join(
        f"{_short(n, MOST_VALUE)} {_short(v, MOST_VALUE)}" for n, v in pairs
    )


def _short(text: str, most: int) -> str:
    printable = "".join(c if c.isprintable() else " " for c in text)
    line = " ".join(printable.split())
    return line if len(line) <= most else line[:most] + "…"
