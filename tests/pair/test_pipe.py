"""The tap piped into the target: what is in PostHog is in the webhook, once."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from tests.pair.ends import START

if TYPE_CHECKING:
    from tests.pair.ends import Ends

ROWS = 20_000


def test_every_event_comes_through_once(ends: Ends) -> None:
    """A backfill leaves each event in the webhook's table exactly once."""
    ends.ingest(ROWS, apart=timedelta(minutes=4))
    ends.pipe().run()

    assert ends.arrived() == dict.fromkeys(ends.sent(), 1)


def test_a_second_run_brings_only_what_is_new(ends: Ends) -> None:
    """With the state of the run before come the new events and the late ones alone."""
    ends.ingest(ROWS)
    pipe = ends.pipe()
    pipe.run()
    ends.ingest_now(300, first=START + timedelta(hours=2))
    ends.ingest_now(200, first=START + timedelta(days=1))
    pipe.run()
    after_two = ends.arrived()
    requests = len(ends.sandbox.requests())
    pipe.run()

    assert after_two == dict.fromkeys(ends.sent(), 1)
    assert len(after_two) == ROWS + 500
    assert ends.arrived() == after_two
    assert len(ends.sandbox.requests()) - requests <= 5


def test_records_keep_the_bytes_that_posthog_holds(ends: Ends) -> None:
    """No number of `properties` is rounded and no character changed on the way."""
    ends.ingest(100)
    ends.pipe().run()

    held = [row[0] for row in ends.sandbox.sql("select properties from events")]
    records = ends.records()
    assert len(records) == len(held)
    for properties in held:
        assert sum(f'"properties":{properties}' in record for record in records) == 1


def test_an_empty_project_sends_nothing(ends: Ends) -> None:
    """Where there is nothing yet, both end well, and what comes later is found."""
    pipe = ends.pipe()
    pipe.run()
    empty = ends.arrived()
    ends.ingest_now(10, first=START)
    pipe.run()

    assert not empty
    assert ends.arrived() == dict.fromkeys(ends.sent(), 1)
