"""JSON text taken apart: every byte of a value is kept, and only JSON is taken."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_patterns_webhook.raw_json import MalformedError, members

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=[])),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.text(st.characters(exclude_categories=[])), inner, max_size=3
        )
    ),
    max_leaves=10,
)


@given(
    value=st.dictionaries(st.text(), values, max_size=4),
    indent=st.none() | st.integers(0, 2),
)
def test_members_are_the_text_of_each_value(
    value: dict[str, Any], indent: int | None
) -> None:
    """Any object, however it is spelled, comes apart into its values' own text."""
    text = json.dumps(value, indent=indent)

    found = members(text.encode())

    assert {name: json.loads(part) for name, part in found.items()} == value
    assert all(part in text.encode() for part in found.values())


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"", "it is not valid JSON (Expecting value, column 1)"),
        (b"[1]", "it is no JSON object"),
        (b'{"a":1', "it is not valid JSON (Expecting }, column 7)"),
        (b'{"a":1}}', "it is not valid JSON (Extra data, column 8)"),
        (b'{"a" 1}', "it is not valid JSON (Expecting :, column 6)"),
        (b"{a:1}", 'it is not valid JSON (Expecting ", column 2)'),
        (b'{"a":1,}', 'it is not valid JSON (Expecting ", column 8)'),
        (b'{"a":}', "it is not valid JSON (Expecting value, column 6)"),
        (b'{"a":01}', "it is not valid JSON (Expecting }, column 7)"),
        (b'{"a":nan}', "it is not valid JSON (Expecting value, column 6)"),
        (b'{"a":+Infinity}', "it is not valid JSON (Expecting value, column 6)"),
        (b'{"a":"\xff"}', "it is not UTF-8 (byte 7)"),
        pytest.param(
            b"[" * 5000,
            "it is not valid JSON (Expecting value, column 5,001)",
            id="deep-and-open",
        ),
        pytest.param(
            b'{"a":' * 5000 + b"[1,]" + b"}" * 5000,
            "it is not valid JSON (Expecting value, column 25,004)",
            id="deep-and-wrong",
        ),
    ],
    ids=repr,
)
def test_what_is_wrong_is_said_without_the_content(text: bytes, problem: str) -> None:
    """Whatever is no JSON object in UTF-8 is refused in words, with a place."""
    with pytest.raises(MalformedError) as caught:
        members(text)

    assert str(caught.value) == problem


def test_of_doubles_the_last_counts() -> None:
    """A name that comes twice has its last value, as in most JSON readers."""
    assert members(b'{"a":1,"a":2}') == {"a": b"2"}
