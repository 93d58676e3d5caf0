"""The scope: what it holds beyond an older one, and whose state it takes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_posthog.errors import StateError
from tap_posthog.events.event_names import Names
from tap_posthog.events.scope import Scope

DAY = timedelta(days=1)
FIRST = datetime(2026, 11, 1, tzinfo=UTC)
DAYS = [FIRST + n * DAY for n in range(5)]
NAMES = ("a", "b", "c")

bounds = st.none() | st.sampled_from(DAYS)
names = st.builds(
    Names.of,
    st.lists(st.sampled_from(NAMES), max_size=3),
    st.lists(st.sampled_from(NAMES), max_size=3),
)
scopes = st.builds(Scope, start=bounds, end=bounds, names=names)


def holds(scope: Scope, day: datetime, name: str) -> bool:
    """Say whether an event is in a scope, bound by bound."""
    return (
        (scope.start is None or scope.start <= day)
        and (scope.end is None or day < scope.end)
        and name in scope.names
    )


@given(scopes, scopes)
def test_what_a_scope_holds_beyond_another_is_counted_once_and_in_order(
    new: Scope, old: Scope
) -> None:
    """Each event of the new scope alone is in one region, and no other event is."""
    regions = new.beyond(old)

    for day in DAYS:
        for name in (*NAMES, "other"):
            within = [
                holds(Scope(start=r.start, end=r.end, names=r.names), day, name)
                for r in regions
            ]
            beyond = holds(new, day, name) and not holds(old, day, name)
            assert sum(within) == beyond
    ends = [region.end for region in regions[:-1]]
    assert all(
        end and start and end <= start
        for end, start in zip(ends, (r.start for r in regions[1:]), strict=True)
    )


@given(scopes, scopes)
def test_what_two_scopes_share_is_what_both_hold(one: Scope, other: Scope) -> None:
    """Nothing is beyond what they share that is not beyond one of them."""
    both = one.within(other)

    for day in DAYS:
        for name in (*NAMES, "other"):
            shared = holds(one, day, name) and holds(other, day, name)
            assert holds(both, day, name) == shared


@given(scopes)
def test_a_scope_is_read_back_from_its_state(scope: Scope) -> None:
    """It means the same: nothing is beyond it, on either side."""
    found = Scope.from_state(scope.to_state())

    assert found is not None
    assert found.beyond(scope) == scope.beyond(found) == []


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("https://us.posthog.com", "https://US.posthog.com/"),
        ("https://h", "https://h:443"),
        ("http://h:80/posthog/", "http://H/posthog"),
    ],
)
def test_the_same_address_written_otherwise_is_the_same(theirs: str, ours: str) -> None:
    """Case, port and a slash at the end make no other project."""
    state = Scope(base_url=theirs, project_id="1")

    state.check_project(Scope(base_url=ours, project_id="1"))


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (
            Scope(base_url="https://us.posthog.com", project_id="2"),
            "The state is of project 1, but project_id is 2",
        ),
        (
            Scope(base_url="https://eu.posthog.com", project_id="1"),
            '.bookmarks.events.scope.base_url = "https://eu.posthog.com"',
        ),
        (
            Scope(base_url="https://us.posthog.com/b", project_id="1"),
            "is of https://us.posthog.com, but base_url is https://us.posthog.com/b",
        ),
    ],
)
def test_a_state_of_another_project_is_refused_in_one_line(
    asked: Scope, words: str
) -> None:
    """Its bookmark would skip what it never read. A new address is one field."""
    state = Scope(base_url="https://us.posthog.com", project_id="1")

    with pytest.raises(StateError) as raised:
        state.check_project(asked)

    assert words in str(raised.value)
    assert "\n" not in str(raised.value)
