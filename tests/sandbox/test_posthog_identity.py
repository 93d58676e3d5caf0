"""What one event is to PostHog's table: which rows are kept apart, which is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import requests

from tests.support.sandbox import PROJECT_TOKEN

if TYPE_CHECKING:
    from tests.support.sandbox import Sandbox

U1, U2 = (f"0192d3e4-0000-7000-8000-00000000000{n}" for n in (1, 2))
AT = "2026-05-01T10:00:00Z"
NOW = "2026-05-01T12:00:00Z"
INSERT = """
insert into events (uuid, event, distinct_id, timestamp, created_at, properties) values
"""


def capture(sandbox: Sandbox, *events: dict[str, Any]) -> None:
    """Send one batch in; what an event leaves out is the same for all."""
    usual = {"event": "e", "distinct_id": "d", "uuid": U1, "timestamp": AT}
    body = {"api_key": PROJECT_TOKEN, "batch": [usual | event for event in events]}
    requests.post(f"{sandbox.url}/batch/", json=body, timeout=60).raise_for_status()


def shown(sandbox: Sandbox, column: str) -> list[Any]:
    """Ask for a column of every row that a reader sees, the oldest copy first."""
    rows = sandbox.hogql(
        f"select {column} from events order by timestamp, created_at limit 100"  # noqa: S608 - a test's own
    )
    return [row[0] for row in rows]


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"event": "order paid"}, id="event"),
        pytest.param({"distinct_id": "other"}, id="distinct-id"),
        pytest.param({"uuid": U2}, id="uuid"),
        pytest.param({"timestamp": "2026-04-30T10:00:00Z"}, id="day"),
    ],
)
def test_rows_that_differ_are_kept_apart(
    sandbox: Sandbox, other: dict[str, str]
) -> None:
    """A client may send one uuid with two names: PostHog keeps both, merged or not."""
    sandbox.behave(frozen_at=NOW)
    capture(sandbox, {}, other)
    before = len(shown(sandbox, "uuid"))
    sandbox.sql("optimize table events final")

    assert (before, len(shown(sandbox, "uuid"))) == (2, 2)


def test_rows_equal_in_all_four_are_copies(sandbox: Sandbox) -> None:
    """They stay beside each other until ClickHouse merges them."""
    sandbox.behave(frozen_at=NOW)
    capture(sandbox, {}, {})
    capture(sandbox, {})
    before = len(shown(sandbox, "uuid"))
    sandbox.sql("optimize table events final")

    assert (before, len(shown(sandbox, "uuid"))) == (3, 1)


def test_a_corrected_event_is_a_newer_copy(sandbox: Sandbox) -> None:
    """Sent again under the same four values: both are seen, then the newer one only."""
    sandbox.behave(frozen_at=NOW)
    capture(sandbox, {"properties": {"amount": 1}})
    sandbox.behave(frozen_at="2026-05-01T12:00:05Z")
    capture(sandbox, {"properties": {"amount": 2}})
    before = shown(sandbox, "properties.amount")
    sandbox.sql("optimize table events final")

    assert before == ["1", "2"]
    assert shown(sandbox, "properties.amount") == ["2"]


@pytest.mark.parametrize("order", [(1, 2), (2, 1)], ids=["in-order", "newest-first"])
def test_the_newest_copy_wins_in_whatever_part_it_is(
    sandbox: Sandbox, order: tuple[int, int]
) -> None:
    """The order in which parts were written decides nothing."""
    sandbox.behave(frozen_at=NOW)
    for day in order:
        sandbox.sql(
            f"{INSERT} ('{U1}', 'e', 'd', '2026-04-01 00:00:00',"
            f" '2026-04-0{day} 01:00:00', '{{\"day\": {day}}}')"
        )
    before = shown(sandbox, "properties.day")
    sandbox.sql("optimize table events final")

    assert before == ["1", "2"]
    assert shown(sandbox, "properties.day") == ["2"]


def test_events_may_be_of_the_future(sandbox: Sandbox) -> None:
    """Capture lets 23 hours pass; an import may put any year in."""
    sandbox.behave(frozen_at=NOW)
    capture(sandbox, {"timestamp": "2026-05-02T10:59:00Z"})
    sandbox.sql(
        f"{INSERT} ('{U2}', 'e', 'd', '2076-01-01 00:00:00', '2026-05-01 00:00:00', '')"
    )

    assert shown(sandbox, "timestamp") == [
        "2026-05-02T10:59:00Z",
        "2076-01-01T00:00:00Z",
    ]
    ahead = f"select count() from events where timestamp > toDateTime('{NOW}')"  # noqa: S608 - a test's own
    assert sandbox.hogql(ahead) == [[2]]
