"""A PostHog in memory, which answers the reader's questions by looking at each row.

It stands in where a property test needs thousands of servers with arbitrary clocks;
that it answers as ClickHouse does is `test_hogql_sandbox.py`'s to show.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, assert_never

from tap_posthog import hogql, instants
from tap_posthog.errors import TooHeavyError
from tap_posthog.region import Key

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_posthog.region import Region

ENDLESS = 20_000
START = datetime(2026, 3, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Event:
    """One row, and the time from which queries see it."""

    timestamp: str
    uuid: str
    created_at: str
    visible_at: datetime
    event: str = "seen"

    @property
    def key(self) -> Key:
        """Its place in the order."""
        return Key(self.timestamp, self.uuid)


@dataclass(frozen=True, slots=True)
class Page:
    """The rows of one answer."""

    rows: list[Event]


@dataclass
class Model:
    """A server with a clock, a silent limit on rows, and one on what is too much."""

    events: list[Event]
    now: datetime = START
    limit: int = 50_000
    most_counted: int | None = None  # rows; a counting query over more meets 504
    most_read: int | None = None  # rows; a query that would give more meets 504
    hidden: Callable[[Event], bool] = lambda _: False  # counted, never given
    tick: timedelta = timedelta(0)  # what each question takes
    asked: list[hogql.Question | hogql.Rows] = field(default_factory=list)

    def ask(
        self, question: hogql.Question, *, divisible: bool = True
    ) -> list[list[Any]]:
        """Answer as ClickHouse would, cut to the silent limit."""
        self._note(question)
        if isinstance(question, hogql.Clock):
            return [[instants.spell(self.now)]]
        regions = (
            question.regions
            if isinstance(question, hogql.Extent)
            else (question.region,)
        )
        if isinstance(question, hogql.Extent) and question.settle is not None:
            until = self.now - question.settle
            regions = tuple(_settled(region, until) for region in regions)
        found = [self._visible(region, question.filters) for region in regions]
        if divisible and self.most_counted is not None:
            self._refuse(sum(map(len, found)) > self.most_counted)
        return self._answer(question, found)[: self.limit]

    def read(self, question: hogql.Rows, *, divisible: bool = True) -> Page:
        """Give a region's first rows in order, cut to the silent limit."""
        self._note(question)
        rows = sorted(
            (
                event
                for event in self._visible(question.region, question.filters)
                if not self.hidden(event)
            ),
            key=lambda event: event.key,
        )[: question.limit]
        if divisible and self.most_read is not None:
            self._refuse(len(rows) > self.most_read)
        return Page(rows[: self.limit])

    def stop(self) -> None:
        """Do nothing: no question of a model waits."""

    def _answer(
        self, question: hogql.Question, found: list[list[Event]]
    ) -> list[list[Any]]:
        events = found[0] if found else []
        match question:
            case hogql.Extent(settle=settle):
                now = [] if settle is None else [instants.spell(self.now)]
                return [
                    [n, len(each), min(times), max(times), *now]
                    for n, each in enumerate(found)
                    if (times := [event.timestamp for event in each])
                ]
            case hogql.Histogram(grain=grain):
                width = grain // instants.TICK
                counts = Counter(_ticks(event.timestamp) // width for event in events)
                return [list(item) for item in sorted(counts.items())]
            case hogql.Distinct():
                return [[len({event.key for event in events})]]
            case hogql.Hours(late_window=late_window):
                hours = Counter(
                    hour
                    for hour, *_ in {
                        (event.created_at[:13], *event.key)
                        for event in events
                        if _counts_in_hour(event, late_window)
                    }
                )
                return [[[[_hours(hour), n] for hour, n in hours.items()]]]
            case hogql.Clock():
                return [[instants.spell(self.now)]]
        assert_never(question)

    def _visible(self, region: Region, filters: hogql.Filters) -> list[Event]:
        holds = predicate(region)
        return [
            event
            for event in self.events
            if event.visible_at <= self.now
            and holds(event)
            and (not filters.include or event.event in filters.include)
            and event.event not in filters.exclude
        ]

    def _note(self, question: hogql.Question | hogql.Rows) -> None:
        self.asked.append(question)
        assert len(self.asked) < ENDLESS, "the reader asks for ever"
        self.now += self.tick

    @staticmethod
    def _refuse(heavy: bool) -> None:  # noqa: FBT001 - one caller's condition
        if heavy:
            msg = "PostHog needs too long for this query (504)"
            raise TooHeavyError(msg)


def _settled(region: Region, until: datetime) -> Region:
    """End a region where an extent that knows `settle` ends it."""
    created = min(until, region.created_before or until)
    end = region.end if region.through else min(until, region.end or until)
    return replace(region, created_before=created, end=end)


def predicate(region: Region) -> Callable[[Event], bool]:
    """Say which rows are in a region, bound by bound, as text."""
    least, most = "", "~"
    start = instants.spell(region.start) if region.start else least
    end = instants.spell(region.end) if region.end else most
    after = region.after or Key(least, least)
    through = region.through or Key(most, most)
    since = instants.spell(region.created_from) if region.created_from else least
    before = instants.spell(region.created_before) if region.created_before else most
    return lambda event: (
        start <= event.timestamp < end
        and since <= event.created_at < before
        and after < event.key <= through
    )


def _hours(name: str) -> int:
    return int(instants.read(f"{name}:00").timestamp()) // 3600


def _ticks(text: str) -> int:
    return instants.ticks(instants.read(text))


def _counts_in_hour(event: Event, late_window: timedelta) -> bool:
    end = instants.read(f"{event.created_at[:13]}:00") + timedelta(hours=1)
    return instants.read(event.timestamp) >= end - late_window
