"""A body is unpacked to its last byte, or not at all; whole or a piece at a time."""

from __future__ import annotations

import gzip
import random
import zlib

import pytest

from tap_posthog.http.content_encoding import PIECE, UndecodedError, pieces

TEXT = random.Random(1).randbytes(3 * PIECE) + b"a" * 5 * PIECE  # noqa: S311 - a text
PACKED = {
    "gzip": gzip.compress(TEXT),
    "X-GZIP": gzip.compress(TEXT[:9]) + gzip.compress(TEXT[9:]) + b"\0" * 9,
    " gzip ": b"".join(
        gzip.compress(TEXT[at:][:99999]) for at in range(0, len(TEXT), 99999)
    ),
    "deflate": zlib.compress(TEXT),
    "gzip, deflate": zlib.compress(gzip.compress(TEXT)),
    "identity": TEXT,
    "": TEXT,
}


@pytest.mark.parametrize("encodings", PACKED)
def test_the_pieces_are_the_body(encodings: str) -> None:
    """Each of a bounded size, where only gzip was used."""
    found = list(pieces(PACKED[encodings], encodings))

    assert b"".join(found) == TEXT
    assert "gzip" not in encodings or "," in encodings or max(map(len, found)) <= PIECE


@pytest.mark.parametrize("left", [0, 5, 1000, -9, -1])
def test_a_body_that_is_cut_off_is_none(left: int) -> None:
    """What came before may have been used; the end says that it was not all."""
    cut = PACKED["gzip"][:left]

    with pytest.raises(UndecodedError, match="cannot be decompressed"):
        list(pieces(cut, "gzip"))


def test_a_body_with_a_wrong_bit_is_none() -> None:
    """The checksum is the last thing that is read."""
    packed = bytearray(PACKED["gzip"])
    packed[len(packed) // 8] ^= 1

    with pytest.raises(UndecodedError):
        list(pieces(bytes(packed), "gzip"))
