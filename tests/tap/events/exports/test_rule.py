"""The rule of what is kept: every event once, from queries to files and back.

The model is a set of events with two clocks and the moment at which each was inserted;
queries claim rectangles of them, and windows of files hold what was inserted in a time.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from tap_posthog import timestamps
from tap_posthog.events.bookmark import Bookmark
from tap_posthog.events.exports import rule
from tap_posthog.events.exports.keys import Window
from tap_posthog.events.exports.marks import Files
from tap_posthog.events.region import Key
from tap_posthog.events.scope import Scope

if TYPE_CHECKING:
    from collections.abc import Iterable

START = datetime(2026, 11, 20, tzinfo=UTC)
HOUR, SETTLE = timedelta(hours=1), timedelta(seconds=60)
MARGINS = rule.Margins(SETTLE, timedelta(days=7))
SCOPE = Scope()
HOURS = 96


class Event(NamedTuple):
    """One event; its uuid is its number."""

    timestamp: datetime
    created: datetime
    inserted: datetime
    uuid: str

    @property
    def cells(self) -> tuple[str, str, str, str]:
        """Return what the rule is asked with."""
        spell = timestamps.spell
        times = spell(self.created), spell(self.inserted)
        return (spell(self.timestamp), self.uuid, *times)


def event(
    created: float, lateness: float, lag: float
) -> tuple[datetime, datetime, datetime]:
    """Place an event by hours, and by the seconds between its last two clocks."""
    at = START + timedelta(seconds=round(created * 3600))
    ts = at - timedelta(seconds=round(lateness * 3600))
    return ts, at, at + timedelta(seconds=round(lag))


lateness = st.one_of(
    st.floats(0, 0.01),
    st.floats(0, 100),  # late, and imported
    st.floats(-23, 0),  # dated ahead
)
lags = st.one_of(st.floats(-60, 59), st.sampled_from([-60.0, 0.0, 59.0]))
events = st.lists(
    st.builds(event, st.floats(0, HOURS - 1), lateness, lags), max_size=60
).map(lambda made: [Event(*each, f"{n:04}") for n, each in enumerate(made)])


@dataclass
class History:
    """What was sent, run after run, and the state that is left."""

    events: list[Event]
    state: Bookmark
    sent: Counter[str]

    def query(self, now: datetime) -> None:
        """Run as the reader of queries does: late, then forward. No late window."""
        until = now - SETTLE
        bookmark = rule.left_files(self.state)
        before = bookmark.ingested_before or timestamps.FIRST
        if until < before:
            return
        for each in self.events:
            if each.created >= until or each.inserted > now:
                continue
            key = Key(timestamps.spell(each.timestamp), each.uuid)
            if bookmark.at and key <= bookmark.at:
                self.sent[each.uuid] += each.created >= before
            else:
                self.sent[each.uuid] += each.timestamp < until
        self.state = Bookmark(Key(timestamps.spell(until), ""), until)

    def files(self, windows: Iterable[Window], *, killed_after: int = 10**6) -> None:
        """Run over windows; killed after so many, its last one's rows are written."""
        found = [*windows]
        needed = rule.needed_from(self.state)
        wanted = [each for each in found if needed is None or each.end > needed]
        if not wanted:
            return
        until = wanted[-1].end - SETTLE
        if self.state.ingested_before and until <= self.state.ingested_before:
            return
        first = needed or wanted[0].start
        bookmark = rule.entered(self.state, first, MARGINS)
        for n, window in enumerate(wanted):
            keeping = rule.Rule(bookmark, SCOPE, until, MARGINS)
            for each in self.events:
                if window.start <= each.inserted < window.end:
                    self.sent[each.uuid] += keeping.keeps(*each.cells, "a")
            if n == killed_after:
                return
            if new := rule.passed(bookmark, window, until, MARGINS):
                self.state = bookmark = Bookmark.from_state(new.to_state())


def hours(first: int, end: int) -> list[Window]:
    """Return hourly windows."""
    return [Window(START + n * HOUR, START + (n + 1) * HOUR) for n in range(first, end)]


