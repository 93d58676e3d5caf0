"""Two ways out, one output: lines made from bytes, and the SDK's own records."""

from __future__ import annotations

import gzip
import json
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tap_posthog.tap import TapPostHog
from tests.tap.running import Outcome, config, run_here
from tests.tap.test_raw_json import HOSTILE, MENDED

if TYPE_CHECKING:
    from tests.support.sandbox import Sandbox

COLUMNS = "uuid, event, distinct_id, timestamp, created_at, properties, elements_chain"
NAMES = ["$pageview", "it's", 'quo"ted', "new\nline", "{brace}", "é😀", ""]
# Changes nothing, but has the SDK map each record, so that its own path is taken.
SAME = {"stream_maps": {"events": {"__filter__": "True"}}}


@pytest.fixture
def corpus(sandbox: Sandbox) -> Sandbox:
    """Fill PostHog with what ought to be hard to carry."""
    texts = [*HOSTILE, *(text for text, _ in MENDED)]
    rows = ", ".join(
        f"(toUUID('00000000-0000-4000-8000-{n:012d}'), {_sql(NAMES[n % len(NAMES)])},"
        f" {_sql(f'user {n}')}, '2026-01-{n + 1:02d} 00:00:00.{n:06d}',"
        f" '2026-01-{n + 1:02d} 00:00:01', {_sql(text)}, {_sql(f'a:{n};')})"
        for n, text in enumerate(texts)
    )
    sandbox.sql(f"insert into events ({COLUMNS}) values {rows}")  # noqa: S608 - ours
    return sandbox


def test_both_paths_write_the_same_messages(corpus: Sandbox) -> None:
    """Message by message, over a hostile corpus, with no number rounded on either."""
    fast = run_here(config(corpus, page_size=7))
    slow = run_here(config(corpus, page_size=7, **SAME))

    assert len(fast.records) == len(HOSTILE) + len(MENDED)
    assert _exact(fast) == _exact(slow)


def test_properties_arrive_as_they_are_stored(corpus: Sandbox) -> None:
    """A record holds the stored text itself, byte for byte."""
    lines = run_here(config(corpus)).out.split(b"\n")

    records = [line for line in lines if line.startswith(b'{"type":"RECORD"')]
    for text, line in zip(HOSTILE, records, strict=False):
        assert f'"properties":{text},'.encode() in line


def test_names_with_quotes_and_braces_can_be_asked_for(corpus: Sandbox) -> None:
    """Event names reach PostHog as they are, whatever they hold."""
    for name in NAMES[:-1]:
        found = run_here(config(corpus, include_events=[name])).records
        others = run_here(config(corpus, exclude_events=[name])).records

        assert {record["event"] for record in found} == {name}
        assert name not in {record["event"] for record in others}
        assert len(found) + len(others) == len(HOSTILE) + len(MENDED)


def test_columns_left_out_of_the_catalog_are_not_asked_for(corpus: Sandbox) -> None:
    """Neither sent nor read: they save the customer's read budget."""
    catalog = _catalog(config(corpus), "properties", "elements_chain")
    corpus.forget_requests()

    records = run_here(config(corpus), catalog=catalog).records

    assert {tuple(record) for record in records} == {
        (
            "uuid", "event", "distinct_id", "timestamp", "created_at", "person_id",
            "session_id", "window_id",
        )
    }  # fmt: skip
    asked = [each["hogql"] or "" for each in corpus.requests()]
    assert asked
    assert not any("properties" in sql or "elements" in sql for sql in asked)


def test_a_catalog_without_the_keys_works(corpus: Sandbox) -> None:
    """The keys are still asked for, since the bookmark needs them, but not sent."""
    catalog = _catalog(config(corpus))
    entry = catalog["streams"][0]
    keys = ("uuid", "timestamp", "created_at")
    for key in keys:
        del entry["schema"]["properties"][key]
    entry["key_properties"] = []
    entry["metadata"] = [
        each for each in entry["metadata"] if each["breadcrumb"][-1:] not in
        [[key] for key in keys]
    ]  # fmt: skip

    outcome = run_here(config(corpus), catalog=catalog)

    assert len(outcome.records) == len(HOSTILE) + len(MENDED)
    assert not any(key in record for record in outcome.records for key in keys)
    assert outcome.states[-1]["bookmarks"]["events"]["uuid"]


