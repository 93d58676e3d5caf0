"""Records to batches under the limits, each with its id. Pure: bytes in, bytes out.

A batch holds records of one stream. A body is only built from bytes that came in.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

VERSION = b"1"  # of the way in which ids are made
REMEMBERED = 25_000  # contents at least, twice that at most: 8 MB
ID_LENGTH = len("msg_") + 52  # 32 bytes in base32, without its padding


def batch_id(
    stream: str, body: bytes, count: Callable[[bytes], int] | None = None
) -> str:
    """Return the id of a content: the same bytes have it in every run and process.

    ``count`` says which time a digest comes; from the second on the id tells it too.
    ``msg_`` and letters, no ``.``: Standard Webhooks uses that as a separator.
    """
    digest = hashlib.sha256(VERSION + b"\0" + _utf8(stream) + b"\0")
    digest.update(body)
    times = 1 if count is None else count(digest.digest())
    if times > 1:
        digest.update(b"\0%d" % times)  # no JSON text holds a zero byte
    return "msg_" + base64.b32encode(digest.digest()).decode().rstrip("=").lower()


class Occurrences:
    """Says which time a content comes in this run: what tells equal batches apart.

    Where a stream has no key they are different records. The second one counts as the
    second in every run over the same input; a batch that is sent again keeps its id.
    For any thread: equal contents are alike.
    """

    def __init__(self, remembered: int = REMEMBERED) -> None:
        """Forget what so many other contents have come after."""
        self._remembered = remembered
        self._lock = threading.Lock()
        self._newer: dict[bytes, int] = {}
        self._older: dict[bytes, int] = {}

    def __call__(self, digest: bytes) -> int:
        """Count a content. Return which time it is: 1, 2..."""
        name = digest[:16]
        with self._lock:
            times = (self._newer.get(name) or self._older.get(name, 0)) + 1
            self._newer[name] = times
            if len(self._newer) >= self._remembered:
                self._newer, self._older = {}, self._newer
        return times


def _joined(head: bytes, between: bytes, records: Sequence[bytes], end: bytes) -> bytes:
    """Join in one copy: a body may be large."""
    first, *others = records
    if not others:
        return head + first + end
    others[-1] += end
    return between.join((head + first, *others))


def _utf8(stream: str) -> bytes:
    return stream.encode("utf-8", "surrogatepass")


@dataclasses.dataclass(frozen=True, slots=True)
class Payload:
    """How records become one body: array, ndjson, envelope, or an object alone."""

    format: str

    @property
    def content_type(self) -> str:
        """What the body is, as a header says it."""
        is_lines = self.format == "ndjson"
        return "application/x-ndjson" if is_lines else "application/json"

    def rows(self, most: int) -> int:
        """Return how many records a body may hold, where the user allows ``most``."""
        return 1 if self.format == "object" else most

    def overhead(self, stream: str) -> int:
        """Return the fixed bytes of a body, less one.

        Each record is counted with a separator behind it, and the last has none.
        """
        if self.format in {"ndjson", "object"}:
            return 0 if self.format == "ndjson" else -1
        envelope = len(self._head(stream)) + ID_LENGTH + len(self._middle) + 1
        return 1 if self.format == "array" else envelope + 1

    def encode(
        self,
        stream: str,
        records: Sequence[bytes],
        count: Callable[[bytes], int] | None = None,
    ) -> tuple[str, bytes]:
        """Return the id and the exact bytes of a body; ``count`` as in ``batch_id``."""
        if self.format in {"ndjson", "object"}:
            ends = b"\n" if self.format == "ndjson" else b""
            body = _joined(b"", ends, records, ends)
            return batch_id(stream, body, count), body
        body = _joined(b"[", b",", records, b"]")
        name = batch_id(stream, body, count)
        if self.format == "envelope":
            body = self._head(stream) + name.encode() + self._middle + body + b"}"
        return name, body

    def _head(self, stream: str) -> bytes:
        return b'{"stream":' + json.dumps(stream).encode() + b',"batch_id":"'

    @property
    def _middle(self) -> bytes:
        return b'","records":'


@dataclasses.dataclass(slots=True)
class Batch:
    """Records of one stream, done when none of them is left."""

    number: int  # in the order of opening, over all streams
    stream: str
    opened_at: float
    size: int  # exact bytes of the body that its records make
    records: list[bytes] = dataclasses.field(default_factory=list)
    turn: int = 0  # in the order of sealing
    left: int = 0  # records neither accepted nor dead-lettered, once it is sealed


class Batcher:
    """One open batch a stream; whichever limit is met first seals it.

    What is sealed is returned, in the order of sealing.
    """

    def __init__(self, payload: Payload, *, rows: int, size: int, age: float) -> None:
        """``rows``, ``size`` (bytes of a body), ``age`` (seconds) are the most allowed.

        A single record above ``size`` goes alone.
        """
        self.opened = 0
        self.size = size
        self._payload = payload
        self._rows = rows
        self._age = age
        self._open: dict[str, Batch] = {}

    def add(self, stream: str, records: Sequence[bytes], now: float) -> list[Batch]:
        """Take records of one stream, in order. Return the batches that they filled.

        ``now`` is only looked at when a record opens a batch.
        """
        sealed: list[Batch] = []
        at = 0
        while at < len(records):
            batch = self._open.get(stream)
            if batch is None:
                batch = Batch(self.opened, stream, now, self._payload.overhead(stream))
                self._open[stream] = batch
                self.opened += 1
            run = records[at : at + self._rows - len(batch.records)]
            while (cost := sum(map(len, run)) + len(run)) > self.size - batch.size:
                if len(run) == 1:
                    break
                run = run[: len(run) // 2]
            if batch.records and batch.size + cost > self.size:
                sealed.append(self._seal(batch))
                continue
            batch.records += run
            batch.size += cost
            at += len(run)
            if len(batch.records) >= self._rows or batch.size >= self.size:
                sealed.append(self._seal(batch))
        return sealed

    def due(self) -> float | None:
        """Return when the oldest open batch has to be sealed, None with none open."""
        oldest = self.oldest()
        return None if oldest is None else oldest + self._age

    def oldest(self) -> float | None:
        """Return when the oldest open batch was opened, None with none open."""
        batch = next(iter(self._open.values()), None)
        return None if batch is None else batch.opened_at

    def seal_due(self, now: float) -> list[Batch]:
        """Seal every batch whose first record has waited long enough."""
        due = [b for b in self._open.values() if b.opened_at + self._age <= now]
        return [self._seal(batch) for batch in due]

    def seal_all(self) -> list[Batch]:
        """Seal what is open."""
        return [self._seal(batch) for batch in [*self._open.values()]]

    def _seal(self, batch: Batch) -> Batch:
        return self._open.pop(batch.stream)


def halves(records: Sequence[bytes]) -> tuple[Sequence[bytes], Sequence[bytes]]:
    """Cut records in two of about the same bytes, neither of them empty."""
    half, total = sum(map(len, records)) / 2, 0
    for at, record in enumerate(records[:-1], 1):
        total += len(record)
        if total >= half:
            return records[:at], records[at:]
    return records[:-1], records[-1:]


def fitting(
    records: Sequence[bytes], overhead: int, size: int
) -> Iterator[Sequence[bytes]]:
    """Cut records into runs whose bodies are within ``size``, or are one record."""
    start, total = 0, overhead
    for at, record in enumerate(records):
        total += len(record) + 1
        if at > start and total > size:
            yield records[start:at]
            start, total = at, overhead + len(record) + 1
    yield records[start:]
