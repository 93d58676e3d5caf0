"""An answer's body as its `Content-Encoding` says that it is packed. Pure.

Only gzip is asked for; proxies and old servers answer with others that Python reads.
"""

from __future__ import annotations

import gzip
import re
import zlib

GZIP = zlib.MAX_WBITS | 16  # zlib's sign for the format
MOST_BYTES = 1 << 30  # that are taken on an answer's word
NAME = re.compile(r"[a-z0-9-]{1,20}", re.ASCII)


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
            msg = "the answer cannot be decompressed"
            raise UndecodedError(msg) from None
    return body


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
