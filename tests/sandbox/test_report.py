"""The report tells the truth about both ends, and the analyses make sense."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING

import msgspec
import pytest
import requests

from sandbox import analyses, people_report
from sandbox.people import history
from sandbox.remote import Remote, SandboxError
from sandbox.report import compare, judge
from sandbox.text import table
from tests.support.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox.browsing import Event

UNTIL = datetime(2026, 11, 21, 17, tzinfo=UTC)
A, B, C = (f"00000000-0000-0000-0000-00000000000{n}" for n in "abc")


@cache
def lived() -> list[Event]:
    """Make the whole history, once."""
    return history(UNTIL)


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    """Give both sides for this file, as the last test left them."""
    with Sandbox("both") as sandbox:
        yield sandbox


@pytest.fixture
def both(running: Sandbox) -> Sandbox:
    """Give both sides, empty."""
    running.reset()
    return running


def remote(sandbox: Sandbox) -> Remote:
    """Ask it as the command does."""
    return Remote(int(sandbox.url.rpartition(":")[2]))


def capture(
    sandbox: Sandbox, uuid: str, timestamp: str = "now64(6)", event: str = "e"
) -> None:
    """Put one event into PostHog's table, ingested now."""
    sandbox.sql(
        "insert into events (uuid, event, distinct_id, timestamp, created_at)"
        f" select '{uuid}', '{event}', 'd', {timestamp}, now64(6)"
    )


def deliver(
    sandbox: Sandbox, *uuids: str, timestamp: str = "", event: str = "e"
) -> None:
    """Send events to the webhook `demo`."""
    at = timestamp or datetime.now(UTC).isoformat()
    body = msgspec.json.encode(
        [{"uuid": uuid, "event": event, "timestamp": at} for uuid in uuids]
    )
    url = f"{sandbox.url}/api/app/webhooks/demo"
    requests.post(url, data=body, timeout=60).raise_for_status()


def test_all_there_once_is_complete(both: Sandbox) -> None:
    """Each event at both ends, once: complete. Copies in PostHog are no events."""
    for uuid in (A, B, B, C):
        capture(both, uuid)
    deliver(both, A, B, C)

    found = compare(remote(both), "demo")

    assert (found.in_posthog, found.copies, found.received) == (3, 1, 3)
    assert (found.missing, found.duplicates, found.unknown) == (0, 0, 0)
    assert found.complete
    assert "Complete: every event arrived, once." in str(found)


def test_events_that_share_a_uuid_are_not_one(both: Sandbox) -> None:
    """Two names under one uuid are two events, and one of them may be missing."""
    for event in ("order placed", "order paid"):
        capture(both, A, event=event)
    deliver(both, A, event="order placed")
    half = compare(remote(both), "demo")
    deliver(both, A, event="order paid")
    whole = compare(remote(both), "demo")

    assert (half.in_posthog, half.copies, half.missing) == (2, 0, 1)
    assert (whole.missing, whole.duplicates, whole.complete) == (0, 0, True)


def test_a_gap_is_reported(both: Sandbox) -> None:
    """An event that did not arrive is missing; one more of another is no substitute."""
    for uuid in (A, B, C):
        capture(both, uuid)
    deliver(both, A, C, C)

    found = compare(remote(both), "demo")

    assert (found.missing, found.duplicates) == (1, 1)
    assert not found.complete
    assert str(found).endswith("NOT complete: 1 missing, 1 double.")


def test_a_late_event_is_told_apart(both: Sandbox) -> None:
    """What PostHog takes in behind a delivered event is late; missing or not."""
    capture(both, A)
    deliver(both, A)
    capture(both, B, "now64(6) - interval 2 hour")
    capture(both, C)
    deliver(both, C)

    found = compare(remote(both), "demo")
    deliver(both, B)
    then = compare(remote(both), "demo")

    assert (found.missing, found.late, found.late_missing) == (1, 1, 1)
    assert (then.missing, then.late, then.late_missing) == (0, 1, 0)


def test_what_posthog_never_had_is_reported(both: Sandbox) -> None:
    """A record that came from nowhere makes the report incomplete."""
    capture(both, A)
    deliver(both, A, B)

    found = compare(remote(both), "demo")

    assert found.unknown == 1
    assert not found.complete


def test_another_webhook_does_not_count(both: Sandbox) -> None:
    """What one webhook received is not another's; its name may hold a quote."""
    capture(both, A)
    deliver(both, A)

    assert compare(remote(both), "it's").missing == 1


def test_two_empty_ends_are_not_called_complete(both: Sandbox) -> None:
    """Nothing moved is no success."""
    found = compare(remote(both), "demo")

    assert not found.complete
    assert str(found).endswith("Nothing to compare: PostHog's side is empty.")


def test_late_is_behind_what_had_arrived_by_then() -> None:
    """An event ingested before the later one was delivered is not late."""
    received = [("a", 50, 100), ("b", None, 150), ("c", 40, 200)]
    posthog = [
        ("a", 50, 60, 1),
        ("x", 49, 100, 1),
        ("y", 49, 101, 1),
        ("z", 51, 300, 2),
    ]

    found = judge("demo", posthog, received)

    assert (found.late, found.late_missing, found.missing) == (1, 1, 3)
    assert (found.copies, found.unknown) == (1, 2)


def test_no_sandbox_is_one_clear_line() -> None:
    """Where nothing answers, the error says what to start."""
    with pytest.raises(SandboxError, match="start one: sandbox up"):
        compare(Remote(1), "demo")


