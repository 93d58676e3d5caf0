"""What comes in: every valid message is honoured, every wrong line is named."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.receiver import Receiver
from tests.target.inside import deliver, run_inside
from tests.target.process import SCHEMA, record, singer, state

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"{canary\n", 'it is not valid JSON (Expecting ", column 2)'),
        (b"[]\n", "it is no JSON object"),
        (b'{"type":"LETTER","canary":1}\n', "its type is none of SCHEMA, RECORD,"),
        (
            b'{"type":"RECORD","stream":"s","record":[]}\n',
            "its record is no JSON object",
        ),
        (b'{"type":"RECORD","stream":"s"}\n', "a RECORD without a record"),
        (
            b'{"type":"RECORD","stream":"s","record":{"x":"canary"}}\n',
            "a record of stream s without ",
        ),
        (
            b'{"type":"RECORD","stream":"s2","record":{"id":1}}\n',
            "a record of stream s2 before its SCHEMA",
        ),
        (b'{"type":"STATE"}\n', "a STATE without a value"),
        (b'{"type":"SCHEMA","schema":{"properties":{}}}\n', "a SCHEMA names no stream"),
        (
            b'{"type":"SCHEMA","stream":"t","schema":[]}\n',
            "the SCHEMA of stream t has no schema",
        ),
        (
            b'{"type":"SCHEMA","stream":"t","schema":{"properties":{}},"key_properties":1}\n',
            "the key_properties of stream t are no list of names",
        ),
        (
            b'{"type":"BATCH","stream":"s"}\n',
            "a BATCH without an encoding or a manifest",
        ),
        (b'{"type":"RECORD","stream":"s","record":{"id":', "it is not valid JSON"),
    ],
    ids=lambda value: repr(value[:60]),
)
@pytest.mark.parametrize("path", ["hot", "sdk"])
def test_a_wrong_line(line: bytes, problem: str, path: str) -> None:
    """Its number is named, not its content; all before it is delivered, with state."""
    given = SCHEMA + record(1) + state(1) + b"\n" + line + record(2) + state(2)

    ended, arrived = deliver(given, validate_records=path == "sdk")

    assert ended.code == 1
    assert ended.error.startswith(f"Input line 5: {problem}")
    assert "canary" not in ended.stderr
    assert "Traceback" not in ended.stderr
    assert [r["id"] for r in arrived] == [1]
    assert ended.states == [{"upto": 1}]


@pytest.mark.parametrize(
    ("given", "states"),
    [
        pytest.param(b"", [], id="nothing"),
        pytest.param(b"\n\r\n", [], id="blank-lines"),
        pytest.param(SCHEMA, [], id="schema-only"),
        pytest.param(state(7), [{"upto": 7}], id="state-only"),
        pytest.param(b'{"type":"STATE","value":{}}\n', [], id="empty-state"),
        pytest.param(b'{"type":"STATE","value":null}\n', [], id="null-state"),
    ],
)
def test_no_records(given: bytes, states: list[Any]) -> None:
    """An input without records sends nothing and succeeds; its state goes through."""
    with Receiver() as receiver:
        ended = run_inside({"webhook_url": receiver.url}, given)

        assert receiver.connections == 0
    assert (ended.code, ended.states, ended.error) == (0, states, "")
    assert ended.summary["requests"] == 0


def test_crlf_blank_lines_and_a_byte_order_mark() -> None:
    """A file that went through an editor on Windows is read like any other."""
    given = b"\xef\xbb\xbf" + singer(range(5)).replace(b"\n", b"\r\n\r\n")

    ended, arrived = deliver(given)

    assert ended.code == 0
    assert [r["id"] for r in arrived] == list(range(5))
    assert ended.states[-1] == {"upto": 4}


def test_a_record_of_30_megabytes() -> None:
    """A record far above max_batch_bytes goes alone, whole."""
    given = SCHEMA + record(1) + record(2, "x" * 30_000_000) + record(3) + state(3)

    ended, arrived = deliver(given, max_parallel_requests=1)

    assert ended.code == 0
    assert [(r["id"], len(r["pad"])) for r in arrived] == [
        (1, 0),
        (2, 30_000_000),
        (3, 0),
    ]


def test_schema_changes_in_mid_stream() -> None:
    """With 200 schemas in turn no record is lost and their order is kept."""
    given = b"".join(
        SCHEMA.replace(b'"pad"', b'"pad%d"' % (n % 2)) + record(n) for n in range(200)
    )
    for validate in (False, True):
        ended, arrived = deliver(
            given + state(199), max_parallel_requests=1, validate_records=validate
        )

        assert ended.code == 0
        assert [r["id"] for r in arrived] == list(range(200))
        assert ended.states[-1] == {"upto": 199}


def test_activate_version_is_ignored() -> None:
    """A webhook has no table versions, so the message changes nothing."""
    message = b'{"type":"ACTIVATE_VERSION","stream":"s","version":1}\n'

    ended, arrived = deliver(SCHEMA + message + record(1) + message)

    assert ended.code == 0
    assert [r["id"] for r in arrived] == [1]
    assert ended.stderr.count("ACTIVATE_VERSION is ignored") == 1


def batch_message(*files: Path, compression: str | None) -> bytes:
    """Return a BATCH message for files of JSON lines."""
    message = {
        "type": "BATCH",
        "stream": "s",
        "encoding": {"format": "jsonl", "compression": compression},
        "manifest": [file.as_uri() for file in files],
    }
    return json.dumps(message).encode() + b"\n"


@pytest.mark.parametrize("path", ["hot", "sdk"])
@pytest.mark.parametrize("compression", [None, "gzip"])
def test_batch_messages(tmp_path: Path, compression: str | None, path: str) -> None:
    """The records of BATCH files are delivered like those of RECORD messages."""
    files = [tmp_path / "one.jsonl", tmp_path / "two.jsonl"]
    for number, file in enumerate(files):
        lines = "".join(f'{{"id": {number * 1000 + n}}}\n' for n in range(1000))
        text = lines.encode()
        file.write_bytes(gzip.compress(text) if compression else text)
    given = SCHEMA + batch_message(*files, compression=compression) + state(2000)

    ended, arrived = deliver(
        given, max_parallel_requests=1, validate_records=path == "sdk"
    )

    assert ended.code == 0
    assert [r["id"] for r in arrived] == list(range(2000))
    assert ended.states[-1] == {"upto": 2000}


def test_a_wrong_batch_file(tmp_path: Path) -> None:
    """A file that is not there or not JSON is named by its number, not its path."""
    broken = tmp_path / "canary.jsonl"
    broken.write_text('{"id": 1}\n{"canary"\n')
    missing = tmp_path / "canary-missing.jsonl"
    for files, problem in (
        ([broken], "line 2 of batch file 1 of 1: it is not valid JSON"),
        ([missing], "batch file 1 of 1 cannot be read (FileNotFoundError)"),
    ):
        given = SCHEMA + batch_message(*files, compression=None)

        ended, arrived = deliver(given)

        assert ended.code == 1
        assert ended.error.startswith(f"Input line 2: {problem}")
        assert "canary" not in ended.error
        assert len(arrived) == (files == [broken])


def test_other_streams_beside_events() -> None:
    """Streams are batched apart, and only events are shaped and filtered."""
    columns = '"uuid":{},"event":{},"distinct_id":{},"timestamp":{},"properties":{}'
    events = f'{{"type":"SCHEMA","stream":"e","schema":{{"properties":{{{columns}}}}}}}'
    event = (
        '{"type":"RECORD","stream":"e","record":{"uuid":"u%s","event":"%s",'
        '"distinct_id":"d","timestamp":"t","properties":{}}}'
    )
    lines = [events, event % (1, "a"), event % (2, "b")]
    given = "\n".join(lines).encode() + b"\n" + SCHEMA + record(3)

    ended, arrived = deliver(given, allowed_event_types="a", record_format="activity")

    assert ended.code == 0
    assert ended.summary["filtered"] == 1
    found = {r.get("activity_id", r.get("id")) for r in arrived}
    assert found == {"u1", 3}
