"""A line of Singer input becomes a message; its record and state stay bytes.

Says what is wrong with a line, never what is in it. Knows no stream and no schema.
"""

from __future__ import annotations

import codecs
import decimal
import json
from typing import TYPE_CHECKING, Any

import msgspec

from target_patterns_webhook.deep_json import shallow
from target_patterns_webhook.raw_json import MalformedError, members
from target_patterns_webhook.singer.stdin import lines

if TYPE_CHECKING:
    from collections.abc import Callable

TYPES = ("SCHEMA", "RECORD", "STATE", "BATCH", "ACTIVATE_VERSION")
NONE = msgspec.Raw()
PLAIN = {"RECORD", "STATE"}
LONG_INTEGER = 4000  # digits; Python refuses to read more than 4,300
DECODE_BYTES = 1 << 15  # bytes; what is decoded stays in the processor's cache


class Message(msgspec.Struct, gc=False):
    """What every message is asked for. ``record`` and ``value`` are JSON text."""

    type: str
    stream: str | None = None
    record: msgspec.Raw = NONE
    value: msgspec.Raw = NONE


_decoder = msgspec.json.Decoder(Message)
_decode, _decode_lines = _decoder.decode, _decoder.decode_lines
_skip_lines = msgspec.json.Decoder(msgspec.Raw).decode_lines
_utf8 = codecs.getincrementaldecoder("utf-8")


def parse_plain(block: bytes) -> list[Message] | None:
    """Read whole lines at once. None: one of them needs a closer look.

    All are RECORD or STATE, and each has one line. What a record is stays unchecked.
    """
    try:
        _check_utf8(block)
        messages = _decode_lines(block)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    plain = {message.type for message in messages} <= PLAIN
    return messages if plain and 0 < len(messages) == _objects(block) else None


def plain_records(block: bytes) -> list[bytes] | None:
    """Read whole lines of a BATCH file at once. None: one of them needs a closer look.

    Each is one JSON object in UTF-8, without blanks around it.
    """
    try:
        _check_utf8(block)
        count = len(_skip_lines(block))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return lines(block) if 0 < count == _objects(block) else None


def parse(line: bytes) -> Message | None:
    """Read one line; None for a blank one.

    Raises:
        MalformedError: it is no Singer message.
    """
    try:
        _check_utf8(line)
        message = _decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        if not line.strip():
            return None
        message = _parse_exactly(line)
    if message.type not in TYPES:
        msg = f"its type is none of {', '.join(TYPES)}"
        raise MalformedError(msg)
    return message


def record_of(message: Message) -> tuple[str, bytes]:
    """Return a RECORD's stream and its record's text.

    The text is one JSON object in UTF-8, without blanks around it; of a message that
    ``parse`` gave it may hold Python's ``NaN`` and ``Infinity``.

    Raises:
        MalformedError: it has no record, or names no stream.
    """
    record = bytes(message.record)
    if not record.startswith(b"{"):
        missing = message.record == NONE
        msg = "a RECORD without a record" if missing else "its record is no JSON object"
        raise MalformedError(msg)
    if message.stream is None:
        msg = "a RECORD names no stream"
        raise MalformedError(msg)
    return message.stream, record


def state_of(message: Message) -> bytes:
    """Return the text of a STATE's value.

    Raises:
        MalformedError: it has none.
    """
    if not message.value:
        msg = "a STATE without a value"
        raise MalformedError(msg)
    return bytes(message.value)


def stream_of(message: dict[str, Any]) -> str:
    """Return the stream that a SCHEMA or a BATCH names.

    Raises:
        MalformedError: it names none.
    """
    name = message.get("stream")
    if not isinstance(name, str):
        msg = f"a {message['type']} names no stream"
        raise MalformedError(msg)
    return name


def schema_of(message: dict[str, Any]) -> tuple[str, dict[str, Any] | bool, list[str]]:
    """Return a SCHEMA's stream, JSON schema and key properties.

    Raises:
        MalformedError: one of them is missing or has another type.
    """
    name, schema = stream_of(message), message.get("schema")
    if not isinstance(schema, (dict, bool)):
        msg = f"the SCHEMA of stream {name[:80]} has no schema"
        raise MalformedError(msg)
    keys = message.get("key_properties") or []
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        msg = f"the key_properties of stream {name[:80]} are no list of names"
        raise MalformedError(msg)
    return name, schema, keys


def whole(line: bytes) -> dict[str, Any]:
    """Read a line that ``parse`` took as Python values; no fraction is rounded."""
    try:
        return dict(_values(line.decode(), float))
    except RecursionError:
        msg = "it is nested too deeply"
        raise MalformedError(msg) from None


def whole_record(line: bytes) -> dict[str, Any]:
    """Read a RECORD in the same way; what lies deep in it stays text (RawJSON)."""
    return dict(_values(*shallow(line.decode(), float)))


def _values(text: str, constant: Callable[[str], Any]) -> Any:  # noqa: ANN401 - JSON
    return json.loads(
        text, parse_float=decimal.Decimal, parse_int=_integer, parse_constant=constant
    )


def _integer(text: str) -> int | decimal.Decimal:
    return int(text) if len(text) < LONG_INTEGER else decimal.Decimal(text)


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


def _check_utf8(block: bytes) -> None:
    """Raise UnicodeDecodeError unless it is UTF-8, and keep none of the text.

    msgspec looks at no byte of a string that stays text.
    """
    if block.isascii():
        return
    decode, view = _utf8().decode, memoryview(block)
    for at in range(0, len(view), DECODE_BYTES):
        decode(view[at : at + DECODE_BYTES])
    decode(b"", final=True)


def _objects(block: bytes) -> int:
    """Count the lines, or 0 where a line's end is not between two objects.

    JSON has no ``}``, blank, ``{`` inside a value: such an end is outside of all.
    """
    if not (block.startswith(b"{") and block.endswith(b"}\n")):
        return 0
    count, at = 1, block.index(b"\n")
    while at != len(block) - 1:
        if block[at - 1 : at + 2] != b"}\n{":
            return 0
        count, at = count + 1, block.index(b"\n", at + 1)
    return count
