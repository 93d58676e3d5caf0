"""Rows of an export's files, in the shape that the other sources' rows have.

Columns go by name: PostHog's workers write them in any order, and leave some out.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import msgspec

from tap_posthog import raw_json
from tap_posthog.errors import FilesError
from tap_posthog.events.exports.formats import codecs, parquet
from tap_posthog.events.exports.formats.parquet import CLOCKS, KEYS
from tap_posthog.events.exports.store import RangeFile
from tap_posthog.events.rows import normalized

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tap_posthog.events.exports.keys import Part
    from tap_posthog.events.exports.store import Ranges

logger = logging.getLogger("tap-posthog")

NULL, EMPTY = msgspec.Raw(b"null"), msgspec.Raw(b'""')
NOTHING = msgspec.Raw(b"{}")
REST = ("properties", "elements_chain", "person_id", "person_properties")

_encode = msgspec.json.Encoder().encode


class FileRow(msgspec.Struct, gc=False):
    """An event, with when it was inserted and its name as text."""

    uuid: str
    timestamp: str
    created_at: str
    inserted_at: str
    name: str
    event: msgspec.Raw
    distinct_id: msgspec.Raw
    properties: msgspec.Raw
    elements_chain: msgspec.Raw = EMPTY
    person_id: msgspec.Raw = NULL
    session_id: msgspec.Raw = EMPTY
    window_id: msgspec.Raw = EMPTY
    person_properties: msgspec.Raw = NULL

    @property
    def identity(self) -> tuple[str, str, bytes, bytes]:
        """What PostHog's table tells rows apart by."""
        event, distinct_id = bytes(self.event), bytes(self.distinct_id)
        return self.timestamp, self.uuid, event, distinct_id


class _Line(msgspec.Struct, gc=False):
    uuid: str
    event: msgspec.Raw
    timestamp: str
    created_at: str = ""
    inserted_at: str = msgspec.field(default="", name="_inserted_at")
    distinct_id: msgspec.Raw = EMPTY
    properties: msgspec.Raw = NOTHING
    elements_chain: msgspec.Raw = EMPTY
    person_id: msgspec.Raw = NULL
    person_properties: msgspec.Raw = NULL


class _Clocks(msgspec.Struct, gc=False):
    timestamp: str
    inserted_at: str = msgspec.field(default="", name="_inserted_at")
    created_at: str = ""


class _Ids(msgspec.Struct, gc=False):
    session: msgspec.Raw = msgspec.field(default=EMPTY, name="$session_id")
    window: msgspec.Raw = msgspec.field(default=EMPTY, name="$window_id")


_lines = msgspec.json.Decoder(_Line).decode_lines
_clocks = msgspec.json.Decoder(_Clocks).decode_lines
_ids = msgspec.json.Decoder(_Ids).decode
_text = msgspec.json.Decoder(str).decode


def rows(store: Ranges, part: Part, columns: Sequence[str]) -> Iterator[list[FileRow]]:
    """Read a file's rows, some at a time, in no order.

    Raises:
        FilesError: it is no export of events, or lacks a column that is needed.
    """
    ids = "session_id" in columns or "window_id" in columns
    if part.format == "parquet":
        wanted = [name for name in REST if name in columns or ids]
        for cells in parquet.cells_of(store, part, (*KEYS, *wanted)):
            yield _of_cells(cells, ids=ids)
    else:
        name = part.stored.key
        for found in _jsonl(store, part, _lines):
            if found and not (found[0].created_at and found[0].inserted_at):
                raise parquet.lacks(
                    name, "created_at" if found[0].inserted_at else CLOCKS[1]
                )
            yield [_of_line(line, ids=ids) for line in found]


def is_by_event_time(store: Ranges, part: Part) -> bool | None:
    """Say whether a backfill in PostHog's UI chose its rows by `timestamp`.

    Then `_inserted_at` is that in every row. None: it has no rows.
    """
    empty = True
    for timestamp, inserted, _ in clocks(store, part):
        empty = False
        if timestamp != inserted:
            return False
    return None if empty else True


def clocks(store: Ranges, part: Part) -> Iterator[tuple[Any, Any, Any]]:
    """Give each row's `timestamp`, `_inserted_at` and `created_at`."""
    if part.format == "parquet":
        for cells in parquet.cells_of(store, part, (*CLOCKS, "created_at")):
            yield from zip(
                cells[CLOCKS[0]], cells[CLOCKS[1]], cells["created_at"], strict=True
            )
    else:
        for lines in _jsonl(store, part, _clocks):
            for line in lines:
                times = line.timestamp, line.inserted_at, line.created_at
                yield tuple(_instant(each) if each else "" for each in times)  # type: ignore[misc]


