"""One window of an export, as a file: `parquet|jsonl FOLDER HOUR ROWS`; says where.

Events are those of the other benches, 1.35 KB each.
"""

from __future__ import annotations

import gzip
import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.bench.events import NAMES, PROPERTIES

if TYPE_CHECKING:
    from collections.abc import Iterator

START = datetime(2026, 11, 20, tzinfo=UTC)
HOUR = timedelta(hours=1)
GROUP = 50_000  # rows


def key(hour: int, extension: str) -> str:
    """Return the key of a window of an hour, which has one file."""
    start = START + hour * HOUR
    return f"{start.isoformat()}-{(start + HOUR).isoformat()}.{extension}"


def made(hour: int, count: int) -> Iterator[tuple[Any, ...]]:
    """Make rows of one hour, before its last two minutes."""
    before, *between = PROPERTIES.split("{n}")
    for n in range(count):
        at = START + hour * HOUR + n * timedelta(minutes=58) / count
        number = f"{100_000_000 + n:09d}"
        text = before + "".join(number + part for part in between)
        text = text.replace('{"$os"', f'{{"$session_id":"s{n // 20}","$os"', 1)
        uuid = f"{hour:08x}-0000-7000-8000-{n:012x}"
        yield uuid, NAMES[n % len(NAMES)], f"user_{n % 5000}", at, text


def write_parquet(folder: Path, hour: int, count: int) -> Path:
    """Write a window's file, in row groups of 50,000."""
    folder.mkdir(exist_ok=True)
    path = folder / key(hour, "parquet")
    at, text = pa.timestamp("us", "UTC"), pa.string()
    kinds = {
        "uuid": text,
        "event": text,
        "distinct_id": text,
        "timestamp": at,
        "created_at": at,
        "_inserted_at": at,
        "properties": text,
        "elements_chain": text,
        "person_id": text,
    }
    schema = pa.schema(list(kinds.items()))
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        rows: list[tuple[Any, ...]] = []
        for row in made(hour, count):
            rows.append(row)
            if len(rows) == GROUP:
                writer.write_table(_table(rows, schema))
                rows = []
        if rows:
            writer.write_table(_table(rows, schema))
    return path


def _table(rows: list[tuple[Any, ...]], schema: pa.Schema) -> pa.Table:
    uuids, names, whose, at, texts = zip(*rows, strict=True)
    later = [each + timedelta(seconds=1) for each in at]
    nothing = [""] * len(rows)
    columns = [uuids, names, whose, at, at, later, texts, nothing, uuids]
    arrays = [pa.array(c, f.type) for c, f in zip(columns, schema, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema)


def write_jsonl(folder: Path, count: int) -> Path:
    """Write a window's file as PostHog does: a gzip member for each row."""
    folder.mkdir(exist_ok=True)
    path = folder / key(0, "jsonl.gz")
    with path.open("wb") as file:
        for uuid, name, who, at, text in made(0, count):
            row = {
                "uuid": uuid,
                "event": name,
                "distinct_id": who,
                "timestamp": at.isoformat(timespec="microseconds"),
                "created_at": at.isoformat(timespec="microseconds"),
                "_inserted_at": (at + timedelta(seconds=1)).isoformat(),
                "properties": json.loads(text),
                "elements_chain": "",
                "person_id": uuid,
            }
            line = json.dumps(row, separators=(",", ":")).encode() + b"\n"
            file.write(gzip.compress(line))
    return path


if __name__ == "__main__":
    form, folder, hour, count = sys.argv[1:]
    if form == "parquet":
        print(write_parquet(Path(folder), int(hour), int(count)))  # noqa: T201 - asked for
    else:
        print(write_jsonl(Path(folder), int(count)))  # noqa: T201 - as above
