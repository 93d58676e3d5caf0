"""A PostHog in memory, which answers the reader's questions by looking at each row.

It stands in where a property test needs thousands of servers with arbitrary clocks;
that it answers as ClickHouse does is `test_questions_sandbox.py`'s to show.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, assert_never

from tap_posthog import timestamps
from tap_posthog.errors import TooHeavyError
from tap_posthog.events.query import questions
from tap_posthog.events.query.source import Page
from tap_posthog.events.region import Key

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_posthog.events.region import Region

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
    distinct_id: str = "d"

    @property
    def key(self) -> Key:
        """Its place in the order."""
        return Key(self.timestamp, self.uuid)

    @property
    def identity(self) -> tuple[str, str, str, str]:
        """What PostHog's table tells it apart by."""
        return (self.timestamp, self.uuid, self.event, self.distinct_id)


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
    row_bytes: int = 100
    asked: list[questions.Question | questions.Rows] = field(default_factory=list)

    def ask(
        self, question: questions.Question, *, divisible: bool = True
    ) -> list[list[Any]]:
        """Answer as ClickHouse would, cut to the silent limit."""
        self._note(question)
        if isinstance(question, questions.Clock):
            return [[timestamps.spell(self.now)]]
        found = [self._visible(region) for region in self._regions(question)]
        if divisible and self.most_counted is not None:
            self._refuse(sum(map(len, found)) > self.most_counted)
        return self._answer(question, found)[: self.limit]

    def read(self, question: questions.Rows, *, divisible: bool = True) -> Page:
        """Give a page in parts, some of them empty."""
        rows = self.rows(question, divisible=divisible)
        cuts = sorted(len(self.asked) * prime % (len(rows) + 1) for prime in (7, 11))
        parts = rows[: cuts[0]], rows[cuts[0] : cuts[1]], rows[cuts[1] :]
        return Page(iter(parts), self.row_bytes * len(rows))

    def rows(self, question: questions.Rows, *, divisible: bool = True) -> list[Event]:
        """Give a region's first rows in order, cut to the silent limit."""
        self._note(question)
        place = question.behind and _order(
            Event(
                *question.behind[:2],
                question.behind.created_at,
                START,
                *question.behind[2:4],
            )
        )
        rows = sorted(
            (
                event
                for event in self._visible(question.region)
                if not self.hidden(event) and (not place or _order(event) > place)
            ),
            key=_order,
        )[: question.limit]
        if divisible and self.most_read is not None:
            self._refuse(len(rows) > self.most_read)
        return rows[: self.limit]

    def stop(self) -> None:
        """Do nothing: no question of a model waits."""

    def _regions(self, question: questions.Question) -> tuple[Region, ...]:
        if isinstance(question, questions.Clock):
            return ()
        if not isinstance(question, questions.Extent):
            return (question.region,)
        regions, ahead = question.regions, question.ahead
        if question.settle is not None:
            until = self.now - question.settle
            regions = tuple(_settled(region, until) for region in regions)
            ahead = ahead and replace(
                ahead,
                start=max(self.now + timestamps.TICK, ahead.start or self.now),
                created_before=until,
            )
        return (*regions, ahead) if ahead else regions

    def _answer(
        self, question: questions.Question, found: list[list[Event]]
    ) -> list[list[Any]]:
        events = found[0] if found else []
        match question:
            case questions.Extent(settle=settle):
                now = [] if settle is None else [timestamps.spell(self.now)]
                return [
                    [n, len(each), min(times), max(times), *now]
                    for n, each in enumerate(found)
                    if (times := [event.timestamp for event in each])
                ]
            case questions.Histogram(grain=grain):
                width = grain // timestamps.TICK
                counts = Counter(_ticks(event.timestamp) // width for event in events)
                return [list(item) for item in sorted(counts.items())]
            case questions.Distinct():
                return [[len({event.identity for event in events})]]
            case questions.Hours(late_window=late_window):
                hours = Counter(
                    hour
                    for hour, *_ in {
                        (event.created_at[:13], *event.identity)
                        for event in events
                        if _counts_in_hour(event, late_window)
                    }
                )
                return [[[[_hours(hour), n] for hour, n in hours.items()]]]
            case questions.Clock():
                return [[timestamps.spell(self.now)]]
        assert_never(question)

    def _visible(self, region: Region) -> list[Event]:
        holds = predicate(region)
        return [
            event
            for event in self.events
            if event.visible_at <= self.now and holds(event)
        ]

    def _note(self, question: questions.Question | questions.Rows) -> None:
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
    start = timestamps.spell(region.start) if region.start else least
    end = timestamps.spell(region.end) if region.end else most
    after = region.after or Key(least, least)
    through = region.through or Key(most, most)
    since = timestamps.spell(region.created_from) if region.created_from else least
    before = timestamps.spell(region.created_before) if region.created_before else most
    return lambda event: (
        start <= event.timestamp < end
        and since <= event.created_at < before
        and after < event.key <= through
        and event.event in region.names
    )


def _order(event: Event) -> tuple[Any, ...]:
    """Order as `questions.Rows` asks: of copies the latest first."""
    return (*event.identity, -_ticks(event.created_at))


def _hours(name: str) -> int:
    return int(timestamps.read(f"{name}:00").timestamp()) // 3600


def _ticks(text: str) -> int:
    return timestamps.ticks(timestamps.read(text))


def _counts_in_hour(event: Event, late_window: timedelta) -> bool:
    end = timestamps.read(f"{event.created_at[:13]}:00") + timedelta(hours=1)
    return timestamps.read(event.timestamp) >= end - late_window
