"""The ledger: which hours it keeps, which rows it counts, what it finds grown."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tap_posthog.events.bookmark import Bookmark
from tap_posthog.events.query.dedup import Dedup
from tap_posthog.events.query.recheck import Ledger
from tap_posthog.events.region import Key, Region
from tap_posthog.events.scope import Scope
from tests.tap.model import Event

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
SCOPE, WINDOW = Scope(), 24 * HOUR
AT = Key("2026-11-21T11:00:00.000000Z", "b")


def row(timestamp: str, created_at: str, uuid: str = "a") -> Event:
    """Make a row of 21 November from two times of day."""
    return Event(f"2026-11-{timestamp}Z", uuid, f"2026-11-{created_at}Z", NOON)


def test_a_first_run_keeps_each_hour_of_the_window() -> None:
    """Hours without rows are written too, as 0: an hour that is absent is unknown."""
    ledger = Ledger.of(Bookmark(), SCOPE, WINDOW, NOON + HOUR / 2, 2)

    assert ledger.counts == {"2026-11-21T10": 0, "2026-11-21T11": 0, "2026-11-21T12": 0}


def test_an_hour_that_was_partly_read_without_a_ledger_stays_unknown() -> None:
    """Only hours that begin at C or later can be started; others need their count."""
    bookmark = Bookmark(AT, NOON - 1.5 * HOUR, ledger={"2026-11-21T09": 5})

    ledger = Ledger.of(bookmark, SCOPE, WINDOW, NOON + HOUR / 2, 4)

    assert ledger.counts == {"2026-11-21T09": 5, "2026-11-21T11": 0, "2026-11-21T12": 0}


def test_the_ledger_is_off_where_it_has_nothing_to_compare() -> None:
    """Neither without hours nor without a late window."""
    assert Ledger.of(Bookmark(), SCOPE, WINDOW, NOON, 0).counts == {}
    assert Ledger.of(Bookmark(), SCOPE, 0 * HOUR, NOON, 24).counts == {}


def test_a_row_counts_unless_it_is_too_old_for_each_late_pass_of_its_hour() -> None:
    """The hour 11 ends at noon: with a late window of a day it counts from noon."""
    ledger = Ledger({}, ["2026-11-21T11"], SCOPE, WINDOW)

    ledger.add(row("20T12:00:00.000000", "21T11:10:00.000000"))
    ledger.add(row("20T11:59:59.999999", "21T11:10:00.000000"))
    ledger.add(row("21T11:00:00.000000", "21T12:00:00.000000"))

    assert ledger.counts == {"2026-11-21T11": 1}


def test_copies_count_once_in_each_hour_that_they_were_taken_in() -> None:
    """As the server counts them: distinct events by hour of `created_at`."""
    ledger = Ledger({}, ["2026-11-21T10", "2026-11-21T11"], SCOPE, WINDOW)
    same = "21T09:00:00.000000"
    dedup = Dedup(ledger)

    kept = dedup.keep(
        [
            row(same, "21T10:10:00.000000"),
            row(same, "21T10:20:00.000000"),
            row(same, "21T11:10:00.000000"),
        ]
    )
    again = dedup.keep([row(same, "21T11:20:00.000000")])

    assert (len(kept), len(again), dedup.dropped) == (1, 0, 3)
    assert ledger.counts == {"2026-11-21T10": 1, "2026-11-21T11": 1}


def test_growth_is_found_and_a_lower_count_is_taken_over() -> None:
    """Merged copies and deletions must not hide later growth."""
    read = {"2026-11-21T09": 5, "2026-11-21T10": 5, "2026-11-21T11": 5}
    ledger = Ledger(read, read, SCOPE, WINDOW)

    grown = ledger.compare({"2026-11-21T09": 6, "2026-11-21T10": 3})

    assert grown == ["2026-11-21T09"]
    assert ledger.counts == {"2026-11-21T09": 5, "2026-11-21T10": 3, "2026-11-21T11": 0}
    assert ledger.compare({"2026-11-21T09": 5, "2026-11-21T10": 4}) == ["2026-11-21T10"]


def test_an_hour_is_read_again_as_it_was_counted() -> None:
    """Up to (B, U), before C, inside the settings' bounds, not too old."""
    scope = Scope(start=NOON - 3 * HOUR, end=NOON)
    ledger = Ledger({}, ["2026-11-21T10", "2026-11-21T11"], scope, WINDOW)
    bookmark = Bookmark(AT, NOON - HOUR / 2)

    assert ledger.hour_region("2026-11-21T11", bookmark) == Region(
        start=NOON - 3 * HOUR,
        end=NOON,
        through=AT,
        created_from=NOON - HOUR,
        created_before=NOON - HOUR / 2,
    )
    whole = ledger.region(bookmark)
    assert whole is not None
    assert (whole.created_from, whole.created_before) == (
        NOON - 2 * HOUR,
        NOON - HOUR / 2,
    )
    assert ledger.region(Bookmark()) is None
