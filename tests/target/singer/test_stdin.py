"""Reading: whole lines from any source, and a read that ends when a signal comes."""

from __future__ import annotations

import io
import os
import threading
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_patterns_webhook.raw_json import MalformedError
from target_patterns_webhook.singer.stdin import blocks, lines

if TYPE_CHECKING:
    from pathlib import Path


def through_a_pipe(pieces: list[bytes]) -> list[bytes]:
    """Return the lines of what is written block by block."""
    read_end, write_end = os.pipe()

    def write() -> None:
        with os.fdopen(write_end, "wb", buffering=0) as end:
            for piece in pieces:
                end.write(piece)

    writer = threading.Thread(target=write)
    with os.fdopen(read_end, "rb") as source:
        writer.start()
        found = [line for block in blocks(source) for line in lines(block)]
    writer.join()
    return found


@given(st.lists(st.sampled_from([b"a", b"\n", b"bc\n", b"\r\n", b"\n\nx", b""])))
def test_lines_do_not_depend_on_how_they_come(blocks: list[bytes]) -> None:
    """However the bytes are cut on their way, the same lines come out."""
    expected = b"".join(blocks).split(b"\n")
    if not expected[-1]:
        expected.pop()

    assert through_a_pipe(blocks) == expected


@pytest.mark.parametrize("ending", [b"", b"\n"], ids=["open", "closed"])
def test_a_byte_order_mark_is_taken_off(ending: bytes) -> None:
    """A BOM at the start is no part of the first line."""
    assert through_a_pipe([b"\xef\xbb\xbf{}" + ending]) == [b"{}"]


def test_a_line_of_30_megabytes(tmp_path: Path) -> None:
    """A line of 30 MB comes whole."""
    path = tmp_path / "input"
    path.write_bytes(b"x" * 30_000_000 + b"\ny")

    with path.open(encoding="utf-8") as source:
        found = [line for block in blocks(source) for line in lines(block)]

    assert [len(line) for line in found] == [30_000_000, 1]


def test_a_file_in_memory() -> None:
    """Text that is only in memory is read as well."""
    assert list(blocks(io.StringIO("a\nb"))) == [b"a\n", b"b"]


def test_a_signal_ends_a_blocked_read() -> None:
    """A reader that waits for input ends once it is woken, with the input open."""
    read_end, write_end = os.pipe()
    wake, waker = os.pipe()
    stop = threading.Event()
    found: list[bytes] = []

    def read() -> None:
        with os.fdopen(read_end, "rb") as source:
            found.extend(blocks(source, wake=wake, stopped=stop.is_set))

    reader = threading.Thread(target=read)
    reader.start()
    os.write(write_end, b"whole\npart")
    stop.set()
    os.write(waker, b"\0")
    reader.join(60)

    assert not reader.is_alive()
    assert found in ([], [b"whole\n"])
    for end in (write_end, wake, waker):
        os.close(end)


def test_the_longest_line_is_bounded() -> None:
    """Memory has a bound whatever comes: a line that is too long is refused."""
    with pytest.raises(MalformedError, match="it is longer than 0 MB"):
        list(blocks(io.StringIO("x" * 11), longest=10))


def test_a_source_that_cannot_be_read_is_said_to_be_one() -> None:
    """A disk that fails ends the run in one line, as a bad line does."""
    with (
        open("/proc/self/mem", "rb") as source,  # noqa: PTH123 - no address 0 is there
        pytest.raises(MalformedError, match=r"cannot be read \(Input/output error\)"),
    ):
        list(blocks(source))
