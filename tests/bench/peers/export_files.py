"""The same export files turned into the same Singer lines, as one would write it.

`python -m tests.bench.peers.export_files HOW FILE...`. `parquet`: pyarrow's kernels on
whole columns, the least that does this work. `duckdb`: one SELECT. `jsonl`: Python's
gzip module and msgspec, line by line. None of them knows copies, a bookmark, a filter
or a state.
"""

from __future__ import annotations

import gzip
import sys
from typing import Any

import msgspec

HEAD = '{"type":"RECORD","stream":"events","record":{"uuid":"'
ORDER = ("uuid", "event", "distinct_id", "timestamp", "created_at")
CHUNK = 10_000
SPECIAL = r'["\\\x00-\x1f]'
ID = r'"\$%s_id": ?"(?P<id>[^"]*)"'


def parquet(paths: list[str]) -> None:
    """Join columns into lines, a batch at a time."""
    import pyarrow as pa  # noqa: PLC0415 - of this way only
    import pyarrow.compute as pc  # noqa: PLC0415 - as above
    import pyarrow.parquet as pq  # noqa: PLC0415 - as above

    def quoted(column: Any) -> Any:  # noqa: ANN401 - an Arrow array
        text = pc.fill_null(column, "")
        if pc.any(pc.match_substring_regex(text, SPECIAL)).as_py():
            made = [msgspec.json.encode(each).decode() for each in text.to_pylist()]
            return pa.array(made, pa.string())
        return pc.binary_join_element_wise('"', text, '"', "")

    def instant(column: Any) -> Any:  # noqa: ANN401 - as above
        return pc.replace_substring(column.cast(pa.string()), " ", "T")

    def id_of(properties: Any, which: str) -> Any:  # noqa: ANN401 - as above
        found = pc.extract_regex(properties, ID % which)
        return pc.fill_null(pc.struct_field(found, "id"), "")

    names = [*ORDER, "properties", "elements_chain", "person_id"]
    for path in paths:
        file = pq.ParquetFile(path, pre_buffer=False, buffer_size=1 << 20)
        for batch in file.iter_batches(CHUNK, columns=names, use_threads=False):
            of = {name: batch.column(name) for name in names}
            lines = pc.binary_join_element_wise(
                HEAD,
                of["uuid"],
                '","event":',
                quoted(of["event"]),
                ',"distinct_id":',
                quoted(of["distinct_id"]),
                ',"timestamp":"',
                instant(of["timestamp"]),
                '","created_at":"',
                instant(of["created_at"]),
                '","properties":',
                of["properties"],
                ',"elements_chain":',
                quoted(of["elements_chain"]),
                ',"person_id":"',
                of["person_id"],
                '","session_id":"',
                id_of(of["properties"], "session"),
                '","window_id":"',
                id_of(of["properties"], "window"),
                '"},"time_extracted":"2026-11-21T10:00:00.000000+00:00"}\n',
                "",
            )
            first, last = lines.buffers()[1:3]
            offsets = memoryview(first).cast("i")
            sys.stdout.buffer.write(memoryview(last)[: offsets[len(lines)]])


def duckdb(paths: list[str]) -> None:
    """Have one SELECT make the lines."""
    import duckdb  # noqa: PLC0415 - of this way only

    database = duckdb.connect(config={"threads": 1})
    sql = f"""
        select '{HEAD}' || uuid || '","event":' || to_json(event) || ',"distinct_id":'
            || to_json(distinct_id) || ',"timestamp":"'
            || strftime(timestamp at time zone 'UTC', '%Y-%m-%dT%H:%M:%S.%fZ')
            || '","created_at":"'
            || strftime(created_at at time zone 'UTC', '%Y-%m-%dT%H:%M:%S.%fZ')
            || '","properties":' || properties || ',"elements_chain":'
            || to_json(elements_chain) || ',"person_id":"' || person_id
            || '","session_id":"'
            || coalesce(json_extract_string(properties, '$."$session_id"'), '')
            || '","window_id":"'
            || coalesce(json_extract_string(properties, '$."$window_id"'), '')
            || '"}}}}'
        from read_parquet({paths!r})
    """  # noqa: S608 - our own files
    found = database.execute(sql)
    while rows := found.fetchmany(CHUNK):
        sys.stdout.buffer.write("\n".join([row[0] for row in rows]).encode() + b"\n")


class Line(msgspec.Struct):
    """A row of JSONLines, its values as they are."""

    uuid: str
    event: msgspec.Raw
    distinct_id: msgspec.Raw
    timestamp: str
    created_at: str
    properties: msgspec.Raw
    elements_chain: msgspec.Raw
    person_id: msgspec.Raw


class Ids(msgspec.Struct):
    """The two ids that are columns elsewhere."""

    session: msgspec.Raw = msgspec.field(default=msgspec.Raw(b'""'), name="$session_id")
    window: msgspec.Raw = msgspec.field(default=msgspec.Raw(b'""'), name="$window_id")


def jsonl(paths: list[str]) -> None:
    """Unpack with the standard library, and build each line."""
    decode, ids = msgspec.json.Decoder(Line).decode, msgspec.json.Decoder(Ids).decode
    write = sys.stdout.buffer.write
    for path in paths:
        with gzip.open(path) as file:
            for text in file:
                line = decode(text)
                found = ids(line.properties)
                write(
                    b'%b%b","event":%b,"distinct_id":%b,"timestamp":"%bZ",'
                    b'"created_at":"%bZ","properties":%b,"elements_chain":%b,'
                    b'"person_id":%b,"session_id":%b,"window_id":%b}}\n'
                    % (
                        HEAD.encode(),
                        line.uuid.encode(),
                        bytes(line.event),
                        bytes(line.distinct_id),
                        line.timestamp[:26].encode(),
                        line.created_at[:26].encode(),
                        bytes(line.properties),
                        bytes(line.elements_chain),
                        bytes(line.person_id),
                        bytes(found.session),
                        bytes(found.window),
                    )
                )


if __name__ == "__main__":
    {"parquet": parquet, "duckdb": duckdb, "jsonl": jsonl}[sys.argv[1]](sys.argv[2:])
