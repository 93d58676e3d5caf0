"""Exports on demand as a source: exact sets, runs that are found again, failures."""

from __future__ import annotations

import copy
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tap_posthog.events.exports.marks import Export
from tap_posthog.events.exports.on_demand import runs
from tap_posthog.events.exports.on_demand.source import due
from tests.support.rows import fill
from tests.tap.running import config, run, run_here

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.sandbox import Sandbox

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
START = NOW - timedelta(days=3)
ASKED = "/api/projects/1/file_download_batch_exports/"


@pytest.fixture
def server(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """Give a sandbox whose clock stands, and a tap that does not wait to poll."""
    monkeypatch.setattr(runs, "FIRST_POLL", 0.01)
    sandbox.behave(frozen_at=NOW.isoformat(), export_rows_a_part=40)
    return sandbox


def put(sandbox: Sandbox, count: int, first: int = 0, *, late: int = 0) -> None:
    """Put events in, one a few minutes over the three days; some of them late.

    Each is shown to readers some seconds after it was ingested.
    """
    at = f"toDateTime64('{START:%Y-%m-%d %H:%M:%S}', 6, 'UTC')"
    step = int(3 * 86_400 / count) if count else 1
    created = f"{at} + toIntervalSecond(number * {step} + 5)"
    fill(
        sandbox,
        count,
        uuid="toUUID(concat('00000000-0000-7000-8000-', "
        f"leftPad(toString(number + {first}), 12, '0')))",
        event="['signup', 'paid', '$pageview'][1 + number % 3]",
        timestamp=f"{created} - toIntervalHour(if(number % 10 = 0, {late}, 0)) - 5",
        created_at=created,
        visible_at=f"{created} + 3",
        properties="""concat('{"n": ', toString(number), ', "$session_id": "s"}')""",
    )


def given(sandbox: Sandbox, **more: object) -> dict[str, Any]:
    """Return a configuration that reads by export."""
    return config(
        sandbox,
        **{
            "events_source": "export",
            "start_at": START.isoformat(),
            "settle_seconds": 60,
            **more,
        },
    )


def asked(sandbox: Sandbox) -> int:
    """Return how many exports PostHog was asked for, each of which is billed."""
    return sum(
        each["method"] == "POST" and each["path"] == ASKED
        for each in sandbox.requests()
    )


def held(sandbox: Sandbox, where: str = "1") -> list[str]:
    """Return the uuids that PostHog has."""
    rows = sandbox.sql(f"select toString(uuid) from events where {where} order by 1")  # noqa: S608 - our own
    return [row[0] for row in rows]


def later(sandbox: Sandbox, **passed: float) -> None:
    """Let time pass at the server."""
    sandbox.behave(frozen_at=(NOW + timedelta(**passed)).isoformat())


def test_every_event_comes_once(server: Sandbox) -> None:
    """Over three days and the day before: a window a day, in several parts."""
    put(server, 500, late=30)

    outcome = run_here(given(server))

    before = f"created_at < toDateTime64('{NOW:%Y-%m-%d %H:%M:%S}', 6, 'UTC') - 60"
    assert outcome.status == 0, outcome.err
    inside = f"timestamp >= toDateTime64('{START:%Y-%m-%d %H:%M:%S}', 6, 'UTC')"
    assert sorted(outcome.uuids) == held(server, f"{before} and {inside}")
    assert asked(server) == 4
    state = outcome.states[-1]["bookmarks"]["events"]
    assert state["export"] is None
    assert state["ingested_before"] == "2026-11-20T11:59:00.000000Z"
    record = outcome.records[0]
    assert record["session_id"] == "s"
    assert isinstance(record["properties"]["n"], int)


def test_the_next_run_asks_for_what_is_new(server: Sandbox) -> None:
    """One small window, and nothing twice."""
    put(server, 300)
    first = run_here(given(server))
    at = f"toDateTime64('{NOW:%Y-%m-%d %H:%M:%S}', 6, 'UTC')"
    fill(
        server,
        50,
        uuid="toUUID(concat('00000000-0000-7000-8000-9',"
        " leftPad(toString(number), 11, '0')))",
        timestamp=f"{at} - toIntervalHour(number)",
        created_at=f"{at} + number",
        visible_at=f"{at} + number + 2",
    )
    later(server, hours=1)
    before = asked(server)

    second = run_here(given(server), state=first.states[-1])

    assert asked(server) - before == 1
    assert Counter(first.uuids + second.uuids) == Counter(held(server))


@pytest.mark.parametrize("last", [0, 1, 2, 3, 4])
def test_a_run_that_is_killed_is_found_again(server: Sandbox, last: int) -> None:
    """From whichever state: no export is asked for twice, and nothing is missing."""
    put(server, 200)
    whole = run_here(given(server))
    asked_in_all = asked(server)
    states = whole.states
    state = states[last]
    cut, seen = [], 0
    for message in whole.messages:
        if message["type"] == "STATE":
            seen += 1
            if seen > last:
                break
        elif message["type"] == "RECORD":
            cut.append(message["record"]["uuid"])

    again = run_here(given(server), state=state)

    assert {*cut, *again.uuids} == {*whole.uuids}
    export = state["bookmarks"]["events"]["export"]
    windows = 4 - sum(
        each["bookmarks"]["events"]["export"] is None for each in states[: last + 1]
    )
    more = windows - (1 if export else 0)
    assert asked(server) - asked_in_all == more
    if export:  # of the window that was in progress it may come twice
        assert export[0]["run"]


def test_it_waits_while_posthog_works(server: Sandbox) -> None:
    """Running is no end."""
    put(server, 30)
    server.behave(export_polls=3)

    outcome = run_here(given(server))

    assert outcome.status == 0
    assert len(outcome.uuids) == 30


@pytest.mark.parametrize(
    "end", ["Failed", "FailedRetryable", "TimedOut", "Terminated", "Cancelled"]
)
def test_a_failed_run_is_asked_for_anew_once(server: Sandbox, end: str) -> None:
    """Then it is one line, and the state stays before the window."""
    put(server, 40)
    server.behave(export_ends=["Completed", end])
    good = run_here(given(server))
    assert good.status == 0
    assert len(good.uuids) == 40
    assert asked(server) == 5


def test_a_run_that_fails_twice_is_one_line(server: Sandbox, tmp_path: Path) -> None:
    """The next run asks again."""
    put(server, 40)
    server.behave(export_ends=["Failed", "TimedOut"])
    outcome = run(tmp_path, given(server))
    assert outcome.status == 1
    assert len(outcome.errors) == 1
    assert "ended as TimedOut, twice" in outcome.errors[0]
    assert not outcome.uuids

    again = run_here(given(server), state=outcome.states[-1])

    assert len(again.uuids) == 40


def test_a_refusal_to_bill_stops_at_once(server: Sandbox, tmp_path: Path) -> None:
    """One line that says what to do; nothing is asked anew."""
    put(server, 40)
    server.behave(export_ends=["FailedBilling"])

    outcome = run(tmp_path, given(server))

    assert outcome.status == 1
    assert "the organisation's limit on exports is used up" in outcome.errors[-1]
    assert asked(server) == 1


def test_a_run_that_posthog_no_longer_knows_is_asked_for_anew(server: Sandbox) -> None:
    """As after its files have expired."""
    put(server, 40)
    whole = run_here(given(server))
    state = copy.deepcopy(whole.states[0])
    export = state["bookmarks"]["events"]["export"][0]
    export["run"] = "00000000-0000-0000-0000-000000000000"

    again = run_here(given(server), state=state)

    assert sorted(again.uuids) == sorted(whole.uuids)


def test_files_that_lack_rows_are_a_gap_in_the_transfer(
    server: Sandbox, tmp_path: Path
) -> None:
    """What PostHog says it exported is compared with what its files hold."""
    put(server, 40)
    server.behave(export_lacks=1)

    outcome = run(tmp_path, given(server))

    assert outcome.status == 1
    assert "ended as files with 13 of 14 events, twice" in outcome.errors[-1]
    assert not outcome.uuids  # before any of that window is sent
    assert asked(server) == 3  # the empty day before it, and this one twice


@pytest.mark.parametrize("action", ["503", "cut", "reset"])
def test_a_broken_download_goes_on(server: Sandbox, action: str) -> None:
    """From where it broke; the API key is not sent there."""
    put(server, 200)
    server.fault({"path": "/export-files/", "actions": [action], "times": 3})

    outcome = run_here(given(server))

    assert outcome.status == 0, outcome.err
    assert len(outcome.uuids) == 200


@pytest.mark.parametrize("action", ["accept-reset", "502"])
def test_an_answer_that_is_lost_does_not_ask_twice(
    server: Sandbox, action: str
) -> None:
    """The run that PostHog began is found in its list."""
    put(server, 40)
    server.fault(
        {
            "path": "file_download_batch_exports/$",
            "actions": [action],
            "times": 1,
            "skip": 1,
        }
    )

    outcome = run_here(given(server))

    runs_there = server.get("projects/1/file_download_batch_exports/").json()
    assert outcome.status == 0, outcome.err
    assert len(outcome.uuids) == 40
    assert runs_there["count"] == 4


def test_back_and_forth_loses_nothing(server: Sandbox) -> None:
    """Query, export, query: each event comes, and twice only what the contract says."""
    put(server, 300, late=20)
    query = {"events_source": "query"}
    sent: list[str] = []
    state = None
    for hour, more in enumerate([query, {}, query, {}]):
        later(server, hours=hour)
        then = NOW + timedelta(hours=hour, minutes=-20)
        at = f"toDateTime64('{then:%Y-%m-%d %H:%M:%S}', 6, 'UTC')"
        fill(
            server,
            20,
            uuid=f"toUUID(concat('00000000-0000-7000-8000-{hour + 1}',"
            " leftPad(toString(number), 11, '0')))",
            timestamp=f"{at} - toIntervalHour(if(number % 2 = 0, 30, 0))",
            created_at=f"{at} + number",
            visible_at=f"{at} + number + 1",
        )
        outcome = run_here(given(server, **more), state=state)
        assert outcome.status == 0, outcome.err
        sent += outcome.uuids
        state = outcome.states[-1]

    inside = f"timestamp >= toDateTime64('{START:%Y-%m-%d %H:%M:%S}', 6, 'UTC')"
    assert Counter(sent) == Counter(held(server, inside))


def test_a_widened_scope_is_read_by_query(server: Sandbox) -> None:
    """What it adds behind the bookmark comes first; then exports of all of it."""
    put(server, 90)
    first = run_here(given(server, include_events="signup"))

    second = run_here(given(server), state=first.states[-1])

    assert second.status == 0, second.err
    assert len(first.uuids) == 30
    assert Counter(first.uuids + second.uuids) == Counter(held(server))


def test_it_needs_a_beginning(sandbox: Sandbox, tmp_path: Path) -> None:
    """Without a state and without start_at there is none."""
    outcome = run(tmp_path, config(sandbox, events_source="export"))

    assert outcome.status == 1
    assert "start_at: not set, and there is no state" in outcome.errors[-1]


def test_windows_are_of_a_day_at_most() -> None:
    """They tile the time; one that was asked for before comes as it was."""
    start, end = START, START + timedelta(days=2, hours=3)
    lengths = [w.end - w.start for w in due(start, end, None)]
    assert lengths == [timedelta(days=1)] * 2 + [timedelta(hours=3)]
    export = Export("r", start, start + timedelta(hours=5))
    first, *rest = due(start, end, export)
    assert (first.start, first.end) == (export.start, export.end)
    assert rest[0].start == export.end
    assert rest[-1].end == end
    other = Export("r", start + timedelta(hours=1), end)
    assert next(due(start, end, other)).start == start


def test_no_address_and_no_key_is_ever_shown(server: Sandbox, tmp_path: Path) -> None:
    """A signed address opens the file for whoever has it."""
    put(server, 40)
    server.fault({"path": "/export-files/", "actions": ["403"]})
    more = {"LOGLEVEL": "DEBUG", "TAP_POSTHOG_LOGLEVEL": "DEBUG"}

    outcome = run(tmp_path, given(server), env=more)

    assert outcome.status == 1
    assert "cannot be downloaded: 403 Forbidden" in outcome.errors[-1]
    for secret in ("X-Signature", "export-files", "phx_sandbox"):
        assert secret not in outcome.err
        assert secret.encode() not in outcome.out