def _jsonl(store: Ranges, part: Part, decode: Any) -> Iterator[list[Any]]:  # noqa: ANN401
    name = part.stored.key
    file = RangeFile(store, part.stored)
    for block in codecs.lines(file.read, part.codec, name):
        try:
            yield decode(block)
        except (msgspec.ValidationError, msgspec.DecodeError, UnicodeDecodeError):
            msg = (
                f"{name} has lines that are no events of a batch export. files_url "
                "must lead to an export of the model events only"
            )
            raise FilesError(msg) from None


def _of_cells(cells: dict[str, Sequence[Any]], *, ids: bool = False) -> list[FileRow]:
    count = len(cells["uuid"])
    nothing = [None] * count
    given = [cells.get(name, nothing) for name in REST]
    made = []
    for (
        uuid,
        event,
        distinct_id,
        created,
        ts,
        ins,
        props,
        chain,
        person,
        of_person,
    ) in zip(*(cells[name] for name in KEYS), *given, strict=True):
        row = FileRow(
            uuid,
            ts,
            created,
            ins,
            event,
            msgspec.Raw(_encode(event)),
            msgspec.Raw(_encode(distinct_id)),
            NOTHING,
            msgspec.Raw(_encode(chain)) if chain else EMPTY,
            NULL if person is None else msgspec.Raw(_encode(person)),
        )
        if of_person is not None:
            row.person_properties = msgspec.Raw(_encode(of_person))
        if props is not None:
            _take_properties(row, props, ids=ids)
        made.append(row)
    return made


def _of_line(line: _Line, *, ids: bool) -> FileRow:
    properties = line.properties
    if properties == NULL:
        properties = NOTHING
    row = FileRow(
        line.uuid,
        _instant(line.timestamp),
        _instant(line.created_at),
        _instant(line.inserted_at),
        _text(line.event),
        line.event,
        line.distinct_id,
        properties,
        line.elements_chain,
        line.person_id,
        person_properties=line.person_properties,
    )
    if ids:
        _take_ids(row, properties)
    return row


def _take_properties(row: FileRow, text: str, *, ids: bool) -> None:
    """Keep the text as it is where it is a JSON object; the writer repairs the rest."""
    try:
        found = _ids(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        row.properties = msgspec.Raw(_encode(text))
        if ids:
            _take_ids(row, text)
        return
    row.properties = msgspec.Raw(text if text[0] == "{" else text.strip())
    if ids:
        row.session_id, row.window_id = _as_text(found.session), _as_text(found.window)


def _take_ids(row: FileRow, properties: msgspec.Raw | str) -> None:
    """Read the session and window as HogQL shows them: text, empty for none."""
    try:
        found = _ids(properties)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        text = properties if isinstance(properties, str) else bytes(properties).decode()
        try:
            held = raw_json.loads(text)
        except ValueError:
            return
        if not isinstance(held, dict):
            return
        found = _Ids(
            *(
                msgspec.Raw(raw_json.dumps(held[each])) if each in held else EMPTY
                for each in ("$session_id", "$window_id")
            )
        )
    row.session_id, row.window_id = _as_text(found.session), _as_text(found.window)


def _instant(text: str) -> str:
    """Spell an instant our way; that of isoformat in UTC needs no parsing."""
    if text[19:] == "+00:00" and text[10] == "T":
        return f"{text[:19]}.000000Z"
    if text[26:] == "+00:00" and text[10] == "T":
        return f"{text[:26]}Z"
    return normalized(text)


def _as_text(cell: msgspec.Raw) -> msgspec.Raw:
    text = bytes(cell)
    if text[:1] == b'"':
        return cell
    return EMPTY if text == b"null" else msgspec.Raw(_encode(text.decode()))


def identities(store: Ranges, part: Part, halves: Any) -> Iterator[FileRow]:  # noqa: ANN401
    """Give the keys of those rows of a Parquet file whose uuids end so."""
    import pyarrow.compute as pc  # noqa: PLC0415 - an extra

    if not len(halves):
        return
    for cells in parquet.cells_of(store, part, KEYS, decoded=False):
        chosen = pc.is_in(parquet.halves_of(cells["uuid"]), value_set=halves)
        yield from _of_cells(
            parquet.decoded_cells({n: c.filter(chosen) for n, c in cells.items()})
        )
