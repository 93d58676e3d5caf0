"""Records that Python wrote and JSON does not know, and records of great depth."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

import pytest

from target_patterns_webhook.deep_json import LEVELS, end_of, shallow, without_constants
from tests.support.receiver import Receiver
from tests.target.inside import deliver, run_inside
from tests.target.process import state
from tests.target.singer.test_input import batch_message

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.receiver import Request

SCHEMA = (
    b'{"type":"SCHEMA","stream":"s","key_properties":["id"],'
    b'"schema":{"properties":{"id":{},"v":{},"d":{}}}}\n'
)
PATHS: list[Any] = [
    pytest.param({}, id="plain"),
    pytest.param({"validate_records": True}, id="validation"),
    pytest.param({"stream_maps": {"s": {"more": "1"}}}, id="map"),
    pytest.param({"flattening_enabled": True, "flattening_max_depth": 3}, id="flat"),
]


def line(record: bytes) -> bytes:
    """Return a RECORD line."""
    return b'{"type":"RECORD","stream":"s","record":%b}\n' % record


def bodies(given: bytes, **config: object) -> tuple[Any, list[bytes]]:
    """Run a target over ``given``; return how it ended and what it sent."""
    sent: list[bytes] = []

    def judge(request: Request) -> None:
        sent.append(request.body)

    with Receiver(judge=judge, keep=False) as receiver:  # it reads no such depth
        ended = run_inside({"webhook_url": receiver.url, **config}, given)
    return ended, sent


NANS: list[tuple[bytes, object, int]] = [
    (b'{"id":1,"v":NaN}', None, 1),
    (b'{"id":NaN,"v":null}', None, 1),
    (b'{"v":-Infinity,"id":1}', None, 1),
    (b'{"id":1,"v":[Infinity,{"x":NaN}]}', [None, {"x": None}], 2),
    (b'{"id":1,"v":"NaN"}', "NaN", 0),
    (rb'{"id":1,"v":"\"NaN, -Infinity"}', '"NaN, -Infinity', 0),
    (b'{"id":1,"v":{"NaN":"Infinity"}}', {"NaN": "Infinity"}, 0),
]


@pytest.mark.parametrize("kind", ["record", "batch", "batch-gzip"])
@pytest.mark.parametrize("config", PATHS[:3])
@pytest.mark.parametrize("odd", NANS)
def test_nan_and_infinity_are_sent_as_null(
    tmp_path: Path, kind: str, config: dict[str, object], odd: tuple[bytes, object, int]
) -> None:
    """What Python writes and JSON does not know is null, counted, and said once."""
    record, value, count = odd
    records = [record, b'{"id":2,"v":1}', record]
    if kind == "record":
        messages = b"".join(map(line, records))
    else:
        zipped = kind == "batch-gzip"
        file = tmp_path / "file"
        text = b"\n".join(records)
        file.write_bytes(gzip.compress(text) if zipped else text)
        messages = batch_message(file, compression="gzip" if zipped else None)

    ended, arrived = deliver(SCHEMA + messages + state(2), **config)

    assert (ended.code, ended.states) == (0, [{"upto": 2}]), ended.error
    assert [r["v"] for r in arrived] == [value, 1, value]
    assert ended.summary["nulled"] == 2 * count
    assert ended.stderr.count("is no JSON: null is sent in its place") == bool(count)


def test_all_beside_nan_keeps_its_bytes() -> None:
    """Only the constant is replaced: not a blank, a digit or an escape beside it."""
    record = (
        b'{ "id": 1.10,"v" :NaN, "d":[ 1e400 ,-Infinity,"\\ud800 NaN","\\u00fc" ] }'
    )

    _, (body,) = bodies(SCHEMA + line(record))

    assert body == (
        b'[{ "id": 1.10,"v" :null, "d":[ 1e400 ,null,"\\ud800 NaN","\\u00fc" ] }]'
    )


def test_a_state_with_nan_is_written_as_json() -> None:
    """A state comes out as JSON that any program reads."""
    text = b'{"type":"STATE","value":{"a":NaN,"b":1.10}}\n'
    ended, _ = deliver(text)

    assert (ended.code, ended.stdout) == (0, b'{"a":null,"b":1.10}\n')


@pytest.mark.parametrize("word", [b"nan", b"inf", b"+Infinity", b"NaNa", b"infinity"])
def test_what_is_no_constant_of_python_is_refused(word: bytes) -> None:
    """Anything else that is no JSON ends the run, named by its line."""
    ended, _ = deliver(SCHEMA + line(b'{"id":1,"v":%b}' % word))

    assert ended.code == 1
    assert ended.error.startswith("Input line 2: it is not valid JSON (")


def deep(levels: int, inside: bytes = b"1") -> bytes:
    """Return a value so many levels deep, of objects and arrays in turn."""
    opening = b'{"a":[' * (levels // 2)
    return opening + inside + b"]}" * (levels // 2)


@pytest.mark.parametrize("levels", [LEVELS, LEVELS + 2, 330, 990, 1010, 5000, 100_000])
@pytest.mark.parametrize("config", PATHS)
def test_depth_stops_no_run(levels: int, config: dict[str, object]) -> None:
    """A record arrives however deep it is, whatever is done to it on the way."""
    value = deep(levels)
    given = SCHEMA + line(b'{"id":1,"d":%b}' % value) + line(b'{"id":2}') + state(2)

    ended, (body,) = bodies(given, **config)

    assert (ended.code, ended.states) == (0, [{"upto": 2}]), ended.error
    quoted = value.replace(b'"', rb"\"") if "flattening_enabled" in config else value
    assert quoted in body


@pytest.mark.parametrize("config", PATHS)
def test_depth_in_a_batch_file_stops_no_run(
    tmp_path: Path, config: dict[str, object]
) -> None:
    """Nor does it where the record comes in a BATCH file, with what is no JSON."""
    file = tmp_path / "file"
    file.write_bytes(b'{"id":1,"d":%b}\n' % deep(2000, b'NaN,"NaN"'))

    ended, (body,) = bodies(SCHEMA + batch_message(file, compression=None), **config)

    assert ended.code == 0, ended.error
    assert body.count(b"NaN") == 1
    assert body.count(b"null") == 1
    assert ended.summary["nulled"] == 1


def test_a_map_reads_what_lies_above() -> None:
    """A map sees all that is not nested deeply; beside depth, too."""
    record = b'{"id":1,"d":%b,"v":{"w":1.10,"x":NaN}}' % deep(400)
    maps = {"s": {"w": "v['w']", "d": None, "x": "v['x']", "e": "d"}}

    ended, (body,) = bodies(SCHEMA + line(record), stream_maps=maps)

    assert ended.code == 0, ended.error
    assert body == (
        b'[{"id":1,"v":{"w":1.10,"x":null},"w":1.10,"x":null,"e":%b}]' % deep(400)
    )


@pytest.mark.parametrize("format_", ["connector", "activity"])
def test_deep_properties_are_shaped(format_: str) -> None:
    """An event is shaped however deep its properties are."""
    names = ("uuid", "event", "distinct_id", "timestamp", "properties")
    schema: dict[str, Any] = {"properties": {name: {} for name in names}}
    message = {"type": "SCHEMA", "stream": "s", "schema": schema}
    event = b'{"uuid":"u","properties":{"$current_url":"x","d":%b}}' % deep(3000)

    given = json.dumps(message).encode() + b"\n" + line(event)
    ended, (body,) = bodies(given, record_format=format_)

    assert ended.code == 0, ended.error
    assert deep(3000) in body


def test_a_very_long_number_passes_both_paths() -> None:
    """A whole number of any length is delivered with every digit."""
    number = b"7" * 5000
    for config in ({}, {"validate_records": True}):
        _, (body,) = bodies(SCHEMA + line(b'{"id":1,"v":%b}' % number), **config)

        assert number in body


@pytest.mark.parametrize(
    "text",
    ["{}", "[]", '{"a":[]}', "[1,2]", '"x"', "1e5", "NaN", '{"a":{"b":[true,null]}}'],
)
def test_the_end_of_a_value_is_found(text: str) -> None:
    """However deep it lies, and whatever follows."""
    for levels in (0, 10, 3000):
        whole = "[" * levels + text + "]" * levels

        assert end_of(f"  {whole} ,x", 2) == 2 + len(whole)


@pytest.mark.parametrize("text", ['{"a":1 "b"}', "[1 2]", "[1,]", '{"a"}', "[", "tru"])
def test_what_is_no_json_is_refused_at_any_depth(text: str) -> None:
    """Depth is no way around the check."""
    for levels in (0, 40, 3000):
        with pytest.raises(json.JSONDecodeError):
            end_of("[" * levels + text + "]" * levels, 0)


def test_constants_are_counted() -> None:
    """In a text without one nothing is looked at."""
    assert without_constants('["NaN",1]') == ('["NaN",1]', 0)
    assert without_constants('[NaN,"NaN",-Infinity]') == ('[null,"NaN",null]', 2)


def test_what_is_shallow_is_left_alone() -> None:
    """Only what lies deeper than the limit is cut out."""
    text = '{"a":' * LEVELS + "1" + "}" * LEVELS

    assert shallow(text, float) == (text, float)
    assert "NaN" in shallow(f"[{text}]", float)[0]
