"""The hot path and the SDK's own: the same records come out of both."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from target_patterns_webhook.cli import map_errors
from target_patterns_webhook.delivery.batching import Batcher
from target_patterns_webhook.delivery.watermark import Watermark
from target_patterns_webhook.http.transport import Transport
from tests.support.receiver import Receiver
from tests.target.inside import run_inside
from tests.target.singer.test_messages import HOSTILE

SCHEMA = {
    "type": "SCHEMA",
    "stream": "s",
    "key_properties": [],
    "schema": {
        "type": "object",
        "properties": {
            "a": {},
            "at": {"type": ["string", "null"], "format": "date-time"},
            "name": {"type": ["string", "null"]},
        },
    },
}
RECORDS = [
    *(r for r in HOSTILE if len(r) < 5000),  # the SDK reads no longer whole number
    b'{"at":"2026-01-01T00:00:00.123456789Z"}',
    b'{"at":"2026-01-01 00:00:00"}',
    b'{"at":"not a time","_sdc_deleted_at":"2026","_sdc_sequence":5}',
    b'{"name":null,"extra":{"a":[{}]}}',
    b'{"a":0.1234567890123456789,"b":1.0}',
]


def through(**config: object) -> list[bytes]:
    """Return the body that arrives for the hostile records."""
    lines = [json.dumps(SCHEMA).encode()]
    lines += [b'{"type":"RECORD","stream":"s","record":%b}' % r for r in RECORDS]
    with Receiver() as receiver:
        ended = run_inside(
            {"webhook_url": receiver.url, **config},
            b"\n".join(lines) + b'\n{"type":"STATE","value":{"a":1.10}}\n',
        )
        assert (ended.code, ended.stdout) == (0, b'{"a":1.10}\n'), ended.stderr
        assert ended.summary["accepted"] == len(RECORDS)
        return [request.body for request in receiver.requests]


def values(body: bytes) -> Any:  # noqa: ANN401 - JSON
    """Return a body's values, with every digit of its numbers."""
    return json.loads(body, parse_float=Decimal, parse_int=Decimal)


def test_the_hot_path_passes_bytes() -> None:
    """With no setting that asks for more, the body is the records' own bytes."""
    assert through() == [b"[" + b",".join(RECORDS) + b"]"]


@pytest.mark.parametrize(
    "config",
    [
        pytest.param({"stream_maps": {"other": {"x": "1"}}}, id="stream-maps"),
        pytest.param({"validate_records": True}, id="validation"),
    ],
)
def test_both_paths_send_the_same_values(config: dict[str, object]) -> None:
    """A setting that sends records through the SDK changes no value of them.

    Numbers keep every digit; times, unknown fields and _sdc_ fields stay as they came.
    """
    (hot,) = through()
    (sdk,) = through(**config)

    assert values(sdk) == values(hot)


def test_stream_maps_flattening_and_metadata_work() -> None:
    """The SDK's own settings do what the SDK says, and dropped records are counted."""
    schema = {
        "properties": {
            "id": {"type": "integer"},
            "o": {"type": "object", "properties": {"x": {}}},
        }
    }
    lines = [{"type": "SCHEMA", "stream": "s", "schema": schema, "key_properties": []}]
    lines += [
        {"type": "RECORD", "stream": "s", "record": {"id": n, "o": {"x": n}}}
        for n in range(3)
    ]
    config = {
        "stream_maps": {"s": {"__filter__": "id > 0", "twice": "id * 2"}},
        "flattening_enabled": True,
        "flattening_max_depth": 1,
        "add_record_metadata": True,
    }
    with Receiver() as receiver:
        ended = run_inside(
            {"webhook_url": receiver.url, **config},
            "\n".join(map(json.dumps, lines)).encode(),
        )
        arrived = [r for request in receiver.requests for r in request.records]

    assert ended.code == 0, ended.stderr
    assert [(r["id"], r["twice"], r["o__x"]) for r in arrived] == [(1, 2, 1), (2, 4, 2)]
    assert all("_sdc_received_at" in r for r in arrived)
    assert (ended.summary["read"], ended.summary["filtered"]) == (3, 1)


def test_validation_names_the_place_not_the_value() -> None:
    """A record that does not fit its schema ends the run without being shown."""
    schema = {"properties": {"a": {"type": "object"}}}
    lines = [
        {"type": "SCHEMA", "stream": "s", "schema": schema, "key_properties": []},
        {"type": "RECORD", "stream": "s", "record": {"a": {}}},
        {"type": "RECORD", "stream": "s", "record": {"a": "canary"}},
    ]
    with Receiver() as receiver:
        config = {"webhook_url": receiver.url, "validate_records": True}
        ended = run_inside(config, "\n".join(map(json.dumps, lines)).encode())

        assert len(receiver.accepted) == 1
    assert ended.code == 1
    assert ended.error.startswith(
        "Input line 3: a record of stream s does not fit its schema: $.a breaks the "
        "rule 'type'."
    )
    assert "canary" not in ended.stderr


