"""An answer in parts holds the same rows as the whole one, whatever is in them."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tap_posthog.api.answer_parts import parts

UUID = "0190a1b2-0000-7000-8000-00000000%04d"
LURES = (
    '],["0190a1b2-',
    '"results":[',
    '\\"],["0190a1b2-',
    '{"results": [["0190a1b2-c"], ["0190a1b2-d"]], "error": 1}',
    "\\",
    "]}",
)
TEXT = st.lists(st.sampled_from(LURES) | st.text(max_size=8), max_size=4).map("".join)
CELL = TEXT | st.none() | st.integers() | st.lists(TEXT, max_size=2)


def _cut(text: bytes, length: int) -> list[bytes]:
    return [text[at : at + length] for at in range(0, len(text), length)]


@given(
    st.lists(st.lists(CELL, max_size=3), max_size=12),
    st.dictionaries(st.sampled_from(["hogql", "types", "error"]), CELL),
    st.integers(1, 300),
    st.integers(1, 200),
    st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", " : ")]),
)
def test_the_parts_hold_the_rows_of_the_whole(
    cells: list[list[Any]],
    others: dict[str, Any],
    size: int,
    piece: int,
    separators: tuple[str, str],
) -> None:
    """In order, each once, and with what else the answer says."""
    rows = [[UUID % number, *row] for number, row in enumerate(cells)]
    before = {key: value for key, value in others.items() if key == "hogql"}
    whole = {**before, "results": rows, **others}
    text = json.dumps(whole, separators=separators).encode()

    read = [json.loads(part) for part in parts(_cut(text, piece), size)]

    assert [row for part in read for row in part["results"]] == rows
    assert {key: value for part in read for key, value in part.items()} == {
        **whole,
        "results": read[-1]["results"],
    }


def test_a_part_is_little_more_than_its_size() -> None:
    """However long the answer is: at most one piece and one row beyond."""
    rows = [[UUID % (number % 1000), "x" * 300] for number in range(10_000)]
    text = json.dumps({"results": rows}).encode()

    longest = max(map(len, parts(_cut(text, 1000), 20_000)))

    assert longest < 20_000 + 1000 + 400


def test_what_cannot_be_cut_is_one_part() -> None:
    """No answer of PostHog's, one without rows, rows without a uuid, nothing at all."""
    for text in (
        b"<html>],[",
        b'{"results":null,"error":"no"}',
        b'{"results":[[1],[2],["0190a1b2"],["a"]]}',
        b"",
    ):
        assert list(parts(_cut(text, 3), 4)) == [text]