@pytest.fixture(scope="module")
def analysed(running: Sandbox) -> Remote:
    """Give a webhook that has received the whole history."""
    running.reset()
    rows = [record(event) for event in lived()]
    for first in range(0, len(rows), 1000):
        body = msgspec.json.encode(rows[first : first + 1000])
        url = f"{running.url}/api/app/webhooks/demo"
        requests.post(url, data=body, timeout=60).raise_for_status()
    return remote(running)


def record(event: Event) -> dict[str, object]:
    """Make an event's record, as the tap writes it."""
    return {
        "uuid": event.uuid,
        "event": event.event,
        "distinct_id": event.distinct_id,
        "timestamp": event.timestamp.isoformat(),
        "properties": event.properties,
    }


def answer(remote: Remote, name: str) -> list[list[object]]:
    """Give the rows of one analysis."""
    return remote.patterns(analyses.query(name)[1])[1]


def test_the_funnel_narrows(analysed: Remote) -> None:
    """Each step of the funnel has fewer people than the one before, none nobody."""
    people = [row[1] for row in answer(analysed, "funnel")]

    assert len(people) == 5
    assert people == sorted(set(people), reverse=True)  # type: ignore[type-var]  # ints
    assert people[-1] != 0


def test_retention_decays(analysed: Remote) -> None:
    """Over all cohorts, fewer come in a later week than in the first one."""
    shares: dict[int, list[float]] = {}
    for row in answer(analysed, "retention"):
        for nth, cell in enumerate(row[2:], 1):
            if cell:
                shares.setdefault(nth, []).append(float(str(cell).removesuffix(" %")))
    means = {nth: sum(found) / len(found) for nth, found in shares.items()}

    assert all(0 < mean < 100 for mean in means.values())
    assert means[max(means)] < means[1]


def test_lifetime_value_adds_up(analysed: Remote) -> None:
    """The sources' people and money add up to the whole, and to the events'."""
    *sources, whole = answer(analysed, "lifetime_value")
    revenue = sum(event.properties.get("revenue", 0) for event in lived())

    assert whole[0] == "all"
    assert sum(int(str(row[1])) for row in sources) == whole[1]
    assert round(sum(float(str(row[4])) for row in sources), 2) == round(revenue, 2)
    assert float(str(whole[4])) == round(revenue, 2)


@pytest.mark.parametrize("name", analyses.ANALYSES)
def test_every_analysis_prints_a_table(analysed: Remote, name: str) -> None:
    """Each has a title and rows, and the same event twice changes nothing."""
    printed = analyses.run(analysed, name)

    assert re.fullmatch(r"[A-Z][^\n]+\n\n(  [^\n]+\n){2,}  [^\n]+", printed)
    (title, sql) = analyses.query(name)
    twice = sql.replace("from webhook", "from (from webhook union all from webhook)")
    assert analysed.patterns(twice) == analysed.patterns(sql)
    assert title in printed


def test_activity_rows_say_the_same(running: Sandbox, analysed: Remote) -> None:
    """A webhook that gets rows of the activity schema answers every analysis alike."""
    before = {name: answer(analysed, name) for name in analyses.ANALYSES}
    rows = [activity(event) for event in lived()]
    running.reset()
    for first in range(0, len(rows), 1000):
        body = msgspec.json.encode(rows[first : first + 1000])
        url = f"{running.url}/api/app/webhooks/demo"
        requests.post(url, data=body, timeout=60).raise_for_status()

    assert {name: answer(analysed, name) for name in analyses.ANALYSES} == before


def activity(event: Event) -> dict[str, object]:
    """Make an event's row of the activity schema, as the target writes it."""
    known = event.properties["$is_identified"]
    return {
        "activity_id": event.uuid,
        "ts": event.timestamp.isoformat(),
        "customer": event.distinct_id if known else None,
        "anonymous_customer_id": event.properties["$device_id"],
        "activity": event.event,
        "feature_json": event.properties,
    }


def test_a_record_that_sql_cannot_read_harms_nothing(both: Sandbox) -> None:
    """What DuckDB does not take for JSON, a lone surrogate, is left out of the sums."""
    capture(both, A)
    text = b'{"uuid":"%b","event":"e","distinct_id":"d","properties":{"a":"\\ud800"}}'
    url = f"{both.url}/api/app/webhooks/demo"
    requests.post(url, data=text % A.encode(), timeout=60).raise_for_status()

    for name in analyses.ANALYSES:
        assert analyses.run(remote(both), name)


def test_an_analysis_of_nothing_says_so(both: Sandbox) -> None:
    """Before anything has arrived, there is a line that says what to do."""
    with pytest.raises(SandboxError, match="has received nothing yet"):
        analyses.run(remote(both), "funnel")


def test_a_table_is_aligned() -> None:
    """Text stands left in the first column, everything else right."""
    text = table(["who", "n"], [["a", 1000], ["bcde", None]])

    assert text == "  who       n\n  ----  -----\n  a     1,000\n  bcde"


def test_persons_are_compared_by_their_latest_copy() -> None:
    """Missing, out of date, gone: each is counted; order in JSON says nothing."""
    held = [("a", '{"plan": "free", "n": 1}'), ("b", "{}"), ("c", "{}")]
    received = [
        ("a", '{"plan": "team"}'),
        ("a", '{"n": 1, "plan": "free"}'),
        ("b", '{"plan": "free"}'),
        ("z", None),
    ]

    found = people_report.judge("persons", held, received)

    assert (found.in_posthog, found.received) == (3, 4)
    assert (found.missing, found.outdated, found.gone) == (1, 1, 1)
    assert not found.complete
    assert "NOT complete" in str(found)
    whole = people_report.judge("persons", held, held)
    assert whole.complete
    assert "Complete: every person arrived" in str(whole)
