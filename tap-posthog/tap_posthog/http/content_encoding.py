"""An answer's body as its `Content-Encoding` says that it is packed. Pure.

Only gzip is asked for; proxies and old servers answer with others that Python reads.
"""

from __future__ import annotations

import re
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

GZIP = zlib.MAX_WBITS | 16  # zlib's sign for the format
PIECE = 1 << 18  # bytes that are unpacked at a time
NAME = re.compile(r"[a-z0-9-]{1,20}", re.ASCII)


class UndecodedError(ValueError):
    """The body is not what its header says, or is packed in a way not known here."""


def pieces(body: bytes, encodings: str) -> Iterator[bytes]:
    """Unpack a body, whichever encodings its header names, a piece at a time.

    So it need not be held unpacked.

    Raises:
        UndecodedError: it cannot be read to its end; what came before may be used.
    """
    *inner, last = [name.strip().lower() for name in encodings.split(",")]
    while inner and last in {"", "identity"}:
        *inner, last = inner
    if inner:
        body = b"".join(pieces(body, last))
        yield from pieces(body, ",".join(inner))
        return
    try:
        if last in {"gzip", "x-gzip"}:
            yield from _gunzipped(body)
        elif last == "deflate":
            yield _inflated(body)
        elif last in {"", "identity"}:
            yield body
        else:
            shown = last if NAME.fullmatch(last) else "something unknown"
            msg = (
                f"the answer is compressed with {shown}, which was not asked for and "
                "cannot be read"
            )
            raise UndecodedError(msg)
    except (EOFError, zlib.error):
        msg = "the answer cannot be decompressed"
        raise UndecodedError(msg) from None


def _gunzipped(body: bytes) -> Iterator[bytes]:
    member = zlib.decompressobj(GZIP)
    for at in range(0, len(body), PIECE):
        packed = body[at : at + PIECE]
        while packed := packed.lstrip(b"\0") if member.eof else packed:
            if member.eof:  # the zeros are over, and another member begins
                member = zlib.decompressobj(GZIP)
            yield member.decompress(packed, PIECE)
            packed = member.unused_data if member.eof else member.unconsumed_tail
    if not member.eof:
        yield member.flush()
    if not member.eof:
        raise EOFError


def _inflated(body: bytes) -> bytes:
    """Read what RFC 9110 means by deflate, or the bare stream that some mean by it."""
    try:
        return zlib.decompress(body)
    except zlib.error:
        return zlib.decompress(body, -zlib.MAX_WBITS)
