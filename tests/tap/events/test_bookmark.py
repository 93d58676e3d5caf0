"""The bookmark: its state, and the regions that it leaves to a run."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from meltano.core.utils import merge as _merge

from tap_posthog.errors import StateError
from tap_posthog.events.bookmark import Bookmark, Late, Postponed, Widening
from tap_posthog.events.event_names import Names
from tap_posthog.events.region import Key, Region
from tap_posthog.events.scope import Scope
from tap_posthog.timestamps import FIRST

if TYPE_CHECKING:
    from collections.abc import Callable

DAY = timedelta(days=1)
EVERYTHING, WINDOW = Scope(), 7 * DAY
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
AT = Key("2026-11-21T10:00:00.000000Z", "0192aaaa-0000-7000-8000-000000000001")
READ = Bookmark(AT, NOON - DAY)

instants = st.datetimes(
    datetime(1900, 1, 1),  # noqa: DTZ001 - made aware beside it
    datetime(2200, 1, 1),  # noqa: DTZ001 - made aware beside it
    timezones=st.just(UTC),
)
keys = st.builds(
    Key,
    instants.map(lambda at: f"{at:%Y-%m-%dT%H:%M:%S.%fZ}".rjust(27, "0")),
    st.uuids().map(str),
)
names = st.builds(
    Names, st.frozensets(st.sampled_from(["a", "it's"])), all_but=st.booleans()
)
scopes = st.builds(
    Scope,
    base_url=st.just("https://us.posthog.com"),
    project_id=st.just("1"),
    start=st.none() | instants,
    end=st.none() | instants,
    names=names,
)
bookmarks = st.builds(
    Bookmark,
    keys,
    instants,
    st.none() | st.builds(Late, instants, keys),
    st.none() | st.builds(Postponed, instants, keys, st.none() | keys),
    st.dictionaries(st.just("2026-11-21T09"), st.integers(0)),
    scopes,
    st.none() | st.builds(Widening, scopes, st.none() | keys),
)
OLDER: list[dict[str, Any]] = [
    {},
    {"replication_key": "timestamp", "ingested_before": "2026-11-20T12:00:00Z"},
    {
        "replication_key": "timestamp",
        "replication_key_value": "2026-11-20T10:00:00.000000Z",
        "uuid": AT.uuid,
        "ingested_before": "2026-11-20T12:00:00.000000Z",
        "late": {"until": "2026-11-21T12:00:00.000000Z", "after": list(AT)},
        "postponed": {"since": "2026-11-19T12:00:00Z", "through": list(AT)},
        "ledger": {"2026-11-21T09": 4120},
    },
]


def merged(new: dict[str, Any], old: dict[str, Any]) -> dict[str, Any]:
    """Merge a stream's state over an older one as Meltano does, by its own code."""
    merge = cast("Callable[..., dict[str, Any]]", _merge)
    whole = merge({"bookmarks": {"events": new}}, {"bookmarks": {"events": old}})
    return cast("dict[str, Any]", whole["bookmarks"]["events"])


@given(bookmarks)
def test_a_state_is_read_back_as_the_bookmark_it_was_written_from(
    bookmark: Bookmark,
) -> None:
    """Nothing is lost on the way through a state file."""
    state = json.loads(json.dumps(bookmark.to_state()))

    assert Bookmark.from_state(state) == bookmark


@given(bookmarks, bookmarks.map(Bookmark.to_state) | st.sampled_from(OLDER))
def test_a_state_that_meltano_merges_over_an_older_one_means_what_it_means_alone(
    bookmark: Bookmark, older: dict[str, Any]
) -> None:
    """After `--full-refresh` and `--merge-state` Meltano merges states key by key."""
    found = merged(bookmark.to_state(), copy.deepcopy(older))

    assert Bookmark.from_state(found) == bookmark


