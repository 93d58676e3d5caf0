"""Reads one table by its key, page after page, and compares it with PostHog's counts.

    plan    how many of the next rows are there, and where is the last of them?
    page    those rows
    count   only where fewer came: how many are there now?

A stretch that gave fewer rows than PostHog counted both before and after is read once
more, and is a gap then. Rows that come meanwhile do no harm, nor do those that go.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from tap_posthog import timestamps
from tap_posthog.declarations.columns import value
from tap_posthog.errors import AuditError, TooHeavyError
from tap_posthog.tables.answers import moment
from tap_posthog.tables.ranges import Hour

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from tap_posthog.progress import Stats
    from tap_posthog.tables.answers import Answers, Row
    from tap_posthog.tables.questions import Place, Questions

    Hours = list[Hour]

logger = logging.getLogger("tap-posthog")

SPARE = 50  # one in so many rows of a page is left for those that come meanwhile
PAGE_BYTES = 64_000_000  # of one answer, unpacked
LONG_AGO = datetime(2015, 1, 1, tzinfo=UTC)  # before PostHog
HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Stretch:
    """Rows, or the place behind those before it, from which to go on."""

    rows: Sequence[Row]  # each its columns, without its place
    reached: tuple[Any, ...] | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What PostHog counts of the next rows.

    Attributes:
        rows: How many there are.
        last: Where the last of them is.
        is_all: Whether they are all that there are.
    """

    rows: int
    last: tuple[Any, ...] = ()
    is_all: bool = True


