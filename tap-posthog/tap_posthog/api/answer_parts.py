"""A query's answer in parts, each an answer with some of the rows. Pure; no I/O.

Opened whole, a page of 50,000 events takes hundreds of megabytes; in parts, a few.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PART_BYTES = 4 << 20
RESULTS = re.compile(rb'(?<!\\)"results"\s*:\s*\[')
# A row begins with its uuid, and no cell is an array of arrays. Inside a JSON string a
# bare quote would end it: so this lies between two rows, whatever an event holds.
ROW_ENDS = re.compile(rb'\]\s*,(?=\s*\["[0-9A-Fa-f]{8}-)')
MOST_SIGN = 64  # bytes of either sign, which may be in two pieces


def parts(
    body: Iterable[bytes],
    size: int = PART_BYTES,
    row_ends: re.Pattern[bytes] = ROW_ENDS,
) -> Iterator[bytes]:
    """Cut an answer that comes in pieces into answers of about `size` bytes.

    `row_ends` is what lies between two rows and nowhere else. The rows of all parts, in
    order, are those of the answer. The first part begins as the answer does and the
    last ends as it does, so its other members are there too. An answer without such
    rows is one part.
    """
    waiting = bytearray()
    begin = b""  # of every part but the first
    looked = 0  # what begins before this is no sign
    for piece in body:
        waiting += piece
        if not begin and (results := RESULTS.search(waiting, looked)):
            begin = b"{%b" % results[0]
        while begin and (row := row_ends.search(waiting, max(looked, size))):
            yield bytes(waiting[: row.end() - 1]) + b"]}"
            waiting[: row.end()] = begin
            looked = 0
        looked = max(0, len(waiting) - MOST_SIGN)
    yield bytes(waiting)
