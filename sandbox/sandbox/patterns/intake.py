"""Request bodies -> records, each with its text exactly as it came. No I/O."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

# An event's own names, and those of an activity row, that fill the same column.
NAMES = {
    "uuid": ("uuid", "activity_id"),
    "event": ("event", "activity"),
    "distinct_id": ("distinct_id", "customer", "anonymous_customer_id"),
    "timestamp": ("timestamp", "ts"),
}
BLANK = " \t\r\n"


class BodyError(ValueError):
    """The body is not one JSON record or an array of them."""


@dataclass(frozen=True, slots=True)
class Record:
    """One record: its JSON text, and the values worth a column of their own."""

    text: str
    uuid: str | None
    event: str | None
    distinct_id: str | None
    timestamp: str | None


class _Peek(msgspec.Struct):
    """What is looked at inside a record; the rest is skipped, not decoded."""

    uuid: Any = None
    activity_id: Any = None
    event: Any = None
    activity: Any = None
    distinct_id: Any = None
    customer: Any = None
    anonymous_customer_id: Any = None
    timestamp: Any = None
    ts: Any = None


def _refuse(name: str) -> NoReturn:
    msg = f"{name} is no JSON"
    raise ValueError(msg)


_array = msgspec.json.Decoder(list[msgspec.Raw])
_peek = msgspec.json.Decoder(_Peek)
_decoder = json.JSONDecoder(parse_constant=_refuse)


def split(body: bytes) -> list[Record]:
    """Take a body apart: one JSON object, or an array of JSON objects.

    Raises:
        BodyError: for anything else.
    """
    bare = body.strip(BLANK.encode())
    try:
        raws = _array.decode(bare) if bare[:1] == b"[" else [msgspec.Raw(bare)]
        return [_record(bytes(raw).decode(), _peek.decode(raw)) for raw in raws]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        # Stricter than JSON is: no lone surrogate passes it. Or no JSON at all.
        return _split_any(bare)


def _split_any(body: bytes) -> list[Record]:
    """Do as `split`, slower, with all that RFC 8259 allows."""
    try:
        text = body.decode()
        whole = _decoder.decode(text)
        texts = list(_elements(text)) if isinstance(whole, list) else [text]
    except (ValueError, RecursionError):
        msg = "the body is not JSON"
        raise BodyError(msg) from None
    values = whole if isinstance(whole, list) else [whole]
    return [_any_record(*pair) for pair in zip(texts, values, strict=True)]


def _elements(text: str) -> Iterator[str]:
    """Give the text of each element of a well-formed JSON array."""
    at = _skip(text, 1)
    while text[at] != "]":
        _, end = _decoder.raw_decode(text, at)
        yield text[at:end]
        at = _skip(text, end)
        at = _skip(text, at + 1) if text[at] == "," else at


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in BLANK:
        at += 1
    return at


def _any_record(text: str, value: object) -> Record:
    if not isinstance(value, dict):
        msg = f"a record must be a JSON object, not {type(value).__name__}"
        raise BodyError(msg)
    names = {name: value.get(name) for name in _Peek.__struct_fields__}
    return _record(text, _Peek(**names))


def _record(text: str, peek: _Peek) -> Record:
    found: dict[str, str | None] = {}
    for column, names in NAMES.items():
        values = (getattr(peek, name) for name in names)
        value = next((v for v in values if v is not None), None)
        found[column] = None if value is None else _text(value)
    return Record(text=text, **found)


def _text(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text.encode(errors="replace").decode()
