"""docs/analyses.md shows what its SQL gives, on events and on activity rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sandbox import analyses
from tests.docs.analyses import DOCUMENT, MARKED, Received, filled, received, table

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def data() -> Iterator[Received]:
    """Move the demo data once for all tests."""
    with received() as both:
        yield both


def test_the_results_are_what_the_sql_gives(data: Received) -> None:
    """Each figure in the document comes out again when the demo data are moved."""
    text = DOCUMENT.read_text()

    assert filled(text, data) == text


@pytest.mark.parametrize("name", analyses.ANALYSES)
def test_activity_rows_say_the_same(data: Received, name: str) -> None:
    """An analysis written for events gives the same table on activity rows."""
    assert table(data.activities, name) == table(data.events, name)


def test_every_analysis_is_shown() -> None:
    """No SQL file is missing from the document."""
    shown = {found["name"] for found in MARKED.finditer(DOCUMENT.read_text())}

    assert shown == {
        "people",
        "activities",
        *analyses.ANALYSES,
        *analyses.ON_ACTIVITIES,
    }
