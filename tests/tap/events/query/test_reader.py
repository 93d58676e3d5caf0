"""The reader at work: what is under way at once, what it holds, how it ends."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tap_posthog import timestamps
from tap_posthog.errors import AuditError, GaveUpError, QueryError
from tap_posthog.events.bookmark import Bookmark
from tap_posthog.events.query import questions
from tap_posthog.events.query.counts import Counts
from tap_posthog.events.query.plan import DAY, SPARE, Cell, Planner
from tap_posthog.events.query.reader import ARRIVED, Reader
from tap_posthog.events.query.source import Page
from tap_posthog.events.query.windows import PAGE_BYTES
from tap_posthog.events.region import Region
from tap_posthog.progress import Stats
from tests.tap.events.query.test_reader_model import event
from tests.tap.history import History, choose
from tests.tap.model import START, Event, Model

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_posthog.events.batch import Batch
    from tap_posthog.settings.settings import Settings

HELD = 2
PATIENCE = 30  # seconds, for what takes microseconds on an idle machine


class Slow(Model):
    """A model that takes a moment for each page, and notes how many it gave."""

    def __init__(self, *, rows: int, fail_at: int | None = None) -> None:
        super().__init__(
            [event(n) for n in range(rows)], now=START + timedelta(days=30)
        )
        self.lock = threading.Lock()
        self.reads = 0
        self.fail_at = fail_at

    def rows(self, question: questions.Rows, *, divisible: bool = True) -> list[Event]:
        """Answer, or fail at a given page."""
        with self.lock:
            self.reads += 1
            failing = self.reads == self.fail_at
        if failing:
            msg = "waited long enough"
            raise GaveUpError(msg)
        time.sleep(0.002)
        return super().rows(question, divisible=divisible)

    def wait_for_reads(self, count: int) -> bool:
        """Wait until so many pages were asked for."""
        deadline = time.monotonic() + PATIENCE
        while self.reads < count and time.monotonic() < deadline:
            time.sleep(0.001)
        return self.reads >= count


def batches_of(
    model: Model, chosen: Settings, stats: Stats | None = None
) -> Iterator[Batch]:
    """Read from nothing."""
    reader = Reader(model, chosen, columns=(), stats=stats or Stats())
    return reader.batches(Bookmark())


@pytest.mark.parametrize("most", [1, 2, 3])
def test_the_next_page_is_on_its_way_while_one_is_used(most: int) -> None:
    """And no more than a few: memory is bounded by pages, not by the plan."""
    model = Slow(rows=300)
    batches = batches_of(model, choose(page_size=3, max_concurrent_queries=most))
    while not next(batches).rows:
        pass

    assert model.wait_for_reads(2)
    time.sleep(0.05)
    assert model.reads <= 1 + most + ARRIVED
    batches.close()  # type: ignore[attr-defined]  # it is a generator


class Holding(Model):
    """A model that keeps an answer back: the second histogram."""

    def __init__(self, rows: list[Event]) -> None:
        super().__init__(rows, now=START + timedelta(days=100))
        self.histograms = 0
        self.held, self.free = threading.Event(), threading.Event()

    def ask(
        self, question: questions.Question, *, divisible: bool = True
    ) -> list[list[Any]]:
        """Wait to be set free, where it is that question's turn."""
        self.histograms += isinstance(question, questions.Histogram)
        if self.histograms == HELD:
            self.held.set()
            assert self.free.wait(PATIENCE), "nobody reads on meanwhile"
        return super().ask(question, divisible=divisible)


def test_the_next_histogram_is_on_its_way_while_windows_are_left() -> None:
    """A long backfill does not stand still whenever it has to look ahead."""
    model = Holding([event(n * 60.0) for n in range(2_000)])
    first = timestamps.ticks(START)
    region = Region(start=START, end=START + timedelta(days=90))
    days = [Cell(first + n * DAY, first + (n + 1) * DAY, 24) for n in range(83)]
    cells = [*days, Cell(first + 83 * DAY, first + 84 * DAY, 8)]
    planner = Planner(region.first_tick, region.end_tick, cells, 2)
    with ThreadPoolExecutor(1) as pool:
        counts = Counts(model, pool)
        windows = counts.windows(region, planner)
        planned = []
        while not model.held.is_set():
            planned.append(next(windows))
            answered = pool.submit(int)  # behind the histogram that may be asked
            while not answered.done() and not model.held.wait(0.01):
                pass
        planned += [next(windows) for _ in range(SPARE - 2)]
        model.free.set()
        planned += windows

    assert sum(window.rows for window in planned) == len(model.events)


