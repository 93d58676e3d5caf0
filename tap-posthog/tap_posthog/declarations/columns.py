"""A column of a stream: its type in the schema, and how a value becomes it.

Values look the same whatever they were read from: instants are RFC 3339, UTC, with
microseconds; text that holds JSON is the object; 0 and 1 are booleans.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from tap_posthog import raw_json
from tap_posthog.events.rows import normalized
from tap_posthog.raw_json import NULL

if TYPE_CHECKING:
    from collections.abc import Callable

    Cell = msgspec.Raw
    Convert = Callable[[msgspec.Raw], Any]

FALSE, TRUE = msgspec.Raw(b"false"), msgspec.Raw(b"true")
WHOLE = re.compile(rb'"(-?\d+)"')
TYPES: dict[str, dict[str, Any]] = {
    "text": {"type": ["string", "null"]},
    "uuid": {"type": ["string", "null"]},
    "integer": {"type": ["integer", "null"]},
    "number": {"type": ["number", "null"]},
    "boolean": {"type": ["boolean", "null"]},
    "instant": {"type": ["string", "null"], "format": "date-time"},
    "object": {"type": ["object", "null"], "additionalProperties": True},
    "array": {
        "type": ["array", "null"],
        "items": {"type": ["object", "null"], "additionalProperties": True},
    },
    "texts": {"type": ["array", "null"], "items": {"type": ["string", "null"]}},
    "integers": {"type": ["array", "null"], "items": {"type": ["integer", "null"]}},
}


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Attributes:
        name: In the stream.
        kind: One of `TYPES`.
        description: What it is, for a person.
        source: What PostHog calls it, or the HogQL of it; by default as the stream.
    """

    name: str
    kind: str
    description: str
    source: str = ""

    @property
    def schema(self) -> dict[str, Any]:
        """Its entry in the stream's JSON schema."""
        return TYPES[self.kind] | {"description": self.description}


def text(name: str, description: str, source: str = "") -> Column:
    """Declare text."""
    return Column(name, "text", description, source)


def uuid(name: str, description: str, source: str = "") -> Column:
    """Declare a UUID, whose order is the server's own."""
    return Column(name, "uuid", description, source)


def integer(name: str, description: str, source: str = "") -> Column:
    """Declare a whole number."""
    return Column(name, "integer", description, source)


def number(name: str, description: str, source: str = "") -> Column:
    """Declare a number."""
    return Column(name, "number", description, source)


def boolean(name: str, description: str, source: str = "") -> Column:
    """Declare what is true or false."""
    return Column(name, "boolean", description, source)


def instant(name: str, description: str, source: str = "") -> Column:
    """Declare a point in time."""
    return Column(name, "instant", description, source)


def json_object(name: str, description: str, source: str = "") -> Column:
    """Declare an object, which PostHog may keep as text."""
    return Column(name, "object", description, source)


def array(name: str, description: str, source: str = "") -> Column:
    """Declare a list of objects, which PostHog may keep as text."""
    return Column(name, "array", description, source)


def texts(name: str, description: str, source: str = "") -> Column:
    """Declare a list of texts."""
    return Column(name, "texts", description, source)


def converter(kind: str) -> Convert | None:
    """Say how a cell of the answer becomes a value of a kind. None: it is one."""
    return _CONVERTERS.get(kind)


def value(kind: str, cell: Cell) -> Any:  # noqa: ANN401 - of whatever kind
    """Return a cell as a Python value of a kind."""
    convert = converter(kind)
    converted = convert(cell) if convert else cell
    if isinstance(converted, msgspec.Raw):
        return msgspec.json.decode(converted)
    return converted


def _integer(cell: Cell) -> Cell:
    """Take 64 bits out of the text in which some servers write them."""
    quoted = WHOLE.fullmatch(bytes(cell))
    return msgspec.Raw(quoted[1]) if quoted else cell


def _boolean(cell: Cell) -> Cell:
    match bytes(cell):
        case b"0" | b'"0"':
            return FALSE
        case b"1" | b'"1"':
            return TRUE
    return cell


def _instant(cell: Cell) -> Any:  # noqa: ANN401 - text, or the cell
    held = msgspec.json.decode(cell)
    if not isinstance(held, str):
        return cell
    try:
        return normalized(held)
    except ValueError:
        return None  # "" and other texts that are no time


def _array(cell: Cell) -> Cell:
    """Return the array that a cell holds, as text inside JSON or as it is."""
    held = bytes(cell)
    if held[:1] == b'"':
        try:
            held = msgspec.json.decode(cell, type=str).encode()
            msgspec.json.decode(held)
        except ValueError:
            held = bytes(cell)
    held = held.replace(b"\n", b" ").replace(b"\r", b" ").strip()
    if held in {b"", b'""', b"null"}:
        return NULL
    return msgspec.Raw(held if held[:1] == b"[" else b"[" + held + b"]")


_CONVERTERS: dict[str, Convert] = {
    "integer": _integer,
    "boolean": _boolean,
    "instant": _instant,
    "object": raw_json.as_object,
    "array": _array,
    "texts": _array,
    "integers": _array,
}
