"""An answer's body: whole, or none."""

from __future__ import annotations

import gzip

import pytest
from requests.structures import CaseInsensitiveDict

from tap_posthog.transport import Answer, NoAnswerError

PACKED = {"Content-Encoding": "gzip"}


@pytest.mark.parametrize("members", [[b"[1]"], [b"[", b"1]"], [b"[1", b"]"]])
def test_an_answer_is_unpacked(members: list[bytes]) -> None:
    """Whole, also where it comes in several members, as a proxy may join them."""
    body = b"".join(gzip.compress(member) for member in members)
    headers = CaseInsensitiveDict({"content-encoding": "GZIP"})

    assert Answer(200, headers, body).unpacked().body == b"[1]"


def test_an_answer_without_a_body_keeps_its_status() -> None:
    """A refusal is a refusal, whatever a proxy says of the body that it cut away."""
    answer = Answer(401, PACKED, b"")

    assert answer.unpacked() == answer


@pytest.mark.parametrize("kept", [1, 9, -9, -1])
def test_an_answer_that_was_cut_off_is_none(kept: int) -> None:
    """A connection that ended early is tried again."""
    body = gzip.compress(b"[1]")[:kept]

    with pytest.raises(NoAnswerError, match="decompressed"):
        Answer(200, PACKED, body).unpacked()


def test_an_answer_that_is_not_what_it_says_is_none() -> None:
    """Nothing is made of what a proxy has spoiled."""
    with pytest.raises(NoAnswerError, match="decompressed"):
        Answer(200, PACKED, b"[1]").unpacked()
