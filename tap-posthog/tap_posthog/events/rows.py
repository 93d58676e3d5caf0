"""A row as PostHog sends it, and the RECORD line it becomes. Pure; no I/O.

What only passes through is never parsed: a row's columns stay the JSON that came, and
`properties`, which comes as JSON text inside JSON, becomes part of the line as it is.
Only the two instants are respelt, since servers differ (`Z`, `+00:00`, no fraction).
"""

from __future__ import annotations

import types
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import msgspec

from tap_posthog import raw_json, timestamps

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tap_posthog.events.batch import Row

TIMESTAMP_COLUMNS = ("timestamp", "created_at")
TEXT_COLUMNS = ("uuid", *TIMESTAMP_COLUMNS)
JSON_COLUMNS = ("properties", "person_properties")  # JSON text inside JSON
TIMESTAMP_LENGTH = len("2026-11-21T10:00:00.000000Z")


class RowReader:
    """Reads the answers to one list of columns, which begins with `TEXT_COLUMNS`."""

    def __init__(self, columns: Sequence[str]) -> None:
        """Take the names in the order in which the query selects them."""
        self.columns = tuple(columns)
        fields: list[tuple[str, Any]] = [
            (name, str if name in TEXT_COLUMNS else msgspec.Raw) for name in columns
        ]
        self._type: Any = msgspec.defstruct("Row", fields, array_like=True, gc=False)
        rows: Any = types.GenericAlias(list, self._type)
        response = msgspec.defstruct(
            "Answer", [("results", rows), ("error", Any, None)]
        )
        self._decode: Callable[[bytes], Any] = msgspec.json.Decoder(response).decode

    def read(self, body: bytes) -> tuple[list[Any], Any]:
        """Return an answer's rows, and its `error` where it has one.

        Raises:
            ValueError: the body is not such an answer.
        """
        try:
            response = self._decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return self._read_slowly(body)
        rows = response.results
        for row in rows:
            row.timestamp = normalized(row.timestamp)
            row.created_at = normalized(row.created_at)
        return rows, response.error

    def _read_slowly(self, body: bytes) -> tuple[list[Any], Any]:
        """Read what the fast decoder refuses: lone surrogates, NaN, broken UTF-8."""
        response = raw_json.loads(body.decode("utf-8", "replace"))
        if not isinstance(response, dict):
            msg = "the answer is no object"
            raise ValueError(msg)  # noqa: TRY004 - whatever it is, it is no answer
        if response.get("error"):
            return [], response["error"]
        if not isinstance(response.get("results"), list):
            msg = "the answer has no results"
            raise ValueError(msg)  # noqa: TRY004 - as above
        return [self._row(values) for values in response["results"]], None

    def _row(self, values: object) -> Any:  # noqa: ANN401 - a Row
        if not isinstance(values, list) or len(values) < len(self.columns):
            msg = "a row has fewer columns than were asked for"
            raise ValueError(msg)
        cells = dict(zip(self.columns, values, strict=False))
        if not all(isinstance(cells[name], str) for name in TEXT_COLUMNS):
            msg = "a row has no key"
            raise ValueError(msg)
        for name in TIMESTAMP_COLUMNS:
            cells[name] = normalized(cells[name])
        for name in self.columns[len(TEXT_COLUMNS) :]:
            cells[name] = msgspec.Raw(raw_json.dumps(cells[name]))
        return self._type(**cells)


class EventRecords:
    """Turns rows into records, without decoding them."""

    def __init__(self, columns: Sequence[str], record: Callable[..., Any]) -> None:
        """Take the columns of a record, in the order of the schema, and its type."""
        self._record = record
        self._cells = _getter(columns)
        self._json_columns = [
            n for n, name in enumerate(columns) if name in JSON_COLUMNS
        ]

    def of(self, rows: Sequence[Row]) -> list[Any]:
        """Return the record of each row."""
        cells, record, json_columns = self._cells, self._record, self._json_columns
        records = []
        for row in rows:
            values = [*cells(row)]
            for n in json_columns:
                values[n] = raw_json.as_object(values[n])
            records.append(record(*values))
        return records


def normalized(text: str) -> str:
    """Spell an instant in UTC with `Z` and six digits, whatever spelling came.

    Raises:
        ValueError: the text is no instant.
    """
    if len(text) == TIMESTAMP_LENGTH and text[-1] == "Z" and text[10] == "T":
        return text
    return timestamps.spell(timestamps.read(text))


def _getter(columns: Sequence[str]) -> Callable[[Row], Sequence[Any]]:
    if len(columns) > 1:
        return attrgetter(*columns)
    return lambda row: tuple(getattr(row, name) for name in columns)
