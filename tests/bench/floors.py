"""The least work there is: loops with no error handling, no state, no guarantee.

They own a bound, not a program: what the machine gives when everything that makes a
connector dependable is left out. `python -m tests.bench.floors NAME ...`:
`read URL decode|text` reads pages over HTTP and writes records;
`pages FILE decode|text` does it from a file with a page a line; `keep URL` writes that;
`post URL` reads Singer lines and posts 500 at a time; `lines` does it without posting.
"""

from __future__ import annotations

import http.client
import itertools
import sys
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

from tests.bench.query import API_KEY, COLUMNS, PAGE_SIZE, PATH, page

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

ROWS = 500
PROPERTIES = COLUMNS.index("properties")
TIMESTAMP = COLUMNS.index("timestamp")
HEADERS = {"Authorization": f"Bearer {API_KEY}", "Content-Type": "application/json"}


class Page(msgspec.Struct):
    """A page whose cells become Python's values."""

    results: list[list[Any]]


class Line(msgspec.Struct):
    """A Singer line whose record stays as it came."""

    type: str
    record: msgspec.Raw = msgspec.Raw()


PAGES = msgspec.json.Decoder(Page)
LINES = msgspec.json.Decoder(Line)
ENCODER = msgspec.json.Encoder()


def over_http(url: str) -> Iterator[tuple[bytes, list[list[Any]]]]:
    """Read page after page by the last timestamp, until one is empty."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc)
    headers = {**HEADERS, "Accept-Encoding": "gzip"}
    after: str | None = None
    while True:
        connection.request(
            "POST", PATH, ENCODER.encode(page(after, PAGE_SIZE)), headers
        )
        answer = connection.getresponse()
        body = answer.read()
        if answer.headers["Content-Encoding"] == "gzip":
            body = zlib.decompress(body, 31)
        if not (rows := PAGES.decode(body).results):
            return
        after = rows[-1][TIMESTAMP]
        yield body, rows


def decoded(row: list[Any]) -> list[Any]:
    """Decode `properties`."""
    row[PROPERTIES] = msgspec.json.decode(row[PROPERTIES])
    return row


def as_text(row: list[Any]) -> list[Any]:
    """Leave `properties` the text that they are."""
    row[PROPERTIES] = msgspec.Raw(row[PROPERTIES].encode())
    return row


def emit(
    pages: Iterable[list[list[Any]]], cells: Callable[[list[Any]], list[Any]]
) -> None:
    """Write each row as a RECORD line."""
    out = sys.stdout.buffer
    for rows in pages:
        records = (
            {
                "type": "RECORD",
                "stream": "events",
                "record": dict(zip(COLUMNS, cells(row), strict=True)),
            }
            for row in rows
        )
        out.write(ENCODER.encode_lines(records))


def batches() -> Iterator[bytes]:
    """Join the records of stdin into JSON arrays, as bytes."""
    records = (
        bytes(line.record)
        for line in map(LINES.decode, sys.stdin.buffer)
        if line.type == "RECORD"
    )
    while batch := list(itertools.islice(records, ROWS)):
        yield b"[" + b",".join(batch) + b"]"


def post(url: str) -> None:
    """Post batch after batch over one connection."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc)
    for body in batches():
        connection.request("POST", "/", body)
        connection.getresponse().read()


def main(name: str, *arguments: str) -> None:
    """Run one loop."""
    cells = {"decode": decoded, "text": as_text}
    match name, *arguments:
        case "read", url, how:
            emit((rows for _, rows in over_http(url)), cells[how])
        case "pages", file, how:
            with Path(file).open("rb") as pages:
                emit((PAGES.decode(body).results for body in pages), cells[how])
        case "keep", url:
            sys.stdout.buffer.writelines(body + b"\n" for body, _ in over_http(url))
        case "post", url:
            post(url)
        case _:
            sum(map(len, batches()))


if __name__ == "__main__":
    main(*sys.argv[1:])
