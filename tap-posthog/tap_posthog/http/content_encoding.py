"""An answer's body as its `Content-Encoding` says that it is packed. Pure.

Only gzip is asked for; proxies and old servers answer with others that Python reads.
"""

from __future__ import annotations

import gzip
import re
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

GZIP = zlib.MAX_WBITS | 16  # zlib's sign for the format
MOST_BYTES = 1 << 30  # that are taken on an answer's word
PIECE = 1 << 18  # bytes that are unpacked at a time
NAME = re.compile(r"[a-z0-9-]{1,20}", re.ASCII)
UNREADABLE = "the answer cannot be decompressed"


class UndecodedError(ValueError):
    """The body is not what its header says, or is packed in a way not known here."""


def decoded(body: bytes, encodings: str) -> bytes:
    """Unpack a body, whichever encodings its header names, the last one first.

    Raises:
        UndecodedError: it cannot be read to its end.

    """
    names = [name.strip().lower() for name in encodings.split(",")]
    for name in reversed(names):
        try:
            if name in {"gzip", "x-gzip"}:
                body = _gunzip(body)
            elif name == "deflate":
                body = _inflate(body)
            elif name not in {"", "identity"}:
                shown = name if NAME.fullmatch(name) else "something unknown"
                msg = (
                    f"the answer is compressed with {shown}, which was not asked for "
                    "and cannot be read"
                )
                raise UndecodedError(msg)
        except (OSError, EOFError, zlib.error):
            raise UndecodedError(UNREADABLE) from None
    return body


def decoded_pieces(body: bytes, encodings: str) -> Iterator[bytes]:
    """Unpack a body a piece at a time, so that it need not be held unpacked.

    Raises:
        UndecodedError: it cannot be read to its end; what came before may be used.

    """
    if encodings.strip().lower() not in {"gzip", "x-gzip"}:
        yield decoded(body, encodings)
        return
    member = zlib.decompressobj(GZIP)
    try:
        for at in range(0, len(body), PIECE):
            packed = body[at : at + PIECE]
            while packed := packed.lstrip(b"\0") if member.eof else packed:
                if member.eof:  # the zeros are over, and another member begins
                    member = zlib.decompressobj(GZIP)
                yield member.decompress(packed, PIECE)
                packed = member.unused_data if member.eof else member.unconsumed_tail
        if not member.eof:
            yield member.flush()
    except zlib.error:
        raise UndecodedError(UNREADABLE) from None
    if not member.eof:
        raise UndecodedError(UNREADABLE)


def _gunzip(body: bytes) -> bytes:
    # Its last bytes say its size: memory taken once halves the time.
    size = int.from_bytes(body[-4:], "little")
    unpacked = zlib.decompress(body, GZIP, min(size, MOST_BYTES))
    if len(unpacked) == size:
        return unpacked
    return gzip.decompress(body)  # more than one member, or more than 4 GiB


def _inflate(body: bytes) -> bytes:
    """Read what RFC 9110 means by deflate, or the bare stream that some mean by it."""
    try:
        return zlib.decompress(body)
    except zlib.error:
        return zlib.decompress(body, -zlib.MAX_WBITS)