def test_threads_end_with_the_reader() -> None:
    """Whoever stops in the middle leaves nothing behind."""
    before = threading.active_count()
    batches = batches_of(Slow(rows=300), choose())
    next(batches)

    batches.close()  # type: ignore[attr-defined]  # it is a generator

    assert threading.active_count() == before


def test_an_error_comes_out_after_the_good_pages_before_it() -> None:
    """What was read is written, and the state behind it, before the run ends."""
    model = Slow(rows=90, fail_at=5)
    history = History(choose(page_size=3, max_concurrent_queries=1))

    with pytest.raises(GaveUpError):
        history.run(model)

    assert len(history.sent) == 12
    assert Bookmark.from_state(history.state).at == history.sent[-1]


def test_rows_out_of_order_stop_the_run() -> None:
    """A server that sorts otherwise would make the keyset lose rows."""

    class Unsorted(Model):
        def rows(
            self, question: questions.Rows, *, divisible: bool = True
        ) -> list[Event]:
            return super().rows(question, divisible=divisible)[::-1]

    model = Unsorted([event(1), event(2)], now=START + timedelta(days=1))

    with pytest.raises(QueryError, match="out of order"):
        History(choose()).run(model)


def test_a_gap_ends_the_waits_of_other_pages() -> None:
    """The run stops at once, however long a limit holds what was asked ahead."""

    class Limited(Model):
        stopped = threading.Event()

        def rows(
            self, question: questions.Rows, *, divisible: bool = True
        ) -> list[Event]:
            page = super().rows(question, divisible=divisible)
            if page and page[0].key == event(4).key:
                self.stopped.wait(PATIENCE * 2)
            return page

        def stop(self) -> None:
            self.stopped.set()

    gap = event(3)
    model = Limited(
        [event(n) for n in range(40)],
        now=START + timedelta(days=30),
        hidden=lambda each: each.key == gap.key,
    )
    began = time.monotonic()

    with pytest.raises(AuditError):
        History(choose(page_size=4)).run(model)
    assert time.monotonic() - began < PATIENCE


