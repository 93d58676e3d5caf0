"""Bodies that the webhook takes apart, and those that it refuses."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.patterns.intake import BodyError, split

HOSTILE = (
    r'{"a":"\ud800"}',
    '{"a":1180591620717411303424}',
    '{"a":1e400}',
    r'{"a":"x\u0000y"}',
    '{"":1,"a.b":[1.0,1.10,-0]}',
    '{"a":1,"a":2}',
    '{ "a" : "ü 漢字 🎉" }',
    r'{"uuid":"\ud800","b":[],"c":{},"d":"],["}',
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
RECORDS = st.lists(st.dictionaries(st.text(), JSON).map(json.dumps))
SPACE = st.text(" \t\r\n", max_size=3)


@settings(max_examples=40, deadline=None)
@given(RECORDS, SPACE, SPACE, SPACE)
def test_records_keep_their_text(
    texts: list[str], before: str, between: str, after: str
) -> None:
    """Each record of an array keeps the text it came with, whatever is around it."""
    comma = f"{between},{after}"
    body = f"{before}[{between}{comma.join(texts)}{after}]{before}"

    assert [record.text for record in split(body.encode())] == texts


@pytest.mark.parametrize("text", HOSTILE)
def test_all_json_passes(text: str) -> None:
    """What is valid JSON is taken, alone or in an array, and not one byte changes."""
    alone = split(text.encode())
    among = split(f'[{{"a":1}}, {text} ,{{}}]'.encode())

    assert [record.text for record in alone] == [text]
    assert [record.text for record in among] == ['{"a":1}', text, "{}"]


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"hello", id="no JSON"),
        pytest.param(b'{"a":1', id="cut"),
        pytest.param(b'[{"a":1}', id="cut array"),
        pytest.param(b'[{"a":1}{"a":2}]', id="no comma"),
        pytest.param(b'[{"a":1},]', id="trailing comma"),
        pytest.param(b'{"a":1}\n{"a":2}', id="NDJSON"),
        pytest.param(b'{"a":NaN}', id="NaN"),
        pytest.param(b'{"a":-Infinity}', id="infinity"),
        pytest.param(b"3", id="number"),
        pytest.param(b'[{"a":1},3]', id="number in an array"),
        pytest.param(b"[[{}]]", id="array in an array"),
        pytest.param(b'{"a":"\xff"}', id="no UTF-8"),
        pytest.param(b'{"a":' * 100_000, id="deep"),
    ],
)
def test_all_else_is_refused(body: bytes) -> None:
    """A body that is no JSON record, nor an array of them, is refused whole."""
    with pytest.raises(BodyError):
        split(body)


def test_an_event_fills_the_columns() -> None:
    """An event's own names are found in any place; others are left alone."""
    text = '{"properties":{"uuid":"no"},"uuid":"u","event":"e","distinct_id":7}'
    (record,) = split(text.encode())

    assert (record.uuid, record.event, record.distinct_id) == ("u", "e", "7")
    assert record.timestamp is None


def test_an_activity_row_fills_the_same_columns() -> None:
    """An activity row's names stand for an event's; an anonymous one has its own."""
    text = (
        '{"activity_id":"u","ts":"2026-01-02T03:04:05Z","customer":null,'
        '"anonymous_customer_id":"d","activity":"e"}'
    )
    (record,) = split(text.encode())

    assert (record.uuid, record.event, record.distinct_id) == ("u", "e", "d")
    assert record.timestamp == "2026-01-02T03:04:05Z"