def test_the_state_has_the_names_that_pipelines_know() -> None:
    """Keys and spellings are a contract."""
    scope = Scope(
        base_url="https://us.posthog.com", project_id="1", names=Names.of("ba", "a")
    )
    late = Late(NOON, AT)

    state = Bookmark(AT, NOON, late, None, {"2026-11-21T09": 4120}, scope).to_state()

    assert state == {
        "replication_key": "timestamp",
        "replication_key_value": "2026-11-21T10:00:00.000000Z",
        "uuid": AT.uuid,
        "ingested_before": "2026-11-21T12:00:00.000000Z",
        "late": [{"until": "2026-11-21T12:00:00.000000Z", "after": list(AT)}],
        "postponed": None,
        "widening": None,
        "files": None,
        "export": None,
        "ledger": [["2026-11-21T09", 4120]],
        "scope": {
            "base_url": "https://us.posthog.com",
            "project_id": "1",
            "start_at": None,
            "end_at": None,
            "include_events": ["b"],
            "exclude_events": None,
        },
    }


def test_a_state_of_the_older_form_is_read() -> None:
    """Bare objects, a ledger by name, no scope: a newer version goes on from it."""
    bookmark = Bookmark.from_state(OLDER[2])

    assert bookmark.late == Late(NOON, AT)
    assert bookmark.postponed == Postponed(NOON - 2 * DAY, AT)
    assert bookmark.ledger == {"2026-11-21T09": 4120}
    assert bookmark.scope is None
    assert bookmark.of(EVERYTHING).scope == EVERYTHING
    assert Bookmark.from_state(OLDER[1]) == Bookmark()


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("2026-11-21T10:00:00", id="naive"),
        pytest.param("2026-11-21T12:00:00+02:00", id="offset"),
        pytest.param("2026-11-21T10:00:00Z", id="no-fraction"),
        pytest.param("2026-11-21 10:00:00.000", id="space"),
    ],
)
def test_a_state_written_by_hand_needs_only_a_time(value: str) -> None:
    """C is then B, and rows of that very time are still to come."""
    bookmark = Bookmark.from_state({"replication_key_value": value, "more": [1]})

    assert bookmark.at == Key("2026-11-21T10:00:00.000000Z", "")
    assert bookmark.ingested_before == datetime(2026, 11, 21, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("state", "named"),
    [
        pytest.param(
            {"replication_key_value": 5}, "replication_key_value", id="number"
        ),
        pytest.param({"replication_key_value": "now"}, '"now"', id="no-time"),
        pytest.param({"ingested_before": "soon"}, "ingested_before", id="before"),
        pytest.param(
            {"replication_key_value": "2026-01-01", "uuid": 1}, "uuid", id="uuid"
        ),
        pytest.param({"late": {"until": "2026-01-01"}}, "late", id="late-alone"),
        pytest.param(
            {"replication_key_value": "2026-01-01", "late": {"until": "2026-01-01"}},
            "after",
            id="late-half",
        ),
        pytest.param(
            {"replication_key_value": "2026-01-01", "late": 3}, "late", id="late-number"
        ),
        pytest.param(
            {"replication_key_value": "2026-01-01", "postponed": {"since": "x"}},
            "since",
            id="postponed",
        ),
        pytest.param({"ledger": {"2026-11-21T25": 1}}, "ledger", id="ledger-hour"),
        pytest.param({"ledger": {"2026-02-31T09": 1}}, "ledger", id="ledger-day"),
        pytest.param({"ledger": {"2026-11-21T09": -1}}, "ledger", id="ledger-count"),
        pytest.param({"ledger": ["2026-11-21T09"]}, "ledger", id="ledger-hours"),
        pytest.param({"ledger": [["2026-11-21T09"]]}, "ledger", id="ledger-half"),
        pytest.param({"ledger": 3}, "ledger", id="ledger-number"),
        pytest.param({"replication_key": "created_at"}, "timestamp", id="key"),
        pytest.param(
            {"replication_key_value": "2026-01-01", "scope": {"start_at": "x"}},
            "start_at",
            id="scope-time",
        ),
        pytest.param(
            {"replication_key_value": "2026-01-01", "scope": {"include_events": "a"}},
            "include_events",
            id="scope-names",
        ),
        pytest.param({"widening": [{"after": None}]}, "widening", id="widening-alone"),
    ],
)
def test_a_state_that_cannot_be_used_says_what_is_wrong_in_one_line(
    state: dict[str, Any], named: str
) -> None:
    """The key, what it got, what it takes, and what to do."""
    with pytest.raises(StateError, match=named) as raised:
        Bookmark.from_state(state)

    assert "\n" not in str(raised.value)
    assert "remove the stream's state" in str(raised.value)