@pytest.mark.parametrize(
    ("expression", "number", "problem", "advice"),
    [
        (
            "nope(",
            1,
            "stream_maps cannot be used: Failed to parse expression nope(",
            "Fix stream_maps and run again.",
        ),
        (
            "canary",
            2,
            "stream_maps: s.x = canary failed on a record (no such column)",
            "Write record.get('NAME') for a column that not every record has.",
        ),
        (
            'o["$url"]',
            2,
            'stream_maps: s.x = o["$url"] failed on a record (no such key)',
            'Write o.get("$url"), which is null there.',
        ),
        (
            "_['o']['p'][ 'q' ]",
            2,
            "stream_maps: s.x = _['o']['p'][ 'q' ] failed on a record (no such key)",
            "Write _.get('o', {}).get('p', {}).get('q'), which is null there.",
        ),
        (
            "a + 'x'",
            3,
            "stream_maps: s.x = a + 'x' failed on a record (TypeError)",
            "Fix the expression and run again.",
        ),
        (
            "1 / 0",
            2,
            "stream_maps: s.x = 1 / 0 failed on a record (ZeroDivisionError)",
            "Fix the expression and run again.",
        ),
        (
            "json.loads(a)",
            2,
            "stream_maps: s.x = json.loads(a) failed on a record (JSONDecodeError)",
            "Fix the expression and run again.",
        ),
        (
            "str(o.nothing)",
            2,
            "stream_maps: s.x = str(o.nothing) failed on a record (no such attribute)",
            "Fix the expression and run again.",
        ),
    ],
)
def test_a_bad_stream_map_is_one_line(
    expression: str, number: int, problem: str, advice: str
) -> None:
    """It names the stream, the column, the expression and what to write, no data."""
    records = [{"a": "text", "o": {}}, {"a": 1, "o": {"$url": 1, "p": {"q": 1}}}]
    lines: list[dict[str, Any]] = [SCHEMA]
    lines += [{"type": "RECORD", "stream": "s", "record": r} for r in records]
    with Receiver() as receiver:
        maps = {"s": {"x": expression}}
        config = {"webhook_url": receiver.url, "stream_maps": maps}
        ended = run_inside(config, "\n".join(map(json.dumps, lines)).encode())

    assert ended.code == 1
    assert ended.error == f"Input line {number}: {problem}. {advice}"
    assert "Traceback" not in ended.stderr


def test_what_the_advice_says_to_write_can_be_used() -> None:
    """The expressions with ``.get`` that the error proposes send null."""
    maps = {"x": 'o.get("$url")', "y": "_.get('o', {}).get('p', {}).get('q')"}
    maps["z"] = "record.get('NAME')"
    record = {"type": "RECORD", "stream": "s", "record": {"o": {}}}
    with Receiver() as receiver:
        config = {"webhook_url": receiver.url, "stream_maps": {"s": maps}}
        ended = run_inside(
            config, "\n".join(map(json.dumps, [SCHEMA, record])).encode()
        )

        (request,) = receiver.requests
    assert ended.code == 0, ended.error
    assert request.records == [{"o": {}, "x": None, "y": None, "z": None}]


@pytest.mark.parametrize(
    "maps",
    [{"s": {"__key_properties__": ["nothing"]}}, {"s": {"__alias__": "1 +"}}],
    ids=json.dumps,
)
def test_a_map_that_no_record_can_pass_is_one_line(maps: dict[str, Any]) -> None:
    """A definition of no use is named as that, at the SCHEMA that meets it."""
    with Receiver() as receiver:
        config = {"webhook_url": receiver.url, "stream_maps": maps}
        ended = run_inside(config, json.dumps(SCHEMA).encode())

    assert ended.code == 1
    assert ended.error.startswith("Input line 1: stream_maps cannot be used: ")
    assert ended.error.endswith(". Fix stream_maps and run again.")


def test_an_error_of_our_own_is_not_blamed_on_a_stream_map(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where delivery itself fails, the error comes out as what it is, map or not."""

    def broken(*_: object) -> None:
        msg = "ours"
        raise AttributeError(msg)

    lines = [SCHEMA, {"type": "RECORD", "stream": "s", "record": {"a": 1}}]
    given = "\n".join(map(json.dumps, lines)).encode()
    for module, name in (
        (Batcher, "add"),  # in the thread that reads
        (Watermark, "settle"),  # in a sender's thread
        (Transport, "post"),
    ):
        with Receiver() as receiver, monkeypatch.context() as patched:
            patched.setattr(module, name, broken)
            config = {"webhook_url": receiver.url, "stream_maps": {"s": {"x": "a"}}}
            with pytest.raises(AttributeError, match="ours") as caught:
                run_inside(config, given)

        assert map_errors.explain(caught.value) is None
