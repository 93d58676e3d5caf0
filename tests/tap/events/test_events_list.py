"""The events list of old self-hosted servers, with its documented defects."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from tap_posthog import errors
from tests.tap.cli.test_state_files import named
from tests.tap.running import config, run_here
from tests.tap.test_scenarios import (
    ROWS,
    START,
    assert_each_once,
    insert,
    insert_rows,
    run_on,
    stored,
)

if TYPE_CHECKING:
    from tests.support.sandbox import Sandbox
    from tests.tap.running import Outcome


def listed(sandbox: Sandbox, last: Outcome | None = None, **more: object) -> Outcome:
    """Run once over the events list."""
    return run_on(sandbox, last, events_source="rest", **more)


def test_events_that_share_times_with_page_edges_are_not_lost(sandbox: Sandbox) -> None:
    """Seven events at each second, clamped to a thousand a page, each sent once."""
    insert(sandbox, 3500, f"{START} + intDiv(number, 7)")

    outcome = listed(sandbox)

    assert_each_once(sandbox, outcome)


def test_a_smaller_clamp_is_survived(sandbox: Sandbox) -> None:
    """Nor does it matter how much less than asked for a server gives."""
    sandbox.behave(events_list_max=100)
    insert(sandbox, 1050, f"{START} + intDiv(number, 7)")

    assert_each_once(sandbox, listed(sandbox))


@pytest.mark.parametrize("clamp", [1000, 100])
def test_more_ties_than_a_page_stop_the_run(sandbox: Sandbox, clamp: int) -> None:
    """They cannot be reached, so the run says so and does not go on without them."""
    sandbox.behave(events_list_max=clamp)
    insert(sandbox, 20)
    insert(sandbox, clamp + 5, f"{START} + 60")
    insert(sandbox, 20, f"{START} + 120 + number")

    with pytest.raises(errors.AuditError, match=f"More than {clamp} events have the"):
        listed(sandbox)


def test_as_many_ties_as_a_page_are_no_reason_to_stop(sandbox: Sandbox) -> None:
    """A page that is full of one time may still be all there is."""
    sandbox.behave(events_list_max=100)
    insert(sandbox, 100, START)

    assert_each_once(sandbox, listed(sandbox))


def test_the_next_run_reads_the_lookback_again(sandbox: Sandbox) -> None:
    """That API shows no `created_at`, so late arrivals are sought by reading again."""
    insert(sandbox, 200, f"{START} + number * 60")
    first = listed(sandbox)
    insert(sandbox, 5, f"{START} + toIntervalMinute(170) + number")

    second = listed(sandbox, first, rest_lookback_minutes=30)

    assert {*first.uuids, *second.uuids} == stored(sandbox)
    assert len(second.uuids) == 31 + 5
    (bookmark,) = {each["bookmarks"]["events"]["uuid"] for each in second.states[-1:]}
    assert bookmark == first.uuids[-1]


def test_times_are_sent_in_utc(sandbox: Sandbox) -> None:
    """A naive time would be read in the project's timezone, and others ignored."""
    sandbox.behave(project_timezone="America/New_York")
    insert(sandbox, 100, f"{START} + number * 60")

    records = listed(
        sandbox, start_at="2026-01-01T00:10:00", end_at="2026-01-01T00:20:00"
    ).records

    assert [record["timestamp"] for record in records] == [
        f"2026-01-01T00:{minute}:00.000000Z" for minute in range(10, 20)
    ]


def test_auto_takes_the_list_where_there_is_no_query_endpoint(sandbox: Sandbox) -> None:
    """The first question tells; what the list does not have is null."""
    sandbox.behave(query_endpoint=False)
    insert(sandbox, 30)

    outcome = run_here(config(sandbox))

    assert_each_once(sandbox, outcome)
    assert outcome.records[0]["created_at"] is None
    assert outcome.records[0]["properties"] == {"pad": "x" * 10}
    with pytest.raises(errors.MissingEndpointError, match="set events_source to rest"):
        run_here(config(sandbox, events_source="query"))


def test_names_are_filtered_here(sandbox: Sandbox) -> None:
    """The list takes one name at most; the tap takes any number."""
    insert(sandbox, 10)

    assert listed(sandbox, exclude_events=["e"]).uuids == []
    assert len(listed(sandbox, include_events=["e", "f"]).uuids) == 10


def test_a_future_event_does_not_drag_the_bookmark(sandbox: Sandbox) -> None:
    """It waits until its time has come."""
    insert(sandbox, 10)
    insert(sandbox, 1, "now64(6) + 3600")

    outcome = listed(sandbox)

    assert len(outcome.uuids) == 10


def test_rows_that_share_a_uuid_are_told_apart_in_the_list_too(
    sandbox: Sandbox,
) -> None:
    """By name and distinct_id, as PostHog's table does; copies are one event."""
    insert_rows(sandbox, ROWS[:3])
    insert_rows(sandbox, ROWS[:1])

    sent = {(each["event"], each["distinct_id"]) for each in listed(sandbox).records}

    assert sent == {("order placed", "u1"), ("order paid", "u1"), ("order paid", "u2")}


def test_a_changed_filter_reads_what_it_adds_in_the_list_too(sandbox: Sandbox) -> None:
    """Behind the lookback, which is read again in any case; and it is resumable."""
    for name in ("signup", "paid"):
        named(sandbox, name, 200, f"{START} + number * 60")
    more: dict[str, Any] = {"rest_lookback_minutes": 10}
    first = listed(sandbox, include_events="signup", **more)
    sandbox.behave(events_list_max=100)

    second = listed(sandbox, first, **more)

    counts = Counter((each["event"], each["uuid"]) for each in second.records)
    assert {uuid for _, uuid in counts} | set(first.uuids) == stored(sandbox)
    assert len([name for name, _ in counts if name == "paid"]) == 200
    assert max(counts.values()) == 1
    cut = next(s for s in second.states if s["bookmarks"]["events"]["widening"])
    rest = run_here(config(sandbox, events_source="rest", **more), state=cut)
    assert {*first.uuids, *rest.uuids} < stored(sandbox)
    assert {*first.uuids, *rest.uuids, *second.uuids[:100]} == stored(sandbox)
    assert (
        listed(sandbox, second, **more).states[-1]["bookmarks"]["events"]["widening"]
        is None
    )