def test_a_first_run_reads_everything_that_has_settled() -> None:
    """Nothing was read before, so nothing can be late."""
    assert Bookmark().late_region(EVERYTHING, WINDOW, NOON) is None
    assert Bookmark().forward_region(EVERYTHING, NOON) == Region(
        end=NOON, created_before=NOON
    )


def test_the_two_passes_share_the_plane_between_them() -> None:
    """Up to (B, U) what was ingested since C; after it, what was ingested before C'."""
    assert READ.late_region(EVERYTHING, WINDOW, NOON) == Region(
        start=datetime(2026, 11, 14, 10, tzinfo=UTC),
        through=AT,
        created_from=NOON - DAY,
        created_before=NOON,
    )
    assert READ.forward_region(EVERYTHING, NOON) == Region(
        after=AT, end=NOON, created_before=NOON
    )


def test_start_at_and_end_at_bound_both_passes() -> None:
    """Neither pass reads what the user did not ask for."""
    start, end = NOON - 3 * DAY, NOON - timedelta(hours=1)
    scope = Scope(start=start, end=end)

    late = READ.late_region(scope, WINDOW, NOON)
    forward = READ.forward_region(scope, NOON)

    assert late is not None
    assert forward is not None
    assert (late.start, late.end) == (start, end)
    assert (forward.start, forward.end) == (start, end)


@pytest.mark.parametrize(
    ("bookmark", "scope", "window"),
    [
        pytest.param(READ, EVERYTHING, 0 * DAY, id="off"),
        pytest.param(Bookmark(AT, NOON), EVERYTHING, WINDOW, id="nothing-new"),
        pytest.param(Bookmark(AT, NOON + DAY), EVERYTHING, WINDOW, id="clock-back"),
        pytest.param(READ, Scope(start=NOON), WINDOW, id="start-after-b"),
    ],
)
def test_a_late_pass_without_room_for_rows_is_none(
    bookmark: Bookmark, scope: Scope, window: timedelta
) -> None:
    """No query is made where the bounds alone say that there is nothing."""
    assert bookmark.late_region(scope, window, NOON) is None


def test_a_bookmark_in_the_future_waits() -> None:
    """B later than C' leaves no forward region, and stays."""
    ahead = Bookmark(Key("2027-01-01T00:00:00.000000Z", ""), NOON - DAY)

    assert ahead.forward_region(EVERYTHING, NOON) is None
    assert ahead.forward_to(AT).at == ahead.at


def test_an_interrupted_late_pass_goes_on_behind_its_last_row() -> None:
    """It is finished up to the time that it was begun with; then C is that time."""
    key = Key("2026-11-20T00:00:00.000000Z", "f")

    stopped = READ.late_to(key, NOON)

    assert stopped.horizon == NOON
    assert stopped.ingested_before == NOON - DAY
    region = stopped.late_region(EVERYTHING, WINDOW, NOON)
    assert region is not None
    assert (region.after, region.created_from) == (key, NOON - DAY)
    assert stopped.late_done(NOON) == Bookmark(AT, NOON)


def test_what_a_follower_postpones_is_looked_for_later_from_where_it_began() -> None:
    """Rows up to the old B are owed; the late pass covers only what is behind it."""
    later = Key("2026-11-21T11:30:00.000000Z", "0")

    owing = READ.postpone().late_done(NOON).forward_to(later).postpone()

    assert owing.postponed == Postponed(NOON - DAY, AT)
    assert owing.postponed_region(EVERYTHING, WINDOW) == Region(
        start=datetime(2026, 11, 14, 10, tzinfo=UTC),
        through=AT,
        created_from=NOON - DAY,
        created_before=NOON,
    )
    near = owing.late_region(EVERYTHING, WINDOW, NOON + DAY)
    assert near is not None
    assert (near.after, near.through) == (AT, later)
    assert owing.postponed_done() == Bookmark(later, NOON)


def test_a_late_window_longer_than_history_begins_with_history() -> None:
    """Ten thousand years back is not an error."""
    region = READ.late_region(EVERYTHING, timedelta(days=3_650_000), NOON)

    assert region is not None
    assert region.start == FIRST
