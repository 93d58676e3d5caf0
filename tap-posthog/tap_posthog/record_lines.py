"""RECORD lines out of values that are JSON already. Pure; no I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence


class RecordLines:
    """Writes the records of one stream as lines, without decoding what is in them."""

    def __init__(self, stream: str, columns: Sequence[str]) -> None:
        """Take the columns of a record, in order."""
        self._stream = stream
        # By position, since a column's name may be none that Python has.
        fields = [(f"f{n}", Any) for n in range(len(columns))]
        names = {f"f{n}": name for n, name in enumerate(columns)}
        self.record: Any = msgspec.defstruct("Record", fields, rename=names, gc=False)
        self._line = msgspec.defstruct(
            "Line",
            [("stream", str), ("record", Any), ("time_extracted", str)],
            tag_field="type",
            tag="RECORD",
            gc=False,
        )
        self._encode = msgspec.json.Encoder().encode_lines

    def lines(self, records: Sequence[Any], time_extracted: str) -> bytes:
        """Return a RECORD line for each record, each with its line feed."""
        line, stream = self._line, self._stream
        return self._encode([line(stream, each, time_extracted) for each in records])

    def plain(self, records: Sequence[Any]) -> bytes:
        """Return each record alone, each with its line feed."""
        return self._encode(records)
