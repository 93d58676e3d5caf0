"""Every event once, late or not: whole runs over a real ClickHouse.

What each run must have sent is known from the table itself, not from the tap.
"""

from __future__ import annotations

import random
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from tap_posthog import errors
from tests.tap.running import Outcome, config, finish, run, run_here, start

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.sandbox import Sandbox

COLUMNS = "uuid, event, distinct_id, timestamp, created_at, properties"
START = "toDateTime64('2026-01-01 00:00:00', 6, 'UTC')"


def insert(
    sandbox: Sandbox,
    count: int,
    timestamp: str = f"{START} + number",
    created_at: str = "timestamp",
    *,
    size: int = 10,
    **columns: str,
) -> None:
    """Put events into the table; instants are ClickHouse's expressions of `number`."""
    names = "".join(f", {name}" for name in columns)
    values = "".join(f", {value}" for value in columns.values())
    sandbox.sql(
        f"insert into events ({COLUMNS}{names}) select generateUUIDv4(number), 'e', "  # noqa: S608 - the test's own
        f"'u', {timestamp} as timestamp, {created_at} as created_at, "
        f"concat('{{\"pad\":\"', repeat('x', {size}), '\"}}'){values} "
        f"from numbers({count})"
    )


def stored(sandbox: Sandbox) -> set[str]:
    """Say which events there are."""
    return {row[0] for row in sandbox.sql("select distinct toString(uuid) from events")}


def assert_each_once(sandbox: Sandbox, *outcomes: Outcome) -> None:
    """Hold what runs sent, taken together, to what there is."""
    sent = Counter(uuid for outcome in outcomes for uuid in outcome.uuids)

    assert set(sent) == stored(sandbox)
    assert [uuid for uuid, times in sent.items() if times > 1] == []


def run_on(sandbox: Sandbox, last: Outcome | None = None, **more: object) -> Outcome:
    """Run once, from where the last run ended."""
    state = last.states[-1] if last and last.states else None
    return run_here(config(sandbox, **more), state=state)


def test_a_backfill_over_bursts_gaps_and_1970(sandbox: Sandbox) -> None:
    """Dense hours, a gap of months and events at the epoch, in the order of time."""
    insert(sandbox, 4000)
    insert(
        sandbox, 3000, f"{START} + toIntervalDay(181) + toIntervalMillisecond(number)"
    )
    insert(sandbox, 30, "toDateTime64(number, 6, 'UTC')", START)

    outcome = run_on(sandbox, page_size=500)

    assert_each_once(sandbox, outcome)
    times = [record["timestamp"] for record in outcome.records]
    assert times == sorted(times)
    assert len(sandbox.requests()) < 45


