"""Singer lines: records keep their bytes, wrong lines are told by what is wrong."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_patterns_webhook.raw_json import MalformedError
from target_patterns_webhook.singer.messages import (
    Message,
    parse,
    parse_plain,
    record_of,
    whole,
)
from target_patterns_webhook.singer.stdin import lines

HOSTILE = [
    rb"{}",
    rb'{"a":"\ud800"}',
    rb'{"\udfff":"\udc00\ud83d\ude00"}',
    rb'{"a":1180591620717411303424}',
    rb'{"a":1e400,"b":-0,"c":1.10,"d":1E+2}',
    b'{"a":' + b"9" * 5000 + b"}",
    rb'{"a":"\u0000","":{"":[]},"a.b":null}',
    '{"name":"Zoë \N{GRINNING FACE}","a":1,"a":2}'.encode(),
    b'{ "a" : [ 1 , 2 ] }',
    b'{"a":"\x7f\xc2\x80"}',
    b'{"a":' * 300 + b"1" + b"}" * 300,
]


NO_MESSAGE = Message(type="none")


@pytest.mark.parametrize("record", HOSTILE, ids=lambda r: repr(r[:30]))
@pytest.mark.parametrize("ending", [b"", b"\r", b"  "], ids=["lf", "crlf", "spaces"])
def test_a_record_keeps_its_bytes(record: bytes, ending: bytes) -> None:
    """Whatever is valid JSON comes out of its message byte for byte."""
    line = b'{"type":"RECORD","stream":"s","record":%b,"x":"\\ud83d"}%b' % (
        record,
        ending,
    )
    message = parse(line)

    assert message is not None
    assert (message.type, message.stream) == ("RECORD", "s")
    assert bytes(message.record) == record


@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=[])),
        st.text(st.characters(exclude_categories=[])) | st.integers(),
    ),
    st.text(),
)
def test_any_record_comes_out_as_it_went_in(
    record: dict[str, object], stream: str
) -> None:
    """For any record and stream name, fast reading or exact, the text is the same."""
    text = json.dumps(record)
    message = parse(
        b'{"record":%b,"stream":%b,"type":"RECORD"}'
        % (text.encode(), json.dumps(stream).encode())
    )

    assert message is not None
    assert (bytes(message.record), message.stream) == (text.encode(), stream)


@pytest.mark.parametrize("line", [b"", b"\r", b"  \t"])
def test_a_blank_line_is_nothing(line: bytes) -> None:
    """A blank line is passed over."""
    assert parse(line) is None


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"canary", "it is not valid JSON (Expecting value, column 1)"),
        (b'["canary"]', "it is no JSON object"),
        (b'{"canary":1}', "it has no type"),
        (b'{"type":7}', "its type is no text"),
        (
            b'{"type":"canary"}',
            "its type is none of SCHEMA, RECORD, STATE, BATCH, ACTIVATE_VERSION",
        ),
        (b'{"type":"RECORD","stream":"s"}', "a RECORD without a record"),
        (b'{"type":"RECORD","record":{}}', "a RECORD names no stream"),
        (b'{"type":"RECORD","stream":1,"record":{}}', "its stream is no text"),
        (
            b'{"type":"RECORD","stream":"s","record":["canary"]}',
            "its record is no JSON object",
        ),
        (
            b'{"type":"RECORD","stream":"s","record":null}',
            "its record is no JSON object",
        ),
        (
            b'{"type":"RECORD","stream":"s","record":{"canary":"\xff"}}',
            "it is not UTF-8 (byte 51)",
        ),
        (
            b'{"type":"RECORD","stream":"s","record":{"canary":"\xed\xa0\x80"}}',
            "it is not UTF-8 (byte 51)",
        ),
    ],
    ids=repr,
)
def test_a_wrong_line_is_told_by_what_is_wrong(line: bytes, problem: str) -> None:
    """The problem is said in words; nothing of the line's content is in them."""
    with pytest.raises(MalformedError) as caught:
        record_of(parse(line) or NO_MESSAGE)

    assert str(caught.value) == problem


GOOD = b'{"type":"RECORD","stream":"s","record":{"a":"\xc3\xbc"}}\n'


@given(
    st.lists(
        st.sampled_from(
            [
                GOOD,
                b'{"type":"STATE","value":{"b":{}}}\n',
                b'{"type":"STATE"}\n',
                b'{"type":"RECORD"}\n',
                b'{"type":"SCHEMA"}\n',
                b'{"type":"canary"}\n',
                b'{"type":"RECORD","stream":"s","record":{"a":"\xff"}}\n',
                rb'{"type":"RECORD","stream":"\ud800","record":{}}' + b"\n",
                b'{"type":"STATE","value":\n',
                b'{"type":"STATE","value":"}\n{"}\n',
                b"{}}\n",
                b"\n",
                b"\r\n",
                b"{",
                b"}",
            ]
        )
        | st.just(GOOD),
        min_size=1,
    )
)
def test_a_block_is_read_as_its_lines_are(pieces: list[bytes]) -> None:
    """At once or line by line: the same messages, or each line is looked at."""
    block = b"".join(pieces)
    messages = parse_plain(block)

    if messages is not None:
        assert messages == [parse(line) for line in lines(block)]
        assert {message.type for message in messages} <= {"RECORD", "STATE"}


def test_a_block_of_records_is_read_at_once() -> None:
    """Characters of several bytes lie across the parts that are looked at."""
    long = b'{"type":"RECORD","stream":"s","record":{"a":"%b"}}\n' % (
        "\N{GRINNING FACE}".encode() * 40_000
    )
    for text in (GOOD * 3, long + GOOD, b"x" + long, long.replace(b'"a"', b'"aa"')):
        messages = parse_plain(text)

        assert (messages is None) == text.startswith(b"x")


def test_a_record_of_30_megabytes() -> None:
    """A record of 30 MB is taken, with a lone surrogate in it or not."""
    for tail in (b"", rb"\ud800"):
        record = b'{"a":"' + b"x" * 30_000_000 + tail + b'"}'
        message = parse(b'{"type":"RECORD","stream":"s","record":' + record + b"}")

        assert message is not None
        assert bytes(message.record) == record


def test_whole_rounds_nothing() -> None:
    """Where a message is made into values, fractions keep all of their digits."""
    line = b'{"type":"RECORD","record":{"a":1.10,"b":0.1234567890123456789}}'

    record = whole(line)["record"]

    assert (str(record["a"]), str(record["b"])) == ("1.10", "0.1234567890123456789")
