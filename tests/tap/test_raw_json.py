"""Stored JSON text on its way into a record: untouched, or mended where it must be."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_posthog import raw_json
from tap_posthog.raw_json import MALFORMED

DEEP = 20_000
HOSTILE = [
    '{"a":1,"b":[true,null,{}]}',
    '{"":1,"a.b":2,"$c/d":3," ":4,"\\"":5}',
    '{"a":1180591620717411303424}',
    '{"a":1e400,"b":-1e400,"c":1E+5,"d":0.1000000000000000055511151231257827}',
    '{"a":-0.0,"b":1.10,"c":100000000000000000000000.5}',
    '{"a":"\\ud800","b":"\\udc00\\ud800","c":"\\ud83d\\ude00"}',
    '{"a":"\\u0000"}',
    '{"a":"NaN","b":"-Infinity \\" NaN"}',
    '{"a":1,"a":2}',
    '{"a":"é€😀"}',
    f'{{"a":"{"x" * 1_000_000}"}}',
    f'{{"a":{"9" * 5000}}}',
]
MENDED = [
    ('{"a":NaN,"b":"NaN"}', {"a": None, "b": "NaN"}),
    ('{"a":[-Infinity,Infinity,NaN],"b":-1}', {"a": [None, None, None], "b": -1}),
    ('{"a":"\\"NaN","b":NaN}', {"a": '"NaN', "b": None}),
    ('{"a":"\\\\","b":NaN}', {"a": "\\", "b": None}),
    ('{"a"\n:\r\n1}', {"a": 1}),
    (' {"a":1}\n', {"a": 1}),
    ("", None),
    ("  ", None),
    ("null", None),
    ('{"a":1,}', {MALFORMED: '{"a":1,}'}),
    ('{"a":', {MALFORMED: '{"a":'}),
    ('{"a":"tab\there"}', {MALFORMED: '{"a":"tab\there"}'}),
    ("[1]", {MALFORMED: "[1]"}),
    ('"text"', {MALFORMED: '"text"'}),
    ("NaN", None),
    ("{}{}", {MALFORMED: "{}{}"}),
]


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: text[:30])
def test_valid_text_stays_as_it_is(text: str) -> None:
    """No number is rounded, no key dropped, no escape resolved."""
    assert bytes(raw_json.as_object(_cell(text))).decode() == text


@pytest.mark.parametrize(("text", "value"), MENDED)
def test_what_is_no_json_is_mended_or_kept(text: str, value: object) -> None:
    """NaN becomes null, lines become one, and what is no object is kept as text."""
    mended = bytes(raw_json.as_object(_cell(text)))

    assert json.loads(mended) == value
    assert b"\n" not in mended
    assert b"\r" not in mended


def test_text_nested_beyond_reading_is_kept() -> None:
    """Depth that no parser follows does not end the run."""
    text = '{"a":' + "[" * DEEP + "]" * DEEP + "}"

    kept = json.loads(bytes(raw_json.as_object(_cell(text))))

    assert kept == {MALFORMED: text}


def test_a_server_that_sends_objects_is_understood() -> None:
    """PostHog may one day send `properties` as JSON, not as text; it passes as well."""
    cell = msgspec.Raw(b'{"a": 1.10,\n "b": "\\ud800"}')

    assert bytes(raw_json.as_object(cell)) == b'{"a": 1.10,  "b": "\\ud800"}'
    assert bytes(raw_json.as_object(msgspec.Raw(b"null"))) == b"null"


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: text[:30])
def test_values_survive_decoding_and_encoding(text: str) -> None:
    """The SDK's path decodes a record and encodes it again, and loses nothing."""
    value = raw_json.loads(text)

    again = raw_json.dumps(value)

    assert _exact(again) == _exact(text)
    assert again.isascii()


@given(st.text())
def test_any_text_gives_one_line_of_valid_json(text: str) -> None:
    """Whatever is stored, the record can be read by any JSON reader."""
    line = bytes(raw_json.as_object(_cell(text)))

    assert isinstance(json.loads(line), dict | None)
    assert b"\n" not in line


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(st.dictionaries(st.text(), JSON))
def test_what_python_clients_stored_arrives(value: dict[str, Any]) -> None:
    """NaN and Infinity are null in the record, and everything else is as stored."""
    stored = json.dumps(value)

    assert json.loads(bytes(raw_json.as_object(_cell(stored)))) == json.loads(
        stored, parse_constant=lambda _: None
    )


def _cell(text: str) -> msgspec.Raw:
    return msgspec.Raw(json.dumps(text))


def _exact(text: str) -> object:
    """Read JSON with its numbers by value, however they are written."""
    return json.loads(text, parse_int=Decimal, parse_float=Decimal)