@pytest.mark.parametrize("count", [2500, pytest.param(60_000, marks=pytest.mark.prove)])
def test_many_events_in_one_millisecond(sandbox: Sandbox, count: int) -> None:
    """An import that gives all its events one time comes through whole."""
    insert(sandbox, count, START)

    assert_each_once(sandbox, run_on(sandbox, page_size=count // 5))


def test_late_arrivals_are_sent_once_over_many_runs(sandbox: Sandbox) -> None:
    """Ten runs, each after events that happened at any time in the last days."""
    chance = random.Random(7)  # noqa: S311 - not a secret
    outcomes: list[Outcome] = []
    for _ in range(10):
        late = chance.randrange(1, 5 * 86_400)
        insert(
            sandbox, chance.randrange(1, 200), f"now64(6) - {late} - number", "now64(6)"
        )
        insert(sandbox, 20, "now64(6) - number / 1000", "now64(6)")
        outcomes.append(run_on(sandbox, outcomes[-1] if outcomes else None))

    assert_each_once(sandbox, *outcomes)


def test_a_run_that_has_nothing_to_read_sends_nothing(sandbox: Sandbox) -> None:
    """Neither an empty project nor a second run; each costs a few small queries."""
    empty = run_on(sandbox)
    insert(sandbox, 50)
    first = run_on(sandbox, empty)
    sandbox.forget_requests()

    second = run_on(sandbox, first)

    assert (empty.uuids, len(first.uuids), second.uuids) == ([], 50, [])
    assert len(sandbox.requests()) <= 3


def test_an_answer_is_never_a_cached_one(sandbox: Sandbox) -> None:
    """PostHog keeps answers for six hours; what arrived since is sent all the same."""
    sandbox.behave(frozen_at="2026-06-01T00:00:00Z")
    insert(sandbox, 10)
    first = run_on(sandbox, late_window_days=0)
    insert(sandbox, 10, f"{START} + 100 + number")

    again = run_on(sandbox, first, late_window_days=0, settle_seconds=0)
    anew = run_on(sandbox)

    assert len(again.uuids) in {0, 10}  # the clock stands still
    assert len(anew.uuids) == 20


def test_a_projects_timezone_moves_nothing(sandbox: Sandbox) -> None:
    """Through the hour that a change of the clocks repeats, times stay UTC."""
    sandbox.behave(project_timezone="Europe/Berlin")
    hours = "toDateTime64('2025-10-26 00:00:00', 6, 'UTC') + number * 60"
    insert(sandbox, 240, hours)

    outcome = run_on(sandbox, page_size=17, start_at="2025-10-26T00:30:00")

    times = [record["timestamp"] for record in outcome.records]
    assert times == [
        f"2025-10-26T{minute // 60:02d}:{minute % 60:02d}:00.000000Z"
        for minute in range(30, 240)
    ]


def test_a_silent_clamp_loses_nothing(sandbox: Sandbox) -> None:
    """A server that gives fewer rows than it is asked for is read on."""
    sandbox.behave(limit_max=100)
    insert(sandbox, 1500)

    assert_each_once(sandbox, run_on(sandbox, page_size=400))


def test_queries_that_are_too_much_are_cut(sandbox: Sandbox) -> None:
    """A server that gives up on long queries is asked for less, and gives all."""
    insert(sandbox, 40_000, f"{START} + number * 86")
    sandbox.behave(execution_rows=25_000)

    outcome = run_on(sandbox, page_size=40_000, max_wait_seconds=5)

    assert_each_once(sandbox, outcome)
    assert {each["status"] for each in sandbox.requests()} == {200, 504}


def test_unmerged_duplicates_are_sent_once(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    """Rows that ClickHouse has not merged yet are one event, and are counted."""
    insert(sandbox, 300)
    sandbox.sql(
        f"insert into events ({COLUMNS}) select {COLUMNS} from events limit 50"  # noqa: S608 - the test's own
    )

    with caplog.at_level("INFO", "tap-posthog"):
        outcome = run_on(sandbox, page_size=60)

    assert_each_once(sandbox, outcome)
    assert "duplicates dropped 50" in caplog.text


ROWS = [  # event, distinct_id, properties, hours since it was ingested
    ("order placed", "u1", "1", 3),
    ("order paid", "u1", "1", 3),
    ("order paid", "u2", "1", 3),
    ("order paid", "u2", "2", 2),  # corrected, and again
    ("order paid", "u2", "3", 1),
    ("order placed", "u1", "2", 2),
]


def insert_rows(sandbox: Sandbox, rows: list[tuple[str, str, str, int]]) -> None:
    """Put rows of one uuid and timestamp into the table, each into its own part."""
    for event, distinct_id, version, hours in rows:
        sandbox.sql(
            f"insert into events ({COLUMNS}) values "  # noqa: S608 - the test's own
            f"('0192aaaa-0000-7000-8000-000000000001', '{event}', '{distinct_id}', "
            f"{START}, now64(6) - 3600 * {hours}, '{{\"version\":{version}}}')"
        )


@pytest.mark.parametrize(
    ("page_size", "backwards"), [(1, False), (2, True), (4, False), (50_000, True)]
)
def test_rows_that_share_a_uuid_are_told_apart_as_posthog_does(
    sandbox: Sandbox, *, backwards: bool, page_size: int
) -> None:
    """By name and distinct_id too; of an event's copies the latest is sent."""
    insert_rows(sandbox, ROWS[::-1] if backwards else ROWS)

    outcome = run_on(sandbox, page_size=page_size)

    sent = [
        (each["event"], each["distinct_id"], each["properties"]["version"])
        for each in outcome.records
    ]
    assert sorted(sent) == [
        ("order paid", "u1", 1),
        ("order paid", "u2", 3),
        ("order placed", "u1", 2),
    ]


@pytest.mark.parametrize("clamp", [2, 50_000])
def test_no_page_cuts_between_rows_that_share_a_key(
    sandbox: Sandbox, clamp: int
) -> None:
    """Twenty events of one uuid and timestamp come through, page by page."""
    sandbox.behave(limit_max=clamp)
    sandbox.sql(
        f"insert into events ({COLUMNS}) select "  # noqa: S608 - the test's own
        "toUUID('0192aaaa-0000-7000-8000-000000000001'), concat('it\\'s ', "
        f"toString(number % 10)), toString(number), {START}, {START}, '{{}}' "
        "from numbers(20)"
    )

    outcome = run_on(sandbox, page_size=7)

    sent = {(each["event"], each["distinct_id"]) for each in outcome.records}
    assert len(sent) == len(outcome.records) == 20


def test_a_correction_is_sent_after_the_event_that_it_corrects(
    sandbox: Sandbox,
) -> None:
    """It was ingested since, so the late pass finds it; then nothing is left."""
    insert_rows(sandbox, ROWS[:1])
    first = run_on(sandbox)
    insert_rows(sandbox, [("order placed", "u1", "2", 0)])
    second = run_on(sandbox, first)
    third = run_on(sandbox, second)

    versions = [
        each["properties"]["version"]
        for outcome in (first, second, third)
        for each in outcome.records
    ]
    assert versions == [1, 2]


def test_rows_that_are_counted_but_not_given_stop_the_run(sandbox: Sandbox) -> None:
    """No state stands behind the gap; the run that can read it goes on from before."""
    insert(sandbox, 500)
    sandbox.behave(hidden="toUnixTimestamp(timestamp) % 300 = 250")
    said = config(sandbox, page_size=50)

    with pytest.raises(errors.AuditError, match="missing"):
        run_here(said)

    sandbox.behave(hidden=None)
    assert_each_once(sandbox, run_here(said))


def test_rows_that_become_visible_late_are_sent(sandbox: Sandbox) -> None:
    """After an incident at ingestion, the hour that has grown is sent again, whole."""
    insert(sandbox, 100, "now64(6) - 7200 - number", "now64(6) - 7200")
    first = run_on(sandbox)
    insert(sandbox, 7, "now64(6) - 7300 - number", "now64(6) - 7200")

    second = run_on(sandbox, first)

    assert {*first.uuids, *second.uuids} == stored(sandbox)
    third = run_on(sandbox, second)
    assert third.uuids == []


@pytest.mark.parametrize("offset", [-10_800, 10_800])
def test_this_machines_clock_does_not_matter(sandbox: Sandbox, offset: int) -> None:
    """The clock is the server's, here three hours away from ours."""
    sandbox.behave(clock_offset_seconds=offset)
    insert(
        sandbox, 20, f"now64(6) + {offset} - 60 - number", f"now64(6) + {offset} - 60"
    )
    insert(
        sandbox, 5, f"now64(6) + {offset} + 3600 + number", f"now64(6) + {offset} - 50"
    )

    outcome = run_on(sandbox)

    assert len(outcome.uuids) == 20
    sandbox.behave(clock_offset_seconds=offset + 7200)
    assert_each_once(sandbox, outcome, run_on(sandbox, outcome))


def test_faults_and_limits_lose_nothing(sandbox: Sandbox, tmp_path: Path) -> None:
    """One request in seven fails, one way or another, and every event is sent once."""
    insert(sandbox, 3000)
    mixed = ["429:1", "429", "500", "503", "504", "512", "reset", "cut", "garbage"]
    sandbox.fault({"path": "/query/", "share": 0.15, "actions": mixed}, seed=5)

    outcome = run(tmp_path, config(sandbox, page_size=100))

    assert outcome.status == 0, outcome.err
    assert_each_once(sandbox, outcome)


@pytest.mark.parametrize(
    "kills", [2, pytest.param(50, marks=[pytest.mark.prove, pytest.mark.timeout(1800)])]
)
def test_kills_lose_nothing(sandbox: Sandbox, tmp_path: Path, kills: int) -> None:
    """After SIGKILL at any place the next run goes on; what repeats is bounded."""
    chance = random.Random(kills)  # noqa: S311 - not a secret
    insert(sandbox, kills * 2000, size=300)
    sandbox.behave(latency_seconds=0.02)
    outcomes: list[Outcome] = []
    state: dict[str, Any] | None = None
    for _ in range(kills):
        process = start(tmp_path, config(sandbox, page_size=100), state=state)
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(chance.randrange(1, 1500))]
        process.kill()
        out = b"".join(lines) + process.stdout.read()
        outcomes.append(Outcome(finish(process).status, out, ""))
        state = outcomes[-1].states[-1] if outcomes[-1].states else state
    outcomes.append(run(tmp_path, config(sandbox, page_size=100), state=state))

    sent = Counter(uuid for outcome in outcomes for uuid in outcome.uuids)
    assert set(sent) == stored(sandbox)
    assert sum(sent.values()) - len(sent) <= kills * 10 * 1000  # lines made at once


@pytest.mark.prove
@pytest.mark.timeout(1200)
def test_200_000_events(sandbox: Sandbox, tmp_path: Path) -> None:
    """A half-year gap, 1970 and hours of bursts: each once, in few queries."""
    insert(sandbox, 100_000, f"{START} + number * 60", size=500)
    burst = f"{START} + toIntervalDay(250) + toIntervalMillisecond(number * 100)"
    insert(sandbox, 99_000, burst, size=500)
    insert(sandbox, 1000, "toDateTime64(number, 6, 'UTC')", START)

    outcome = run(tmp_path, config(sandbox))

    assert outcome.status == 0
    assert_each_once(sandbox, outcome)
    assert len(sandbox.requests()) <= 40
