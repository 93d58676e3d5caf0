"""Which rows of a file are copies of one event: equal in all four that PostHog keys by.

A file may hold a row twice, where PostHog staged it twice. The copy with the latest
`created_at` goes on. In Parquet a first look at the uuids says which occur more than
once, and only those are held; of JSONLines, which can only be read through, a number is
held for each row, made of its uuid and the rest of its key, and the first copy goes on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_posthog.events.exports.formats.parquet import uuid_halves
from tap_posthog.events.exports.formats.rows import FileRow, identities

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tap_posthog.events.exports.keys import Part
    from tap_posthog.events.exports.store import Ranges

Identity = tuple[str, str, bytes, bytes]
MOST_AT_ONCE = 4_000_000  # uuids that are compared in one look, 8 bytes each


class Copies:
    """Lets one copy of each event of one file through."""

    def __init__(self, store: Ranges, part: Part) -> None:
        """Take a first look at the file, where it is Parquet."""
        self.dropped = 0
        self._seen: set[int] = set()
        self._latest: dict[Identity, str] | None = None
        self._uuids: set[str] = set()
        if part.format == "parquet":
            self._latest = {}
            for row in identities(store, part, repeated(store, part)):
                self._uuids.add(row.uuid)
                key = row.identity
                self._latest[key] = max(row.created_at, self._latest.get(key, ""))

    def keep(self, rows: Iterable[FileRow]) -> list[FileRow]:
        """Return the rows that are no copies."""
        return [row for row in rows if self._is_first(row)]

    def _is_first(self, row: FileRow) -> bool:
        if self._latest is None:
            number = _number(row)
            if number in self._seen:
                self.dropped += 1
                return False
            self._seen.add(number)
            return True
        if row.uuid not in self._uuids:
            return True
        if self._latest.get(row.identity) == row.created_at:
            self._latest[row.identity] = ""  # it goes on once
            return True
        self.dropped += 1
        return False


def repeated(store: Ranges, part: Part) -> Any:  # noqa: ANN401 - an Arrow array
    """Return the halves of uuids that occur more than once; the rest occur once."""
    import pyarrow as pa  # noqa: PLC0415 - an extra
    import pyarrow.compute as pc  # noqa: PLC0415

    found, looks, look = [], 1, 0
    while look < looks:
        chunks, count = [], 0
        for halves in uuid_halves(store, part):
            count += len(halves)
            if looks > 1:
                at = pc.subtract(
                    halves, pc.multiply_checked(pc.divide(halves, looks), looks)
                )
                halves = halves.filter(pc.equal(at, look))  # noqa: PLW2901
            chunks.append(halves)
            if looks == 1 and count > MOST_AT_ONCE:
                chunks = []  # it is only counted, and looked at in shares
        if looks == 1 and count > MOST_AT_ONCE:
            looks = -(-count // MOST_AT_ONCE)
            continue
        column = pa.chunked_array(chunks, pa.uint64()).combine_chunks()
        ordered = column.take(pc.sort_indices(column))
        same = pc.equal(ordered[1:], ordered[:-1])
        found.append(pc.unique(ordered[1:].filter(same)))
        look += 1
    return pa.concat_arrays(found)


def _number(row: FileRow) -> int:
    rest = hash((row.timestamp, bytes(row.event), bytes(row.distinct_id)))
    return int(row.uuid.replace("-", ""), 16) ^ (rest << 64)