class TableReader:
    """Reads what lies behind a place, in the order of the key."""

    def __init__(  # noqa: PLR0913 - its parts arrive built
        self,
        name: str,
        answers: Answers,
        questions: Questions,
        *,
        page_size: int,
        first_rows: int,
        audit: bool,
        stats: Stats,
    ) -> None:
        """Take the stream's name, who answers, what to ask, and how many rows."""
        self._name = name
        self._answers = answers
        self._questions = questions
        self._most = page_size
        self._limit = min(first_rows, page_size)
        self._audit = audit
        self._stats = stats

    @property
    def rows_a_stretch(self) -> int:
        """How many rows are read before the next place to go on from."""
        return self._limit - self._limit // SPARE

    def first(self, after: Place) -> tuple[datetime, Plan | None]:
        """Ask what time it is at the server, and what comes behind a place."""
        limit = self.rows_a_stretch
        question = self._questions.plan(after, limit, clock=True)
        try:
            return self._answers.ask(
                question,
                lambda rows: (moment(rows[0][2]), self._planned(rows[0], limit)),
            )
        except TooHeavyError:
            return self._answers.now(), None

    def hours(self, after: Place) -> tuple[datetime, Hours]:
        """Ask what time it is at the server, and how many rows each hour has."""
        try:
            return self._hours(after)
        except TooHeavyError:
            now = self._answers.now()
        begin, end = timestamps.spell(LONG_AGO), timestamps.spell(now)
        parts = (("", begin), (begin, end), (end, ""))
        return now, [pair for part in parts for pair in self._between(after, *part)]

    def read(
        self, after: Place, *, plan: Plan | None = None, before: str = ""
    ) -> Iterator[Stretch]:
        """Read all that lies behind a place, and before an instant.

        Args:
            after: The place.
            plan: What PostHog was asked of the first stretch.
            before: The instant; empty: none.

        Raises:
            AuditError: PostHog counts more rows than it gives.
            PostHogError: it refused a question.
        """
        place: Place | None = after
        while place is not None:
            if plan is None and self._audit:
                plan = self._plan(place, before)
            if plan and not plan.rows:
                return
            place = yield from self._stretch(place, plan, before)
            plan = None

    def _stretch(
        self, after: Place, plan: Plan | None, before: str
    ) -> Generator[Stretch, None, Place | None]:
        """Read what was planned. Return where to go on; None: there is no more."""
        through = () if plan is None or plan.is_all else plan.last
        expected = plan.rows if plan else None
        counted = 0
        for last_try in (False, True):
            got, place = yield from self._pages(after, through, before, plan)
            if expected is None or got >= expected:
                break
            counted = self._count(after, through, before)
            if got >= counted:
                break
            if last_try:
                raise AuditError(self._gap(min(expected, counted) - got, counted))
            expected = counted
        self._stats.planned += got if expected is None else max(got, counted)
        reached = through or place
        if reached != after:
            yield Stretch((), tuple(reached))
        return through or None

    def _pages(
        self, after: Place, through: Place, before: str, plan: Plan | None
    ) -> Generator[Stretch, None, tuple[int, Place]]:
        """Read until there is no more, or to the last row that was planned.

        A short page proves nothing: the server may have cut it, and rows that came
        meanwhile may stand for those that were planned.
        """
        got, place = 0, after
        while True:
            rows, place = yield from self._page(place, through, before)
            got += rows
            self._stats.read += rows
            if not rows or (plan and place == plan.last):
                return got, place
            if plan is None:
                yield Stretch((), tuple(place))

    def _page(
        self, after: Place, through: Place, before: str
    ) -> Generator[Stretch, None, tuple[int, Place]]:
        order = len(self._questions.order)
        width = 1 + order + len(self._questions.columns)
        while True:
            limit = self._limit
            question = self._questions.page(
                after, limit, through=through, before=before
            )
            try:
                page = self._answers.page(question, width, divisible=limit > 1)
                break
            except TooHeavyError:
                self._limit = self._most = max(1, limit // 2)
                logger.info(
                    "%s: %s rows are too much for one query, asking for %s",
                    self._name,
                    f"{limit:,}",
                    f"{self._limit:,}",
                )
        count, place = 0, after
        for rows in page.parts:
            if rows:
                count += len(rows)
                place = self._place(rows[-1][1 : 1 + order])
                for row in rows:
                    del row[: 1 + order]
                yield Stretch(rows)
        if count:
            self._limit = max(1, min(self._most, PAGE_BYTES * count // page.nbytes))
        return count, place

    def _place(self, cells: Sequence[msgspec.Raw]) -> tuple[Any, ...]:
        """Return a row's key as it goes into the state."""
        pairs = zip(self._questions.order, cells, strict=True)
        return tuple(value(column.kind, cell) for column, cell in pairs)

    def _plan(self, after: Place, before: str) -> Plan | None:
        """Ask what comes next. None: that was too much for one query."""
        limit = self.rows_a_stretch
        question = self._questions.plan(after, limit, before=before)
        try:
            return self._answers.ask(
                question, lambda rows: self._planned(rows[0], limit)
            )
        except TooHeavyError:
            logger.warning(
                "%s: its rows are too much for PostHog to count, so they are not "
                "compared with its count",
                self._name,
            )
            self._audit = False
            return None

    def _planned(self, row: list[Any], limit: int) -> Plan | None:
        rows = int(row[0])
        if not self._audit:
            return None if rows else Plan(0)
        return Plan(rows, self._given_place(row[1]) if rows else (), rows < limit)

    def _given_place(self, values: Sequence[Any]) -> tuple[Any, ...]:
        """Return the place that stands in an answer that was decoded."""
        return self._place([msgspec.Raw(msgspec.json.encode(v)) for v in values])

    def _count(self, after: Place, through: Place, before: str) -> int:
        question = self._questions.count(after, through=through, before=before)
        return self._answers.ask(question, lambda rows: int(rows[0][0]))

    def _hours(
        self, after: Place, since: str = "", before: str = ""
    ) -> tuple[datetime, Hours]:
        question = self._questions.hours(after, since=since, before=before)
        return self._answers.ask(
            question,
            lambda rows: (
                moment(rows[0][1]),
                [
                    Hour(int(hour), int(count), self._given_place(last))
                    for hour, count, last in rows[0][0]
                ],
            ),
        )

    def _between(self, after: Place, since: str, before: str) -> Hours:
        """Count the hours of a time, in halves where it is too much."""
        try:
            return self._hours(after, since, before)[1]
        except TooHeavyError:
            if not since or not before:
                raise
            begin, end = timestamps.read(since), timestamps.read(before)
            if end - begin <= HOUR:
                raise
            middle = timestamps.spell(begin + (end - begin) / 2)
        return self._between(after, since, middle) + self._between(
            after, middle, before
        )

    def _gap(self, missing: int, counted: int) -> str:
        return (
            f"{self._name}: PostHog counts {counted:,} rows where it gives "
            f"{missing:,} fewer, twice in a row. The state stays before them; run "
            "again later, and tell PostHog's support if it stays so"
        )
