"""JSON that was stored as text: passed on as it is, repaired where it must be. Pure.

PostHog keeps `properties` as text. Numbers of any length, repeated keys, lone surrogate
escapes are valid there and stay. `NaN` and `Infinity` (bare, from old Python clients)
are not JSON and become null; line feeds between tokens become spaces, since a message
is one line. Text that is no JSON object is kept, as a string under `MALFORMED`.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any

import msgspec
from singer_sdk.singerlib.json import serialize_json

from tap_posthog.deep_json import shallow

MALFORMED = "$malformed_properties"
NULL = msgspec.Raw(b"null")

STRING = r'"[^"\\]*(?:\\.[^"\\]*)*"'
NOT_JSON = re.compile(
    rf"({STRING})|[-+]?\b(?:NaN|Infinity|nan|inf)\b", re.DOTALL
)  # a string first, so that no token is found inside one
SURROGATE = re.compile("[\ud800-\udfff]")
LINE_ENDS = str.maketrans("\r\n", "  ")
LONG_INTEGER = 4000  # digits; Python refuses to read more than 4,300

_text = msgspec.json.Decoder(str).decode
_validate = msgspec.json.Decoder(msgspec.Raw).decode


def as_object(cell: msgspec.Raw) -> msgspec.Raw:
    """Return the JSON object that a cell holds, as text inside JSON or as it is."""
    if bytes(memoryview(cell)[:1]) == b"{":
        held = bytes(cell)
        if b"\n" not in held and b"\r" not in held:
            return cell
    try:
        text = _text(cell)
        raw = _validate(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return _repaired(cell)
    if text[0] == "{" and "\n" not in text and "\r" not in text:
        return raw
    return _repaired(cell)


def loads(text: str) -> Any:  # noqa: ANN401 - whatever the JSON holds
    """Decode JSON without rounding: a number that a float cannot hold is a Decimal.

    What is nested deeply stays text (RawJSON), which `dumps` writes as it is.

    Raises:
        ValueError: the text is no JSON.
    """
    text, constant = shallow(text, lambda _: None)
    return json.loads(
        text, parse_float=_number, parse_int=_integer, parse_constant=constant
    )


def dumps(value: object) -> str:
    """Encode what `loads` decoded: ASCII on one line, and every number as it was."""
    return serialize_json(value)


def _repaired(cell: msgspec.Raw) -> msgspec.Raw:
    json_text = bytes(cell).decode()
    if json_text.startswith("{"):  # an object as it is, which was read as one
        return msgspec.Raw(json_text.translate(LINE_ENDS))
    held = json.loads(json_text)
    if not isinstance(held, str):
        return NULL if held is None else _kept(json_text)
    text = NOT_JSON.sub(lambda match: match[1] or "null", held)
    try:
        # Only whether it is an object matters: the text itself goes on, not the value.
        value = json.loads(text, parse_float=str, parse_int=str)
    except (ValueError, RecursionError):
        return _kept(held) if held.strip() else NULL
    if value is None:
        return NULL
    if not isinstance(value, dict):
        return _kept(held)
    line = text.strip().translate(LINE_ENDS)
    return msgspec.Raw(SURROGATE.sub(lambda match: f"\\u{ord(match[0]):04x}", line))


def _kept(text: str) -> msgspec.Raw:
    return msgspec.Raw(json.dumps({MALFORMED: text}))


def _number(text: str) -> float | Decimal:
    read = float(text)
    if repr(read) == text:
        return read
    exact = Decimal(text)
    return read if Decimal(repr(read)) == exact else exact


def _integer(text: str) -> int | Decimal:
    return int(text) if len(text) < LONG_INTEGER else Decimal(text)
