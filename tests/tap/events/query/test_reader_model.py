"""The reader against models of PostHog: what is sent, over any sequence of runs."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import strategies as st

from tap_posthog import timestamps
from tap_posthog.errors import AuditError
from tap_posthog.events.bookmark import Bookmark
from tests.tap.history import History, choose
from tests.tap.holding import holds_for
from tests.tap.model import START, Event, Model

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tap_posthog.settings.settings import Settings

MINUTE = timedelta(minutes=1)


def event(
    minute: float, *, late: float = 0, lag: float = 0, uuid: int = 0, name: str = "seen"
) -> Event:
    """Make a row: when it happened, how late it came, how long it was invisible."""
    happened = START + minute * MINUTE
    created = happened + late * MINUTE
    return Event(
        timestamp=timestamps.spell(happened),
        uuid=f"00000000-0000-4000-8000-{uuid:012d}",
        created_at=timestamps.spell(created),
        visible_at=created + lag * MINUTE,
        event=name,
    )


def worlds(*, lag: float, late: float) -> st.SearchStrategy[list[Event]]:
    """Draw rows with ties, bursts, late and future-dated ones, each with its key."""
    moments = st.one_of(
        st.integers(0, 1_440).map(float),
        st.integers(0, 20).map(lambda n: 600 + n / 60_000),
        st.sampled_from([-525_600.0, 700.0]),
    )
    lateness = st.one_of(
        st.just(0.0), st.floats(0, late, exclude_max=True), st.floats(-1_380, 0)
    )
    return st.lists(
        st.builds(
            event,
            moments,
            late=lateness,
            lag=st.floats(0, lag, exclude_max=True),
            uuid=st.integers(0, 10**6),
        ),
        max_size=30,
        unique_by=lambda each: each.key,
    )


servers = st.fixed_dictionaries(
    {
        "limit": st.sampled_from([2, 5, 50_000]),
        "most_counted": st.sampled_from([None, 7]),
        "most_read": st.sampled_from([None, 1, 2]),
        "tick": st.sampled_from([timedelta(0), timedelta(seconds=7)]),
    }
)
choices = st.builds(
    choose,
    page_size=st.sampled_from([1, 3, 10, 1_000]),
    max_concurrent_queries=st.integers(1, 3),
)
# When a run starts (minutes after the last), whether it looks back, where it is killed.
runs = st.lists(
    st.tuples(st.floats(0, 400), st.booleans(), st.none() | st.integers(0, 8)),
    max_size=6,
)

# Ten minutes of arrivals, and a follower's cycles meanwhile.
arrivals = st.lists(
    st.builds(
        event,
        st.integers(0, 40).map(lambda n: n / 4),
        late=st.sampled_from([0.0, 0.5, 2.0]),
        lag=st.sampled_from([0.0, 0.5, 0.99]),
        uuid=st.integers(0, 9),
    ),
    min_size=5,
    max_size=40,
    unique_by=lambda each: each.key,
)
cycles = st.lists(
    st.tuples(
        st.integers(1, 8).map(lambda n: n / 4),
        st.sampled_from([False, False, True]),
        st.sampled_from([None, None, None, 0, 1, 3]),
    ),
    min_size=3,
    max_size=20,
)


def play(
    events: list[Event],
    chosen: Settings,
    server: dict[str, Any],
    steps: Sequence[tuple[float, bool, int | None]],
) -> History:
    """Run as often as told, and once more when all has come."""
    history = History(chosen)
    model = Model(events, **server)
    for minutes, look_back, stop in steps:
        model.now += minutes * MINUTE
        history.run(model, look_back=look_back, stop=stop)
    model.now = max([model.now, *(START + timedelta(days=4),)])
    history.run(model)
    return history


@holds_for(worlds(lag=1, late=360), choices, servers, runs)
def test_completed_runs_send_each_event_exactly_once(
    events: list[Event],
    chosen: Settings,
    server: dict[str, Any],
    steps: list[tuple[float, bool, int | None]],
) -> None:
    """Whatever arrives when, and whenever runs happen: once, late or not."""
    whole = [(minutes, look_back, None) for minutes, look_back, _ in steps]

    history = play(events, chosen, server, whole)

    assert Counter(history.sent) == Counter(each.key for each in events)


@holds_for(worlds(lag=1, late=360), choices, servers, runs)
def test_killed_runs_lose_nothing_and_repeat_only_what_no_state_covered(
    events: list[Event],
    chosen: Settings,
    server: dict[str, Any],
    steps: list[tuple[float, bool, int | None]],
) -> None:
    """A kill costs at most the rows between two states, sent once more."""
    history = play(events, chosen, server, steps)

    assert set(history.sent) == {each.key for each in events}
    assert len(history.sent) - len(events) <= history.unsafe


@holds_for(arrivals, choices, servers, cycles)
def test_a_follower_loses_nothing_and_repeats_only_what_no_state_covered(
    events: list[Event],
    chosen: Settings,
    server: dict[str, Any],
    steps: list[tuple[float, bool, int | None]],
) -> None:
    """Cycle upon cycle while events arrive, whether it looks back in one or not."""
    history = play(events, chosen, server, steps)

    assert set(history.sent) == {each.key for each in events}
    assert len(history.sent) - len(events) <= history.unsafe


@holds_for(worlds(lag=300, late=300), choices, servers, runs)
def test_the_recheck_sends_what_became_visible_hours_late(
    events: list[Event],
    chosen: Settings,
    server: dict[str, Any],
    steps: list[tuple[float, bool, int | None]],
) -> None:
    """An ingestion incident of five hours loses nothing, killed runs or not."""
    rechecking = choose(
        page_size=chosen.page_size,
        max_concurrent_queries=chosen.max_concurrent_queries,
        recheck_hours=500,
    )

    history = play(events, rechecking, server, steps)

    assert set(history.sent) == {each.key for each in events}


@holds_for(worlds(lag=1, late=360), choices, servers, runs)
def test_the_recheck_repeats_nothing_while_rows_are_visible_in_time(
    events: list[Event],
    chosen: Settings,
    server: dict[str, Any],
    steps: list[tuple[float, bool, int | None]],
) -> None:
    """The ledger counts exactly what was read, kills and postponed passes included."""
    rechecking = choose(
        page_size=chosen.page_size,
        max_concurrent_queries=chosen.max_concurrent_queries,
        recheck_hours=48,
    )

    history = play(events, rechecking, server, steps)

    assert len(history.sent) - len(events) <= history.unsafe
    assert not [line for line in history.logged if "again" in line]


@holds_for(
    worlds(lag=1, late=360), choices, st.integers(-600, 1_500), st.integers(-600, 1_500)
)
def test_only_events_from_start_at_to_before_end_at_are_sent(
    events: list[Event], chosen: Settings, start: int, end: int
) -> None:
    """Both edges hold in every pass."""
    bounded = choose(
        page_size=chosen.page_size,
        start_at=START + start * MINUTE,
        end_at=START + end * MINUTE,
    )

    history = play(events, bounded, {}, [(300, True, None), (300, True, None)])

    low, high = (timestamps.spell(START + n * MINUTE) for n in (start, end))
    assert Counter(history.sent) == Counter(
        each.key for each in events if low <= each.timestamp < high
    )


@holds_for(worlds(lag=1, late=360), choices, servers, st.integers(0, 39))
def test_no_state_stands_behind_a_row_that_is_counted_and_not_given(
    events: list[Event], chosen: Settings, server: dict[str, Any], which: int
) -> None:
    """The run stops at the gap, and says how much is missing."""
    events = [*events, event(100)] if event(100) not in events else events
    gone = events[which % len(events)]
    model = Model(events, hidden=lambda each: each == gone, **server)
    model.now = START + timedelta(days=4)
    history = History(chosen)

    with pytest.raises(AuditError, match="1 are missing"):
        history.run(model)

    assert gone.key not in history.sent
    reached = Bookmark.from_state(history.state).at
    assert reached is None or reached < gone.key
