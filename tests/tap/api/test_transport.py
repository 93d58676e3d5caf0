"""An answer's body: whole, or none."""

from __future__ import annotations

import gzip
import zlib

import pytest
from requests.structures import CaseInsensitiveDict

from tap_posthog.api.transport import NoResponseError, Response

PACKED = {"Content-Encoding": "gzip"}


@pytest.mark.parametrize("members", [[b"[1]"], [b"[", b"1]"], [b"[1", b"]"]])
def test_an_answer_is_unpacked(members: list[bytes]) -> None:
    """Whole, also where it comes in several members, as a proxy may join them."""
    body = b"".join(gzip.compress(member) for member in members)
    headers = CaseInsensitiveDict({"content-encoding": "GZIP"})

    assert Response(200, headers, body).body == b"[1]"


def raw(body: bytes) -> bytes:
    """Pack as some servers do that say deflate: without zlib's head and sum."""
    return zlib.compress(body, wbits=-zlib.MAX_WBITS)


BODY = b'{"results": [[1]]}' * 100


@pytest.mark.parametrize(
    ("encodings", "body"),
    [
        pytest.param("gzip", gzip.compress(BODY), id="gzip"),
        pytest.param("x-gzip", gzip.compress(BODY), id="x-gzip"),
        pytest.param("deflate", zlib.compress(BODY), id="deflate"),
        pytest.param("Deflate", raw(BODY), id="raw-deflate"),
        pytest.param("identity", BODY, id="identity"),
        pytest.param("", BODY, id="empty"),
        pytest.param(" , identity, ", BODY, id="nothing"),
        pytest.param("deflate, gzip", gzip.compress(zlib.compress(BODY)), id="two"),
        pytest.param("x-gzip,identity,deflate", raw(gzip.compress(BODY)), id="three"),
    ],
)
def test_an_answer_is_read_in_every_encoding(encodings: str, body: bytes) -> None:
    """Though only gzip was asked for: proxies answer with others."""
    answer = Response(200, {"Content-Encoding": encodings}, body)

    assert answer.body == BODY


@pytest.mark.parametrize(
    ("encodings", "named"),
    [
        ("br", "compressed with br,"),
        ("gzip, zstd", "compressed with zstd,"),
        ("compress", "compressed with compress,"),
        ("\xff" * 99, "compressed with something unknown,"),
    ],
)
def test_an_encoding_that_cannot_be_read_is_named(encodings: str, named: str) -> None:
    """Or nobody would find the proxy that does it."""
    with pytest.raises(NoResponseError, match=named):
        _ = Response(200, {"Content-Encoding": encodings}, gzip.compress(BODY)).body


@pytest.mark.parametrize("kept", [1, 9, -9, -1])
def test_a_deflated_answer_that_was_cut_off_is_none(kept: int) -> None:
    """Neither form of it is read as if it were whole."""
    for body in (zlib.compress(BODY), raw(BODY)):
        with pytest.raises(NoResponseError, match="decompressed"):
            _ = Response(200, {"Content-Encoding": "deflate"}, body[:kept]).body


def test_an_answer_without_a_body_keeps_its_status() -> None:
    """A refusal is a refusal, whatever a proxy says of the body that it cut away."""
    answer = Response(401, PACKED, b"")

    assert answer.body == b""


@pytest.mark.parametrize("kept", [1, 9, -9, -1])
def test_an_answer_that_was_cut_off_is_none(kept: int) -> None:
    """A connection that ended early is tried again."""
    body = gzip.compress(b"[1]")[:kept]

    with pytest.raises(NoResponseError, match="decompressed"):
        _ = Response(200, PACKED, body).body


def test_an_answer_that_is_not_what_it_says_is_none() -> None:
    """Nothing is made of what a proxy has spoiled."""
    with pytest.raises(NoResponseError, match="decompressed"):
        _ = Response(200, PACKED, b"[1]").body
