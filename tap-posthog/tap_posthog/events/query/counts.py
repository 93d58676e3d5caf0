"""The small questions: how many rows are where. Asks them, and halves what is too much.

What follows from a count is `plan.py`'s and `recheck.py`'s.
"""

from __future__ import annotations

import logging
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from tap_posthog import timestamps
from tap_posthog.errors import TooHeavyError
from tap_posthog.events.query import questions
from tap_posthog.events.query.plan import UNKNOWN, Cell

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from concurrent.futures import Executor, Future
    from datetime import timedelta

    from tap_posthog.events.query.plan import Count, Planner, Window
    from tap_posthog.events.query.source import Source
    from tap_posthog.events.region import Region

logger = logging.getLogger("tap-posthog")


class Extents(NamedTuple):
    """Where the rows of several regions lie, and how many they are."""

    cells: list[list[Cell]]  # of each region that was asked about
    ahead: int = 0  # rows dated later than the server's now
    ahead_until: str = ""  # the latest timestamp among them
    until: datetime | None = None  # ingested before this; None: not asked, or no rows


class Counts:
    """Asks a source for counts, through the pool that bounds what is in flight."""

    def __init__(self, source: Source, pool: Executor) -> None:
        """Take who answers, and who asks."""
        self._source = source
        self._pool = pool
        self._in_smaller_parts = False  # said once a run

    def now(self) -> datetime:
        """Read the server's clock."""
        ((now,),) = self._ask(questions.Clock(), divisible=False)
        return timestamps.read(now)

    def extents(
        self, regions: Sequence[Region | None], ahead: Region | None = None
    ) -> Extents:
        """Say where each region's rows lie and how many they are, in one query.

        No cell: the region has no rows, or is None. A region that is too much to count
        is one cell that is not counted yet. Rows `ahead` are counted beside them.
        """
        try:
            return self._extents(regions, ahead)
        except TooHeavyError:
            asked = [region for region in regions if region]
            if len(asked) > 1:
                return Extents([self.extents([each]).cells[0] for each in regions])
            return Extents([[_uncounted(each)] if each else [] for each in regions])

    def news(
        self, regions: Sequence[Region | None], ahead: Region, settle: timedelta
    ) -> Extents | None:
        """Say it of what has settled only, and since when, in the same query.

        None: it is too much for that.
        """
        try:
            return self._extents(regions, ahead, settle)
        except TooHeavyError:
            return None

    def _extents(
        self,
        regions: Sequence[Region | None],
        ahead: Region | None,
        settle: timedelta | None = None,
    ) -> Extents:
        found = Extents([[] for _ in regions])
        asked = [(n, region) for n, region in enumerate(regions) if region]
        if not asked:
            return found
        question = questions.Extent(tuple(region for _, region in asked), settle, ahead)
        for index, rows, first, last, *now in self._ask(question):
            if not rows:
                continue
            if index == len(asked):
                found = found._replace(ahead=rows, ahead_until=last)
                continue
            start = timestamps.ticks(timestamps.read(first))
            end = timestamps.ticks(timestamps.read(last)) + 1
            found.cells[asked[index][0]].append(Cell(start, end, rows))
            if settle is not None:
                until = timestamps.before(timestamps.read(now[0]), settle)
                found = found._replace(until=until)
        return found

    def windows(self, region: Region, planner: Planner) -> Iterator[Window]:
        """Cut a region. Where the planner needs a histogram, it is asked on the way."""
        asked: tuple[Count, Future[list[list[Any]]]] | None = None
        while True:
            question = None if asked else planner.question()
            if question:
                asked = question, self._submit(self._histogram(region, question))
            window = None if asked and asked[1].done() else planner.window()
            if window:
                yield window
            elif asked:
                self._take(region, planner, *asked)
                asked = None
            else:
                return

    def _histogram(self, region: Region, question: Count) -> questions.Histogram:
        return questions.Histogram(
            region.between(question.start, question.end),
            question.grain * timestamps.TICK,
            questions.MOST_ROWS,
        )

    def _take(
        self,
        region: Region,
        planner: Planner,
        question: Count,
        answer: Future[list[list[Any]]],
    ) -> None:
        try:
            counts = answer.result()
        except TooHeavyError:
            if planner.too_heavy(question):
                if not self._in_smaller_parts:
                    logger.info(
                        "Counting in smaller parts: too many events for one query"
                    )
                self._in_smaller_parts = True
                return
            histogram = self._histogram(region, question)
            counts = self._ask(histogram, divisible=False)
        planner.answer(question, [(int(number), int(rows)) for number, rows in counts])

    def distinct(self, region: Region) -> int:
        """Count a region's events, each once however many copies it has."""
        question = questions.Distinct(region)
        return sum(int(row[0]) for row in self._in_parts(question))

    def by_hour(self, region: Region, late_window: timedelta) -> dict[str, int]:
        """Count events by hour of `created_at`, named as in the ledger."""
        counts: Counter[str] = Counter()
        question = questions.Hours(region, late_window)
        for (hours,) in self._in_parts(question):
            for hour, events in hours:
                start = datetime.fromtimestamp(int(hour) * 3600, UTC)
                counts[timestamps.hour(start)] += int(events)
        return dict(counts)

    def _in_parts(
        self, question: questions.Distinct | questions.Hours
    ) -> list[list[Any]]:
        """Count events; what is too much for one query in halves, which add up."""
        start, end = question.region.first_tick, question.region.end_tick
        try:
            return self._ask(question, divisible=end - start > 1)
        except TooHeavyError:
            middle = (start + end) // 2
            return [
                *self._in_parts(question.between(start, middle)),
                *self._in_parts(question.between(middle, end)),
            ]

    def _ask(
        self, question: questions.Question, *, divisible: bool = True
    ) -> list[list[Any]]:
        return self._submit(question, divisible=divisible).result()

    def _submit(
        self, question: questions.Question, *, divisible: bool = True
    ) -> Future[list[list[Any]]]:
        return self._pool.submit(self._source.ask, question, divisible=divisible)


def _uncounted(region: Region) -> Cell:
    return Cell(region.first_tick, region.end_tick, UNKNOWN, counted=False)
