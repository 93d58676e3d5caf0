"""Writes a window of events as a batch export of PostHog's does, defects included.

Rows and columns in no stable order, a gzip member for each row, numbered parts with a
manifest, JSONLines whose properties were parsed and made anew, nothing at all for an
empty window.
"""

from __future__ import annotations

import gzip
import io
import json
import random
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import brotli
import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

COLUMNS = (
    "uuid",
    "timestamp",
    "_inserted_at",
    "created_at",
    "event",
    "properties",
    "distinct_id",
    "elements_chain",
    "person_id",
    "person_properties",
)
INSTANTS = ("timestamp", "_inserted_at", "created_at")
JSON = ("properties", "person_properties")
CODECS: dict[str, Callable[[bytes], bytes]] = {"gz": gzip.compress, "": bytes}


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How an export is configured."""

    format: str = "parquet"
    codec: str = ""  # of JSONLines in the key; of Parquet inside the file
    legacy_names: bool = False  # `.parquet.zst`, as exports before September 2026
    rows_a_part: int | None = None  # None: one file, with no number and no manifest
    columns: Sequence[str] = COLUMNS
    prefix: str = "posthog/"

    def write(
        self,
        folder: Path,
        start: datetime,
        end: datetime,
        rows: Iterable[dict[str, Any]],
        *,
        manifest: bool = True,
    ) -> list[str]:
        """Write one window; return the keys. Rows hold datetimes and JSON text."""
        given = [*rows]
        random.Random(str(start)).shuffle(given)  # noqa: S311 - the order only
        span = f"{start.isoformat()}-{end.isoformat()}"
        if not given:
            return []
        extension = self.format
        if self.format == "jsonl" or self.legacy_names:
            extension += f".{self.codec}" if self.codec else ""
        base = f"{self.prefix}{span}"
        if self.rows_a_part is None:
            return [self._put(folder, f"{base}.{extension}", given)]
        size = self.rows_a_part
        parts = [given[at : at + size] for at in range(0, len(given), size)]
        keys = [
            self._put(folder, f"{base}-{n}.{extension}", part)
            for n, part in enumerate([*parts, []])
        ]
        if manifest:
            path = folder / f"{base}_manifest.json"
            path.write_text(json.dumps({"files": keys}))
        return keys

    def _put(self, folder: Path, key: str, rows: list[dict[str, Any]]) -> str:
        path = folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        names = [*self.columns]
        random.Random(key).shuffle(names)  # noqa: S311 - as a set's order is
        made = self._parquet if self.format == "parquet" else self._jsonl
        path.write_bytes(made(rows, names))
        return key

    def _parquet(self, rows: list[dict[str, Any]], names: list[str]) -> bytes:
        at = pa.timestamp("us", "UTC")
        schema = pa.schema(
            [(name, at if name in INSTANTS else pa.string()) for name in names]
        )
        sink = io.BytesIO()
        codec = {"zst": "zstd", "gz": "gzip", "br": "brotli", "": "none"}
        compression = codec.get(self.codec, self.codec)
        with pq.ParquetWriter(sink, schema, compression=compression) as writer:
            for first in range(0, len(rows), 100):
                part = rows[first : first + 100]
                cells = [
                    pa.array([row.get(field.name) for row in part], field.type)
                    for field in schema
                ]
                writer.write_batch(pa.record_batch(cells, schema=schema))
        return sink.getvalue()

    def _jsonl(self, rows: list[dict[str, Any]], names: list[str]) -> bytes:
        lines = [_line(row, names) for row in rows]
        if self.codec == "br":
            packer = brotli.Compressor(quality=5)
            packed = [packer.process(line) + packer.flush() for line in lines]
            return b"".join([*packed, packer.finish()])
        return b"".join(CODECS[self.codec](line) for line in lines)


def _line(row: dict[str, Any], names: list[str]) -> bytes:
    cells = {}
    for name in names:
        cell = row.get(name)
        if isinstance(cell, datetime):
            cell = cell.isoformat()
        elif name in JSON and cell is not None:
            cell = json.loads(cell, parse_int=_integer)
        cells[name] = cell
    text = json.dumps(cells, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "replace") + b"\n"


def _integer(text: str) -> int | float:
    """Read as PostHog's worker does, to which more than 64 bits are a float."""
    number = int(text)
    return number if -(1 << 63) <= number < 1 << 64 else float(text)
