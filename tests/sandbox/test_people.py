"""The people whose events the demo moves: always the same, and like real ones."""

from __future__ import annotations

import statistics
import subprocess
import sys
import uuid
from collections import Counter
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from sandbox.browsing import Event
from sandbox.people import EVENTS, history, later

UNTIL = datetime(2026, 11, 21, 17, tzinfo=UTC)
NEXT = UNTIL + timedelta(hours=1)


@pytest.fixture(scope="module")
def events() -> list[Event]:
    """Give the whole history."""
    return history(UNTIL)


@pytest.fixture(scope="module")
def more() -> list[Event]:
    """Give the first events after it."""
    return later(UNTIL, NEXT, round_=1, history_until=UNTIL)


def test_there_are_exactly_as_many_as_promised(events: list[Event]) -> None:
    """20,000 events of 60 days, in order, none twice, none after the end."""
    instants = [event.timestamp for event in events]

    assert len(events) == len({event.uuid for event in events}) == EVENTS == 20_000
    assert instants == sorted(instants)
    assert UNTIL - timedelta(days=60) <= instants[0]
    assert instants[-1] < UNTIL
    assert (instants[-1] - instants[0]).days >= 55


def test_the_same_seed_gives_the_same_events() -> None:
    """Another process makes the same events, and another seed makes others."""
    made = history(UNTIL, count=500)
    script = (
        "import sys, msgspec; from datetime import *; from sandbox.people import *;"
        f"at = datetime.fromisoformat('{UNTIL.isoformat()}');"
        "sys.stdout.buffer.write(msgspec.json.encode(history(at, count=500)))"
    )
    other = subprocess.run([sys.executable, "-c", script], stdout=-1, check=True)

    assert msgspec.json.decode(other.stdout, type=list[Event]) == made
    assert not {e.uuid for e in history(UNTIL, seed=2, count=500)} & {
        e.uuid for e in made
    }


def test_events_look_like_posthogs(events: list[Event]) -> None:
    """UUIDs of their instant, whole milliseconds, sessions, 1 KB of properties."""
    for event in events:
        made = uuid.UUID(event.uuid)
        assert made.version == 7
        assert made.int >> 80 == round(event.timestamp.timestamp() * 1000)
        assert event.timestamp.microsecond % 1000 == 0
        assert {"$session_id", "$window_id", "$device_id", "$ip"} <= set(
            event.properties
        )
        assert event.properties["$current_url"].startswith("https://")
    sizes = [len(msgspec.json.encode(event.properties)) for event in events]
    assert 800 < statistics.median(sizes) < 1600
    text = msgspec.json.encode([event.properties for event in events]).decode()
    assert not text.isascii()
    assert any(isinstance(event.properties.get("items"), list) for event in events)


def test_people_sign_up_before_they_use_and_pay(events: list[Event]) -> None:
    """Who has an account was anonymous before, and fewer people take each step."""
    signed_up = {
        event.distinct_id: event for event in events if event.event == "$identify"
    }
    for event in events:
        if event.distinct_id.startswith("user-"):
            assert event.timestamp >= signed_up[event.distinct_id].timestamp
    anonymous = [e.properties["$anon_distinct_id"] for e in signed_up.values()]
    assert set(anonymous) <= {event.distinct_id for event in events}
    assert len(set(anonymous)) == len(anonymous)
    steps = ["signup started", "signup completed", "purchase completed"]
    people = [len({e.distinct_id for e in events if e.event == s}) for s in steps]
    assert people == sorted(people, reverse=True)
    assert people[-1] > 30


def test_money_is_in_the_events(events: list[Event]) -> None:
    """Purchases and renewals alone carry `revenue`; and some people leave."""
    paid = [event for event in events if "revenue" in event.properties]

    assert {event.event for event in paid} == {
        "purchase completed",
        "subscription renewed",
    }
    assert all(event.properties["revenue"] > 0 for event in paid)
    assert Counter(event.event for event in events)["subscription cancelled"] > 0


def test_more_goes_on_with_the_same_people(
    events: list[Event], more: list[Event]
) -> None:
    """The next 500 events are of people who are known, and are new themselves."""
    assert len(more) == len({event.uuid for event in more}) == 500
    assert {e.distinct_id for e in more} <= {e.distinct_id for e in events}
    assert not {e.uuid for e in more} & {e.uuid for e in events}
    assert more == later(UNTIL, NEXT, round_=1, history_until=UNTIL)
    following = later(NEXT, NEXT + timedelta(hours=1), round_=2, history_until=UNTIL)
    assert not {e.uuid for e in more} & {e.uuid for e in following}


def test_some_of_more_are_late(more: list[Event]) -> None:
    """120 of them happened before the last ones, by an hour to seven days."""
    late = [event.timestamp for event in more if event.timestamp < UNTIL]
    fresh = [event.timestamp for event in more if event.timestamp >= UNTIL]

    assert len(late) == 120
    assert UNTIL - timedelta(days=7) < min(late)
    assert max(late) < UNTIL - timedelta(hours=1)
    assert (max(late) - min(late)).days >= 2
    assert max(fresh) < NEXT


def test_an_hour_cut_short_still_has_its_events() -> None:
    """However little time is left until now, no event is of the future."""
    soon = UNTIL + timedelta(seconds=30)

    made = later(UNTIL, soon, round_=3, history_until=UNTIL)

    assert len(made) == 500
    assert max(event.timestamp for event in made) < soon
