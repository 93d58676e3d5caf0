"""Which rows a reader sees: those that are its own, have arrived, are not kept back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.rows import fill

if TYPE_CHECKING:
    from tests.support.sandbox import Sandbox


def test_rows_are_seen_when_they_have_become_visible(sandbox: Sandbox) -> None:
    """A row's `created_at` says nothing of when it is there to be read."""
    fill(
        sandbox,
        4,
        visible_at="toDateTime64('2026-01-02 00:00:00', 6, 'UTC')"
        " + if(number = 0, 10800, 0)",
    )
    counts = []
    for at in ("2026-01-01T23:59:59Z", "2026-01-02T02:59:59Z", "2026-01-02T03:00:00Z"):
        sandbox.behave(frozen_at=at)
        counts += sandbox.hogql("select count() from events limit 1")

    assert counts == [[0], [3], [4]]


def test_other_teams_rows_are_not_seen(sandbox: Sandbox) -> None:
    """Each query is bound to its project."""
    fill(sandbox, 5, team_id="if(number < 2, 1, 2)")

    assert sandbox.hogql("select count() from events limit 1") == [[2]]


@pytest.mark.parametrize(
    ("hogql", "rows"),
    [
        pytest.param("select count() from events", 1, id="count"),
        pytest.param(
            "select event, count() from events group by event order by event",
            2,
            id="group",
        ),
        pytest.param(
            "select sum(n) from (select 1 as n from events)", 1, id="count-below"
        ),
    ],
)
def test_hidden_rows_are_counted_and_never_returned(
    sandbox: Sandbox, hogql: str, rows: int
) -> None:
    """So that a client can be made to meet a gap."""
    fill(sandbox, 10, event="if(number < 4, 'a', 'b')")
    before = sandbox.hogql(hogql)

    sandbox.behave(hidden="event = 'a'")

    assert sandbox.hogql(hogql) == before
    assert len(before) == rows
    assert len(sandbox.hogql("select uuid from events limit 100")) == 6


def test_copies_stay_until_the_table_is_merged(sandbox: Sandbox) -> None:
    """A ReplacingMergeTree's copies are there to be read, and then they are not."""
    for _ in range(2):
        fill(sandbox, 20)
    count = "select count(), count(distinct uuid) from events limit 1"

    before = sandbox.hogql(count)
    sandbox.sql("optimize table events final")

    assert before == [[40, 20]]
    assert sandbox.hogql(count) == [[20, 20]]