def complete(
    history: History, before: datetime, *, since: datetime | None = None
) -> tuple[set[str], set[str]]:
    """Return what is missing of all that was ingested in time, and what came twice."""
    due = {
        each.uuid
        for each in history.events
        if each.created < before
        and each.timestamp < before
        and (since is None or each.inserted >= since)
    }
    twice = {uuid for uuid, times in history.sent.items() if times > 1}
    return {uuid for uuid in due if not history.sent[uuid]}, twice


@given(events, st.lists(st.integers(1, 30), min_size=1, max_size=10))
def test_run_after_run_over_files_sends_each_once(
    made: list[Event], steps: list[int]
) -> None:
    """While files appear, hour by hour or day by day."""
    history, last = History(made, Bookmark(), Counter()), 0
    for step in steps:
        last = min(HOURS, last + step)
        history.files(hours(0, last))

    end = START + last * HOUR - SETTLE
    assert complete(history, end, since=START) == (set(), set())


@given(events, st.integers(30, 60), st.integers(3, 20), st.integers(1, 12))
def test_from_queries_to_files_and_back(
    made: list[Event], first: int, files: int, back: int
) -> None:
    """Nothing is missing; twice come only those dated ahead, at the way back."""
    history = History(made, Bookmark(), Counter())
    history.query(START + first * HOUR - timedelta(minutes=17))
    history.query(START + first * HOUR)
    history.files(hours(0, first + files))
    switched = history.state.ingested_before
    assert switched == START + (first + files) * HOUR - SETTLE
    missing, twice = complete(history, switched, since=START)
    assert (missing, twice) == (set(), set())

    now = START + (first + files + back) * HOUR
    history.query(now)

    missing, twice = complete(history, now - SETTLE, since=START)
    ahead = {
        each.uuid
        for each in made
        if each.timestamp >= switched and each.created < switched
    }
    assert not missing
    assert twice <= ahead


@given(events, st.integers(0, 20), st.integers(0, 20), st.integers(30, 60))
def test_a_kill_repeats_no_more_than_the_windows_in_progress(
    made: list[Event], killed: int, again: int, first: int
) -> None:
    """Those that were being read, and nothing is missing."""
    history = History(made, Bookmark(), Counter())
    history.query(START + first * HOUR)
    history.files(hours(0, first + 20), killed_after=killed)
    history.files(hours(0, first + 25), killed_after=again)
    history.files(hours(0, first + 25))

    end = START + (first + 25) * HOUR - SETTLE
    missing, twice = complete(history, end, since=START)
    assert not missing
    places = {uuid: each for each in made if (uuid := each.uuid) in twice}
    hit = {each.inserted.replace(minute=0, second=0) for each in places.values()}
    assert len(hit) <= 2


@given(events, st.integers(1, 40), st.integers(42, 80))
def test_a_file_that_comes_late_is_read_when_it_comes(
    made: list[Event], gap: int, last: int
) -> None:
    """A window without a file is passed, and remembered."""
    history = History(made, Bookmark(), Counter())
    history.files(each for each in hours(0, last) if each.start != START + gap * HOUR)
    files = history.state.files
    assert isinstance(files, Files)
    assert files.gaps == ((START + gap * HOUR, START + (gap + 1) * HOUR),)

    needed = rule.fill(files.gaps, START + gap * HOUR, START + (gap + 1) * HOUR)
    assert needed == ()


def test_a_late_file_and_a_new_one() -> None:
    """The late file's rows are kept, whatever was sent around them."""
    made = [
        Event(START + HOUR, START + HOUR * 1.5, START + HOUR * 1.5, "late"),
        Event(START, START + HOUR * 0.5, START + HOUR * 0.5, "first"),
    ]
    history = History(made, Bookmark(), Counter())
    history.files([hours(0, 1)[0], hours(2, 3)[0]])
    assert history.sent["late"] == 0
    late = hours(1, 2)[0]
    keeping = rule.Rule(history.state, SCOPE, START + 3 * HOUR - SETTLE, MARGINS)

    assert keeping.keeps(*made[0].cells, "a")
    assert not keeping.keeps(*made[1].cells, "a")
    new = rule.passed(history.state, late, START + 3 * HOUR - SETTLE, MARGINS)
    assert new is not None
    assert new.files is not None
    assert new.files.gaps == ()
    assert not rule.Rule(new, SCOPE, START + 3 * HOUR, MARGINS).keeps(
        *made[0].cells, "a"
    )