def test_copies_are_sent_once_and_counted() -> None:
    """Rows that PostHog has not merged yet, also where a page ends between two."""
    events = [event(n // 3) for n in range(60)]
    model = Model(events, now=START + timedelta(days=1))
    stats = Stats()
    batches = batches_of(model, choose(page_size=4), stats)

    sent = [row for batch in batches for row in batch.rows]

    assert sent == events[::3]
    assert stats.read - stats.duplicates == 20


def test_one_millisecond_with_more_rows_than_pages_hold_is_paged() -> None:
    """By the key, in order, with a state when all of it has passed."""
    events = [event(10, uuid=n) for n in range(100)]
    history = History(choose(page_size=7))

    history.run(Model(events, now=START + timedelta(days=1)))

    assert history.sent == [each.key for each in events]


def test_a_first_run_learns_the_clock_with_the_count() -> None:
    """What nobody has to wait for twice: a backfill's pages come a query sooner."""
    model = Model([event(0)], now=START + timedelta(hours=1))
    history = History(choose())

    history.run(model)

    assert [type(question).__name__ for question in model.asked] == ["Extent", "Rows"]
    assert history.sent == [event(0).key]


def test_a_first_run_over_nothing_ends() -> None:
    """The next one begins at the start again, and finds what has come."""
    model = Model([], now=START)
    history = History(choose())
    history.run(model)
    model.events.append(event(0))
    model.now += timedelta(hours=1)

    history.run(model)

    assert history.sent == [event(0).key]


def test_a_run_with_few_rows_costs_few_queries() -> None:
    """Clock, recheck, one extent for both passes, and a page for each."""
    model = Model([event(n) for n in range(50)], now=START + timedelta(hours=2))
    chosen = choose(page_size=1_000, recheck_hours=24)
    history = History(chosen)
    history.run(model)
    model.events += [event(30, late=100), event(130)]
    model.asked.clear()
    model.now += timedelta(hours=1)

    history.run(model)

    labels = [type(question).__name__ for question in model.asked]
    assert labels == ["Clock", "Hours", "Extent", "Rows", "Rows"]


def test_a_followers_cycle_between_two_looks_back_costs_two_queries() -> None:
    """One count, which brings the clock along, and a page; without news one count."""
    model = Model([event(0)], now=START + timedelta(hours=1))
    history = History(choose())
    history.run(model)
    model.events.append(event(60))
    model.now += timedelta(minutes=5)
    model.asked.clear()

    history.run(model, look_back=False)
    first = [type(question).__name__ for question in model.asked]
    history.run(model, look_back=False)

    assert first == ["Extent", "Rows"]
    assert [type(question).__name__ for question in model.asked[2:]] == ["Extent"]
    assert history.sent == [event(0).key, event(60).key]


def test_a_cycle_without_news_leaves_the_bookmark_and_writes_it_again() -> None:
    """What settles later was ingested after the same C as before."""
    model = Model([event(0)], now=START + timedelta(hours=1))
    history = History(choose())
    history.run(model)
    before = history.state["ingested_before"]
    model.events.append(event(65))
    model.now += timedelta(minutes=5, seconds=30)  # 30 seconds old: not settled yet

    history.run(model, look_back=False)

    assert history.state["ingested_before"] == before
    assert history.states == 2


def test_a_followers_count_that_is_too_much_is_asked_in_parts() -> None:
    """Then the clock is asked by itself, as in any run."""
    model = Model([event(0)], now=START + timedelta(hours=1), most_counted=2)
    history = History(choose(page_size=2))
    history.run(model)
    model.events += [event(60 + n / 10) for n in range(9)]
    model.now += timedelta(minutes=5)
    model.asked.clear()

    history.run(model, look_back=False)

    labels = [type(question).__name__ for question in model.asked]
    assert labels[:3] == ["Extent", "Clock", "Extent"]
    assert history.sent == [each.key for each in model.events]


def test_a_server_clock_that_stepped_back_moves_nothing() -> None:
    """The run reads nothing, says why, and the state stays."""
    model = Model([event(0)], now=START + timedelta(hours=5))
    history = History(choose())
    history.run(model)
    state = history.state
    model.events.append(event(60))
    model.now -= timedelta(hours=2)

    history.run(model)

    assert len(history.sent) == 1
    assert history.state == state
    assert "Nothing to read yet" in history.logged[-1]


def test_an_empty_project_leaves_no_state() -> None:
    """A state without a bookmark could only be mixed into an older one."""
    model = Model([], now=START + timedelta(hours=1))
    history = History(choose())

    history.run(model)

    assert history.state == {}
    model.events.append(event(10))
    history.run(model)
    assert history.sent == [event(10).key]


def test_names_choose_the_events() -> None:
    """Included names only, without the excluded ones."""
    events = [event(n, name="abc"[n % 3]) for n in range(9)]
    history = History(choose(include_events=("a", "b"), exclude_events=("b",)))

    history.run(Model(events, now=START + timedelta(days=1)))

    assert history.sent == [each.key for each in events if each.event == "a"]


def test_windows_are_aimed_at_a_pages_bytes() -> None:
    """Where events are large fewer are asked for at once, and more again after them."""

    class Large(Model):
        def read(self, question: questions.Rows, *, divisible: bool = True) -> Page:
            rows = self.rows(question, divisible=divisible)
            each = PAGE_BYTES // 20 if rows and rows[0] in first else 1
            return Page(iter([rows]), each * len(rows))

    events = [event(n) for n in range(4000)]
    first = set(events[:2000])
    model = Large(events, now=START + timedelta(days=30))

    sent = [b.rows for b in batches_of(model, choose(page_size=100))]
    limits = [each.limit for each in model.asked if isinstance(each, questions.Rows)]

    assert [row for rows in sent for row in rows] == events
    assert limits[0] == limits[-1] == 100
    assert limits.count(20) >= 2000 / 20 * 0.7


@pytest.mark.parametrize("lost", [1, 2, 3])
def test_what_an_answer_leaves_out_at_its_end_is_asked_for_again(lost: int) -> None:
    """An answer that is cut at its largest size, or broken behind good parts."""

    class Cut(Model):
        def read(self, question: questions.Rows, *, divisible: bool = True) -> Page:
            page = super().read(question, divisible=divisible)
            rows = [row for part in page.parts for row in part]
            return Page(iter([rows[: max(1, len(rows) - lost)]]), page.nbytes)

    events = [event(n) for n in range(60)]
    model = Cut(events, now=START + timedelta(days=30))

    batches = batches_of(model, choose(page_size=7, audit=True))
    sent = [row for batch in batches for row in batch.rows]

    assert sent == events
