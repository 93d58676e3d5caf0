"""A line of Singer input becomes a message; its record and state stay bytes.

Says what is wrong with a line, never what is in it. Knows no stream and no schema.
"""

from __future__ import annotations

import decimal
import json
from typing import Any

import msgspec

from target_patterns_webhook.jsontext import MalformedError, members

TYPES = ("SCHEMA", "RECORD", "STATE", "BATCH", "ACTIVATE_VERSION")
_NONE = msgspec.Raw()


class Message(msgspec.Struct, gc=False):
    """What every message is asked for. ``record`` and ``value`` are JSON text."""

    type: str
    stream: str | None = None
    record: msgspec.Raw = _NONE
    value: msgspec.Raw = _NONE


_decode = msgspec.json.Decoder(Message).decode


def parse(line: bytes) -> Message | None:
    """Read one line; None for a blank one. Raises MalformedError.

    The record of a RECORD is valid JSON in UTF-8 and starts with ``{``.
    """
    try:
        if not line.isascii():
            line.decode()  # msgspec looks at no byte of a string that it leaves as text
        message = _decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        if not line.strip():
            return None
        message = _parse_exactly(line)
    if message.type == "RECORD":
        if not bytes(message.record).startswith(b"{"):
            raise MalformedError(_wrong_record(message))
        if message.stream is None:
            msg = "a RECORD names no stream"
            raise MalformedError(msg)
    elif message.type not in TYPES:
        msg = f"its type is none of {', '.join(TYPES)}"
        raise MalformedError(msg)
    return message


def whole(line: bytes) -> dict[str, Any]:
    """Read a line that ``parse`` took as Python values; no fraction is rounded."""
    try:
        message = json.loads(line, parse_float=decimal.Decimal)
    except ValueError:
        msg = "a whole number in it has more than 4,300 digits"
        raise MalformedError(msg) from None
    return dict(message)


def _parse_exactly(line: bytes) -> Message:
    found = members(line)
    names: dict[str, str | None] = {}
    for name in ("type", "stream"):
        value = json.loads(found.get(name, "null"))
        if value is not None and not isinstance(value, str):
            msg = f"its {name} is no text"
            raise MalformedError(msg)
        names[name] = value
    if names["type"] is None:
        msg = "it has no type"
        raise MalformedError(msg)
    return Message(
        type=names["type"],
        stream=names["stream"],
        record=msgspec.Raw(found.get("record", b"")),
        value=msgspec.Raw(found.get("value", b"")),
    )


def _wrong_record(message: Message) -> str:
    if message.record == _NONE:
        return "a RECORD without a record"
    return "its record is no JSON object"