def test_a_deselected_stream_sends_nothing(corpus: Sandbox) -> None:
    """Not even a question goes to PostHog."""
    catalog = _catalog(config(corpus))
    for each in catalog["streams"][0]["metadata"]:
        if each["breadcrumb"] == []:
            each["metadata"]["selected"] = False
    corpus.forget_requests()

    outcome = run_here(config(corpus), catalog=catalog)

    assert outcome.messages == []
    assert corpus.requests() == []


def test_stream_maps_and_flattening_work(corpus: Sandbox) -> None:
    """What the SDK offers keeps working, on its own path."""
    maps = {"events": {"name": "event.upper()", "__else__": None, "uuid": "uuid"}}

    mapped = run_here(config(corpus, stream_maps=maps)).records
    flat = run_here(
        config(corpus, flattening_enabled=True, flattening_max_depth=1)
    ).records

    assert mapped[0] == {"uuid": mapped[0]["uuid"], "name": "$PAGEVIEW"}
    assert flat[0]["properties__a"] == 1


def test_batch_messages_hold_the_same_records(corpus: Sandbox, tmp_path: Path) -> None:
    """With the SDK's batches records go to files, and states come behind them."""
    storage = {"root": tmp_path.as_uri(), "prefix": "batch-"}
    batches = {
        "encoding": {"format": "jsonl", "compression": "gzip"},
        "storage": storage,
        "batch_size": 10,
    }

    outcome = run_here(config(corpus, batch_config=batches))

    files = [
        gzip.decompress(Path(url.removeprefix("file://")).read_bytes())
        for message in outcome.messages
        if message["type"] == "BATCH"
        for url in message["manifest"]
    ]
    lines = b"".join(files).splitlines()
    sent = [json.loads(line, parse_float=Decimal, parse_int=Decimal) for line in lines]
    plain = _exact(run_here(config(corpus)))
    assert sent == [each["record"] for each in plain if each["type"] == "RECORD"]
    assert outcome.states[-1]["bookmarks"]["events"]["uuid"] == sent[-1]["uuid"]


def test_person_properties_come_when_asked_for(corpus: Sandbox) -> None:
    """They are those of the person as stored on the event."""
    corpus.sql(
        "insert into events (uuid, event, distinct_id, timestamp, created_at, "
        "properties, person_properties) values (generateUUIDv4(), 'p', 'u', "
        "'2026-02-01 00:00:00', '2026-02-01 00:00:00', '{}', '{\"n\":1.10}')"
    )

    with_them = run_here(config(corpus, include_person_properties=True))

    assert b'"person_properties":{"n":1.10}' in with_them.out
    assert "person_properties" not in run_here(config(corpus)).records[-1]


def _catalog(config: dict[str, Any], *deselected: str) -> dict[str, Any]:
    catalog: dict[str, Any] = json.loads(TapPostHog(config=config).catalog_json_text)
    for each in catalog["streams"][0]["metadata"]:
        if each["breadcrumb"][-1:] in [[name] for name in deselected]:
            each["metadata"]["selected"] = False
    return catalog


def _exact(outcome: Outcome) -> list[Any]:
    """Read the messages, but for when they were made and the state of the clock."""
    messages = [
        json.loads(line, parse_float=Decimal, parse_int=Decimal)
        for line in outcome.out.splitlines()
    ]
    for message in messages:
        message.pop("time_extracted", None)
        if message["type"] == "STATE":
            bookmark = message["value"]["bookmarks"]["events"]
            bookmark.pop("ingested_before", None)
            bookmark.pop("ledger", None)
    return messages


def _sql(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
