"""Records to batches under the limits, to the byte."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from target_patterns_webhook.delivery.batching import (
    Batch,
    Batcher,
    Occurrences,
    Payload,
    batch_id,
    fitting,
    halves,
)
from target_patterns_webhook.delivery.chunk import Chunk

if TYPE_CHECKING:
    from random import Random

FORMATS = ["array", "ndjson", "envelope"]
RECORDS = st.integers(2, 400).map(lambda size: b'{"a":"' + b"x" * (size - 2) + b'"}')
STREAMS = st.sampled_from(["events", 'qu"ote', "naïve", "\ud800"])


def batches(
    payload: Payload,
    given: list[tuple[str, bytes]],
    *,
    rows: int = 500,
    size: int = 1_000_000,
) -> list[Batch]:
    """Run records through a batcher, sealing what is open in the end."""
    batcher = Batcher(payload, rows=rows, size=size, age=10)
    sealed = [b for name, each in given for b in batcher.add(name, [each], now=0)]
    return sealed + batcher.seal_all()


@settings(max_examples=300, deadline=None)
@given(
    given_=st.lists(st.tuples(STREAMS, RECORDS), max_size=60),
    rows=st.integers(1, 20),
    size=st.integers(1, 1500),
    form=st.sampled_from(FORMATS),
)
def test_no_body_is_above_its_limits(
    given_: list[tuple[str, bytes]], rows: int, size: int, form: str
) -> None:
    """Bodies have at most so many rows and bytes, unless they are one large record.

    A batch knows its size exactly; each stream's records come out whole, in order.
    """
    payload = Payload(form)
    sealed = batches(payload, given_, rows=rows, size=size)

    for batch in sealed:
        _, body = payload.encode(batch.stream, batch.records)
        assert batch.size == len(body)
        assert len(batch.records) <= rows
        assert len(body) <= size or len(batch.records) == 1
    for stream in {stream for stream, _ in given_}:
        out = [r for batch in sealed if batch.stream == stream for r in batch.records]
        assert out == [record for name, record in given_ if name == stream]


@given(
    records=st.lists(RECORDS, max_size=60),
    at_once=st.integers(1, 60),
    rows=st.integers(1, 20),
    size=st.integers(1, 1500),
)
def test_many_records_at_once_are_cut_as_one_by_one(
    records: list[bytes], at_once: int, rows: int, size: int
) -> None:
    """How records come in does not show in the batches."""
    batcher = Batcher(Payload("array"), rows=rows, size=size, age=10)
    sealed = []
    for at in range(0, len(records), at_once):
        sealed += batcher.add("s", records[at : at + at_once], now=0)
    sealed += batcher.seal_all()
    given = [("s", record) for record in records]

    assert sealed == batches(Payload("array"), given, rows=rows, size=size)


def test_a_batch_is_filled_to_the_last_byte() -> None:
    """Three records that make a body of just the limit go together."""
    record = b'{"a":1}'
    exact = len(b'[{"a":1},{"a":1},{"a":1}]')

    whole = batches(Payload("array"), [("s", record)] * 3, size=exact)
    less = batches(Payload("array"), [("s", record)] * 3, size=exact - 1)
    assert [len(batch.records) for batch in whole] == [3]
    assert [len(batch.records) for batch in less] == [2, 1]


def test_a_record_above_the_limit_goes_alone_and_at_once() -> None:
    """It takes nothing with it and does not wait for its batch to fill."""
    batcher = Batcher(Payload("array"), rows=10, size=50, age=10)
    assert not batcher.add("s", [b'{"id":1}'], now=0)
    sealed = batcher.add("s", [b'{"id":"' + b"x" * 100 + b'"}'], now=0)

    assert [len(batch.records) for batch in sealed] == [1, 1]
    assert batcher.due() is None


def test_age_counts_from_the_first_record_of_a_batch() -> None:
    """A batch is due when its oldest record is, whatever came after."""
    batcher = Batcher(Payload("array"), rows=10, size=1000, age=10)
    batcher.add("a", [b"{}"], now=100)
    batcher.add("b", [b"{}"], now=105)
    batcher.add("a", [b"{}"], now=109)

    assert batcher.due() == 110
    assert [(b.stream, len(b.records)) for b in batcher.seal_due(110)] == [("a", 2)]
    assert batcher.due() == 115


@pytest.mark.parametrize("form", FORMATS)
def test_a_body_holds_the_records_bytes_as_they_came(form: str) -> None:
    """No number, escape or blank of a record changes on its way into a body."""
    records = [
        b'{"a": 1.10, "b":1e400}',
        b'{"s":"\\ud800"}',
        b'{"n":1180591620717411303424}',
    ]
    name, body = Payload(form).encode("events", records)

    for record in records:
        assert record in body
    if form == "array":
        assert body == b"[" + b",".join(records) + b"]"
    elif form == "ndjson":
        assert body == b"".join(record + b"\n" for record in records)
    else:
        found = json.loads(body)
        assert list(found) == ["stream", "batch_id", "records"]
        assert (found["stream"], found["batch_id"]) == ("events", name)
        assert body.endswith(b'"records":[' + b",".join(records) + b"]}")


def test_an_id_depends_on_content_and_stream_only() -> None:
    """The same bytes of the same stream have one id, anything else another."""
    name = batch_id("events", b"[{}]")

    assert name == batch_id("events", b"[{}]")
    assert len({name, batch_id("events", b"[{} ]"), batch_id("event", b"s[{}]")}) == 3
    assert name.startswith("msg_")
    assert "." not in name


def test_an_id_is_the_same_in_every_process() -> None:
    """A run after a crash sends a batch under the id that it had before."""
    code = (
        "from target_patterns_webhook.delivery.batching import batch_id as b;"
        "print(b('events', b'[{}]'), end='')"
    )
    other = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True
    )

    assert other.stdout.decode() == batch_id("events", b"[{}]")


@given(
    records=st.lists(st.sampled_from([b"{}", b'{"a":1}', b"[]"]), max_size=60),
    rows=st.integers(1, 4),
    order=st.randoms(use_true_random=False),
    form=st.sampled_from(FORMATS),
)
def test_equal_batches_have_keys_of_their_own_that_every_run_repeats(
    records: list[bytes], rows: int, order: Random, form: str
) -> None:
    """The same input has the same keys, whichever thread makes them in which order.

    Equal contents differ in their keys, parts of a cut batch too, and what is sent
    again keeps the one that it had.
    """
    runs: list[list[str]] = []
    for _ in range(2):
        payload, count = Payload(form), Occurrences()
        sealed = batches(payload, [("s", r) for r in records], rows=rows)
        chunks = [
            part for batch in sealed for part in cut(Chunk(batch, 0, batch.records))
        ]
        order.shuffle(chunks)
        runs.append([chunk.encode(payload, count)[0] for chunk in chunks])
        again = [chunk.encode(payload, count)[0] for chunk in chunks]
        assert again == runs[-1]
        assert len(set(again)) == len(again)

    assert sorted(runs[0]) == sorted(runs[1])


def cut(chunk: Chunk) -> list[Chunk]:
    """Return a chunk and, as after a 413, its halves."""
    return [chunk, *(chunk.smaller() if len(chunk.records) > 1 else [])]


def test_the_first_of_a_content_has_the_key_of_the_content() -> None:
    """Only what comes again has another key, so most keys survive any restart."""
    count = Occurrences()
    names = [batch_id("s", b"[{}]", count) for _ in range(3)]

    assert names[0] == batch_id("s", b"[{}]")
    assert len(set(names)) == 3
    assert batch_id("t", b"[{}]", count) == batch_id("t", b"[{}]")


def test_how_many_contents_are_remembered_is_bounded() -> None:
    """A content is known for as many others as were said, forgotten by twice that."""
    count = Occurrences(remembered=100)
    assert count(b"first") == 1

    for number in range(99):
        count(b"%d" % number)
    assert count(b"first") == 2

    for number in range(1000, 1200):
        count(b"%d" % number)
    assert count(b"first") == 1
    assert len(count._newer) + len(count._older) <= 200  # noqa: SLF001 - the bound


@given(st.lists(RECORDS, min_size=2, max_size=40))
def test_halves_are_whole_and_not_empty(records: list[bytes]) -> None:
    """Cut in two, nothing is lost and both parts are smaller than the whole."""
    first, second = halves(records)

    assert [*first, *second] == records
    assert first
    assert second


@given(st.lists(RECORDS, min_size=1, max_size=40), st.integers(1, 2000))
def test_runs_fit_what_the_receiver_takes(records: list[bytes], size: int) -> None:
    """Cut for a learned limit, each body is within it or a single record."""
    runs = list(fitting(records, 1, size))

    assert [record for run in runs for record in run] == records
    for run in runs:
        _, body = Payload("array").encode("s", run)
        assert len(body) <= size or len(run) == 1
