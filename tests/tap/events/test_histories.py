"""Whole histories: runs, kills, refreshes, merges and settings that change between.

Between runs the state is kept, refreshed and merged by Meltano's own code.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

from hypothesis import strategies as st
from meltano.core.state_store.base import MeltanoState

from tap_posthog import timestamps
from tap_posthog.events.scope import Scope
from tests.tap.events.query.test_reader_model import MINUTE, event, servers
from tests.tap.history import History, choose
from tests.tap.holding import holds_for
from tests.tap.model import START, Event, Model

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tap_posthog.settings.settings import Settings

Way = Literal["run", "full-refresh", "merge-state"]


@dataclass(frozen=True)
class Step:
    """One `meltano run`: how long after the last, with which settings, how it ended."""

    minutes: float
    settings: Settings
    way: Way = "run"
    look_back: bool = True
    stop: int | None = None


@dataclass
class Store:
    """Where Meltano keeps the state of one pipeline."""

    kept: MeltanoState = field(default_factory=lambda: MeltanoState("events", {}, {}))

    def read(self) -> dict[str, Any]:
        """Return what the next run gets."""
        state: dict[str, Any] = json.loads(_copy(self.kept).json_merged())
        found: dict[str, Any] = state.get("events", {})
        return found

    def write(self, state: dict[str, Any], way: Way) -> None:
        """Keep a state as it comes: whole, or merged over the one that is there."""
        if not state:
            return
        given = {"events": json.loads(json.dumps(state))}
        if way == "run":
            self.kept = MeltanoState("events", {}, given)
        else:
            self.kept = _copy(self.kept)
            self.kept.merge_partial(MeltanoState("events", given, {}))


def _copy(state: MeltanoState) -> MeltanoState:
    partial, completed = json.loads(
        json.dumps([state.partial_state, state.completed_state])
    )
    return MeltanoState(state.state_id, partial, completed)


def play(events: list[Event], server: dict[str, Any], steps: Sequence[Step]) -> World:
    """Run as often as told, and once more with the last settings when all has come."""
    world = World(Model(events, **server))
    for step in steps:
        world.take(step)
    world.model.now = max(world.model.now, START + timedelta(days=4))
    world.take(Step(0, steps[-1].settings))
    return world


@dataclass
class World:
    """A PostHog, a store, and what was sent in each run."""

    model: Model
    store: Store = field(default_factory=Store)
    runs: list[tuple[Step, list[Event]]] = field(default_factory=list)
    logged: list[str] = field(default_factory=list)

    def take(self, step: Step) -> None:
        """Run once, from what the store gives, into what it keeps."""
        self.model.now += step.minutes * MINUTE
        state = {} if step.way == "full-refresh" else self.store.read()
        history = History(step.settings, state, logged=self.logged)
        history.on_state = lambda found: self.store.write(found, step.way)
        history.run(self.model, look_back=step.look_back, stop=step.stop)
        self.runs.append((step, history.rows))


def wanted(settings: Settings, row: Event) -> bool:
    """Say whether settings ask for an event."""
    scope = Scope.of(settings)
    at = timestamps.read(row.timestamp)
    return (
        row.event in scope.names
        and (scope.start is None or scope.start <= at)
        and (scope.end is None or at < scope.end)
    )


def repeated(runs: Sequence[tuple[Step, list[Event]]]) -> list[Event]:
    """Return what was sent again although it never left the settings' scope."""
    found, covered = [], set[Event]()
    for step, rows in runs:
        covered = {row for row in covered if wanted(step.settings, row)}
        for row in rows:
            if row in covered:
                found.append(row)
            covered.add(row)
    return found


# Rows that share keys but not names, late ones, ties.
rows = st.lists(
    st.builds(
        event,
        st.one_of(
            st.integers(0, 1_440).map(float),
            st.integers(0, 6).map(lambda n: 600 + n / 60_000),
        ),
        late=st.one_of(st.just(0.0), st.floats(0, 360, exclude_max=True)),
        lag=st.floats(0, 1, exclude_max=True),
        uuid=st.integers(0, 20),
        name=st.sampled_from("abc"),
    ),
    max_size=30,
    unique_by=lambda each: each.identity,
)
edges = st.none() | st.integers(-100, 1_500).map(lambda n: START + n * MINUTE)
settings = st.builds(
    choose,
    page_size=st.sampled_from([1, 3, 1_000]),
    recheck_hours=st.sampled_from([0, 48]),
    start_at=edges,
    end_at=edges,
    include_events=st.sampled_from([(), ("a",), ("a", "b"), ("c",)]),
    exclude_events=st.sampled_from([(), (), ("b",)]),
).filter(lambda s: not (s.start_at and s.end_at and s.start_at >= s.end_at))
minutes = st.floats(0, 400)
quiet = st.lists(st.builds(Step, minutes, settings), min_size=1, max_size=6)
rough = st.lists(
    st.builds(
        Step,
        minutes,
        settings,
        st.sampled_from(["run", "run", "full-refresh", "merge-state"]),
        st.booleans(),
        st.none() | st.integers(0, 8),
    ),
    min_size=1,
    max_size=8,
)


@holds_for(rows, servers, rough)
def test_what_was_sent_is_what_the_latest_settings_ask_for(
    events: list[Event], server: dict[str, Any], steps: list[Step]
) -> None:
    """Whatever was killed, refreshed, merged or changed before: nothing is missing.

    And no run sends an event that its own settings do not ask for.
    """
    world = play(events, server, steps)

    sent = {row.identity for _, rows in world.runs for row in rows}
    asked = {row.identity for row in events if wanted(steps[-1].settings, row)}
    assert asked <= sent
    for step, rows in world.runs:
        assert [row for row in rows if not wanted(step.settings, row)] == []


@holds_for(rows, servers, quiet)
def test_settings_that_change_send_nothing_twice(
    events: list[Event], server: dict[str, Any], steps: list[Step]
) -> None:
    """Only what was left out for a while, and came back, is read from its beginning."""
    world = play(events, server, steps)

    assert repeated(world.runs) == []
    assert not [line for line in world.logged if "again" in line]


@holds_for(rows, servers, quiet)
def test_copies_of_an_event_end_with_the_latest(
    events: list[Event], server: dict[str, Any], steps: list[Step]
) -> None:
    """A corrected event is PostHog's copy with the latest `created_at`."""
    copies = [
        replace(row, created_at=later, visible_at=timestamps.read(later))
        for n, row in enumerate(events)
        if n % 2
        for later in [timestamps.spell(timestamps.read(row.created_at) + n * MINUTE)]
    ]
    chosen = steps[-1].settings

    world = play(
        [*events, *copies], server, [replace(s, settings=chosen) for s in steps]
    )

    last = {row.identity: row for _, rows in world.runs for row in rows}
    for row in [*events, *copies]:
        if wanted(chosen, row):
            assert last[row.identity].created_at >= row.created_at
    sent = Counter(row.identity for _, rows in world.runs for row in rows)
    there = Counter(row.identity for row in [*events, *copies])
    assert all(sent[each] <= there[each] for each in sent)
