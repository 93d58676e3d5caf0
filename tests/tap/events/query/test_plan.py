"""The plan, over any distribution of rows in time."""

from __future__ import annotations

import bisect
import itertools
import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest
from hypothesis import strategies as st

from tap_posthog import timestamps
from tap_posthog.events.query.plan import (
    DAY,
    HOUR,
    MILLISECOND,
    Cell,
    Count,
    Planner,
    Window,
)
from tests.tap.holding import holds_for

TODAY = timestamps.ticks(datetime(2026, 11, 21, tzinfo=UTC))


@dataclass
class Server:
    """Rows at sorted ticks, and a limit on an answer's rows and on what is counted."""

    rows: list[int]
    limit: int = 50_000
    most: int | None = None
    asked: list[Count] = field(default_factory=list)

    def between(self, start: int, end: int) -> list[int]:
        """Give the rows of a range."""
        low, high = (bisect.bisect_left(self.rows, tick) for tick in (start, end))
        return self.rows[low:high]

    def count(self, question: Count) -> list[tuple[int, int]] | None:
        """Answer a histogram. None: it is too much."""
        self.asked.append(question)
        assert len(self.asked) < 20_000, "the plan asks for ever"
        rows = self.between(question.start, question.end)
        if self.most is not None and len(rows) > self.most:
            return None
        counts = Counter(tick // question.grain for tick in rows)
        return sorted(counts.items())[: self.limit]


def plan(
    server: Server, page: int, end: int = TODAY, *, meanwhile: int = 0
) -> list[Window]:
    """Plan everything from 1900 to an end."""
    cells = []
    if server.rows:
        cells = [Cell(server.rows[0], server.rows[-1] + 1, len(server.rows))]
    return windows(server, Planner(0, end, cells, page), meanwhile)


def windows(server: Server, planner: Planner, meanwhile: int = 0) -> list[Window]:
    """Answer all questions of a planner, and take windows before each answer."""
    planned: list[Window] = []
    while True:
        while question := planner.question():
            planned += itertools.islice(iter(planner.window, None), meanwhile)
            counts = server.count(question)
            if counts is not None:
                planner.answer(question, counts)
            elif not planner.too_heavy(question):
                server.most = None
        window = planner.window()
        if window is None:
            return planned
        planned.append(window)


moments = st.one_of(
    st.integers(TODAY - 400 * DAY, TODAY - 1),  # anywhere in the last year
    st.integers(0, 3 * HOUR).map(lambda n: TODAY - 30 * DAY + n),  # a burst
    st.integers(0, 2_000).map(lambda n: TODAY - 60 * DAY + n),  # two milliseconds
    st.sampled_from([0, timestamps.ticks(datetime(1970, 1, 1, tzinfo=UTC))]),
)
distributions = st.lists(moments, max_size=200).map(sorted)


@holds_for(
    distributions,
    st.sampled_from([1, 2, 5, 20, 1_000]),
    st.sampled_from([1, 3, 100, 50_000]),
    st.sampled_from([None, 3, 50]),
    examples=60,
)
def test_windows_tile_the_range_and_hold_at_most_a_page(
    rows: list[int], page: int, limit: int, most: int | None
) -> None:
    """Each row is in one window, and only one millisecond may hold more than a page."""
    server = Server(rows, limit=limit, most=most)

    planned = plan(server, page)

    if rows:
        assert planned[0].start == 0
        assert planned[-1].end == TODAY
    for before, after in itertools.pairwise(planned):
        assert before.end == after.start
    for window in planned:
        inside = server.between(window.start, window.end)
        assert window.rows == len(inside)
        assert len(inside) <= page or inside[-1] - inside[0] < MILLISECOND


@holds_for(
    distributions, st.sampled_from([1, 2, 5]), st.sampled_from([1, 3, 100]), examples=60
)
def test_windows_taken_before_an_answer_change_nothing(
    rows: list[int], page: int, meanwhile: int
) -> None:
    """What is ready may be read while a question is open."""
    server = Server(rows)

    assert plan(server, page, meanwhile=meanwhile) == plan(server, page)


@pytest.mark.parametrize("days", [1, 30, 400, 2_000])
@pytest.mark.parametrize(
    "pages_a_day", [0.002, 0.05, 0.19, 0.31, 0.45, 0.55, 0.7, 1.0, 1.3, 2.6, 4.9, 7.7]
)
def test_even_data_costs_few_queries(pages_a_day: float, days: int) -> None:
    """At most 1.15 N/page + D/100 + 10 queries in all, at any density."""
    page = max(20, min(1_000, int(80_000 / days / pages_a_day)))
    chance = random.Random(7)  # noqa: S311 - the same rows each time
    n = int(pages_a_day * page * days)
    first = TODAY - days * DAY
    server = Server(sorted(chance.randrange(first, TODAY) for _ in range(n)))

    planned = plan(server, page)

    extent_and_clock = 2
    queries = len(planned) + len(server.asked) + extent_and_clock
    assert queries <= 1.15 * n / page + days / 100 + 10


@pytest.mark.parametrize("pages_a_day", [0.02, 0.1, 0.2, 0.3])
def test_days_below_a_page_are_rarely_read_twice(pages_a_day: float) -> None:
    """A day is read by the server once for each window that touches it."""
    page, days = 500, 300
    chance = random.Random(11)  # noqa: S311 - the same rows each time
    first = TODAY - days * DAY
    n = int(pages_a_day * page * days)
    server = Server(sorted(chance.randrange(first, TODAY) for _ in range(n)))

    planned = plan(server, page)

    touched = sum(
        len({tick // DAY for tick in server.between(window.start, window.end)})
        for window in planned
    )
    assert touched <= 1.4 * days


def test_few_rows_need_no_count() -> None:
    """What fits one page is one window, over years of nothing too."""
    server = Server([1_000, TODAY - 10, TODAY - 5])

    planned = plan(server, 10)

    assert planned == [Window(0, TODAY, 3)]
    assert server.asked == []


def test_no_rows_are_no_windows() -> None:
    """An empty range costs nothing."""
    assert plan(Server([]), 10) == []


def test_a_burst_in_one_millisecond_is_one_window() -> None:
    """60,000 rows of one millisecond are found in few questions, and not cut."""
    burst = TODAY - 400 * DAY + 5 * MILLISECOND
    server = Server(sorted([burst] * 60_000 + [burst - DAY, burst + DAY]))

    planned = plan(server, 10_000)

    assert max(window.rows for window in planned) >= 60_000
    assert len(planned) <= 3
    assert len(server.asked) <= 6


def test_a_smaller_page_learned_on_the_way_replans_the_rest() -> None:
    """Windows that were not handed out yet are cut again; nothing is lost between."""
    rows = list(range(TODAY - 100 * DAY, TODAY, HOUR // 10))
    server = Server(rows)
    planner = Planner(0, TODAY, [Cell(rows[0], rows[-1] + 1, len(rows))], 1_000)
    while question := planner.question():
        planner.answer(question, server.count(question) or [])
    first = planner.window()
    assert first is not None

    planner.resize(100)
    rest = windows(server, planner)

    assert rest[0].start == first.end
    assert rest[-1].end == TODAY
    assert sum(window.rows for window in rest) == len(rows) - first.rows
    assert max(window.rows for window in rest) <= 100


def test_an_answer_that_is_cut_short_is_asked_on() -> None:
    """A server that gives 100 stretches at a time costs questions, not windows."""
    rows = list(range(TODAY - 900 * DAY, TODAY, DAY // 4))
    whole, cut = Server(rows), Server(rows, limit=100)

    assert plan(cut, 50) == plan(whole, 50)
    assert len(cut.asked) <= len(rows) / 100 + len(whole.asked) + 2


def test_cut_answers_about_several_bursts_come_to_an_end() -> None:
    """What is known finely behind a cut answer is not asked coarsely again."""
    minutes = [0] * 5 + [13, 15, 17, 20, 426, 600, 600, 692] + [700] * 4
    rows = [TODAY - DAY + minute * HOUR // 60 for minute in minutes]
    server = Server(rows, limit=2)

    planned = plan(server, 3)

    assert sum(window.rows for window in planned) == len(rows)
    assert len(server.asked) < 100


def test_a_wide_stretch_between_narrow_ones_does_not_coarsen_their_question() -> None:
    """What is counted together is cut together, however short each answer is."""
    burst, wide, late = TODAY - 400 * DAY, TODAY - 390 * DAY + HOUR, TODAY - 30 * DAY
    server = Server([burst, burst, wide, late, late + MILLISECOND], limit=1)

    planned = plan(server, 1)

    assert sum(window.rows for window in planned) == 5
    assert len(server.asked) < 100
