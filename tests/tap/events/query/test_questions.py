"""The text of the questions, read back by PostHog's own parser."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.posthog.parser import parse
from tap_posthog.api import hogql
from tap_posthog.events.event_names import Names
from tap_posthog.events.query import questions
from tap_posthog.events.region import Key, Place, Region

NOON = datetime(2026, 11, 21, 12, 0, 0, 123456, tzinfo=UTC)
KEY = Key("2026-11-21T10:00:00.000000Z", "0192aaaa-0000-7000-8000-000000000001")
EVERY_BOUND = Region(
    start=NOON,
    after=KEY,
    end=NOON,
    through=KEY,
    created_from=NOON,
    created_before=NOON,
    names=Names.of(("a",), ("b",)),
)
ALL_BUT = Region(end=NOON, names=Names.of((), ("b",)))
PLACE = Place(*KEY, "it's", "d'1", "2026-11-21T10:00:01.000000Z")
QUESTIONS: list[questions.Question | questions.Rows] = [
    questions.Clock(),
    questions.Rows(EVERY_BOUND, ("event", "session_id", "person_properties"), 10),
    questions.Rows(EVERY_BOUND, ("event",), 10, PLACE),
    questions.Extent((EVERY_BOUND, Region())),
    questions.Extent((EVERY_BOUND, ALL_BUT), timedelta(seconds=60), Region()),
    questions.Histogram(EVERY_BOUND, timedelta(milliseconds=1), 10),
    questions.Distinct(EVERY_BOUND),
    questions.Hours(EVERY_BOUND, timedelta(days=7)),
]


def constants(node: Any) -> list[Any]:  # noqa: ANN401 - a tree of JSON
    """Collect the constants of a syntax tree."""
    if isinstance(node, dict):
        own = [node["value"]] if node.get("node") == "Constant" else []
        return own + [each for value in node.values() for each in constants(value)]
    if isinstance(node, list):
        return [each for item in node for each in constants(item)]
    return []


# No NUL: PostHog takes it out of names when it captures them.
names_of_events = st.text(st.characters(exclude_characters="\0", codec="utf-8"))


@given(st.lists(names_of_events, min_size=1, max_size=3))
def test_event_names_arrive_as_they_are(names: list[str]) -> None:
    """Quotes, backslashes, braces, line ends: each name is one constant, unchanged."""
    question = questions.Distinct(Region(names=Names.of(names, ())))

    found = constants(parse(str(question)))

    assert [value for value in found if isinstance(value, str)] == sorted(set(names))


@pytest.mark.parametrize(
    "question",
    QUESTIONS,
    ids=[f"{type(each).__name__}-{n}" for n, each in enumerate(QUESTIONS)],
)
def test_each_question_parses_and_has_a_limit_and_no_offset(
    question: questions.Question | questions.Rows,
) -> None:
    """PostHog's default LIMIT is 100, and OFFSET is refused for API keys."""
    tree = parse(str(question))

    assert tree["limit"] is not None
    assert tree.get("offset") is None
    assert "@" not in str(question)


def test_instants_are_typed_and_have_their_time_zone() -> None:
    """A literal that PostHog cannot read would select nothing, without an error."""
    assert hogql.moment(NOON) == "toDateTime64('2026-11-21 12:00:00.123456', 6, 'UTC')"


def test_an_instant_that_clickhouse_cannot_hold_is_moved_to_the_nearest() -> None:
    """The year 9999 is later than every event either way."""
    assert "2299-12-31" in hogql.moment(datetime.max.replace(tzinfo=UTC))
    assert "1900-01-01" in hogql.moment(datetime.min.replace(tzinfo=UTC))


def test_a_keys_condition_has_a_plain_bound_beside_it() -> None:
    """ClickHouse skips days by it."""
    sql = str(questions.Distinct(Region(after=KEY, through=KEY)))

    at = "toDateTime64('2026-11-21 10:00:00.000000', 6, 'UTC')"
    assert f"timestamp >= {at} and (timestamp > {at} or toString(uuid) > '" in sql
    assert f"timestamp <= {at} and (timestamp < {at} or toString(uuid) <= '" in sql


def test_rows_are_asked_with_what_tells_them_apart_first_and_in_its_order() -> None:
    """Other columns that the catalog left out are not asked of the server."""
    rows = questions.Rows(Region(), ("event", "uuid", "session_id"), 7)

    key = ("uuid", "timestamp", "created_at", "event", "distinct_id")
    assert rows.names == (*key, "session_id")
    assert str(rows) == (
        "select uuid, timestamp, created_at, event, distinct_id, `$session_id` "
        "from events where true order by timestamp, toString(uuid), event, "
        "distinct_id, created_at desc limit 7"
    )


def test_no_name_at_all_is_a_condition_that_no_row_meets() -> None:
    """An empty list would not parse."""
    sql = str(questions.Distinct(Region(names=Names(all_but=False))))

    assert "where false" in sql
