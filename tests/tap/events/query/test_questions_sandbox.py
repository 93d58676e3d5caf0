"""The questions on the genuine parser and engine: they mean what the model means."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tap_posthog import timestamps
from tap_posthog.events.event_names import Names
from tap_posthog.events.query import questions
from tap_posthog.events.region import Key, Place, Region
from tests.tap.model import START, Event, Model

if TYPE_CHECKING:
    from tests.support.sandbox import Sandbox

NAMES = (
    "plain",
    "it's",
    'a "b" `c`',
    "\\back\\",
    "{brace}",
    "new\nline\t",
    "ünï 🎈",
    "",
)
MOMENTS = [
    datetime.fromisoformat(text)
    for text in (
        "1970-01-01T00:00:00+00:00",
        "2026-02-28T23:59:59.999999+00:00",
        "2106-02-08T00:00:00.000001+00:00",
    )
]


def some_events(chance: random.Random) -> list[Event]:
    """Draw rows with ties, copies, all kinds of names, and instants at every edge."""
    events: dict[tuple[object, ...], Event] = {}
    for _ in range(400):
        happened = chance.choice(
            [
                chance.choice(MOMENTS),
                START + timedelta(seconds=chance.randrange(90_000)),
                START + timedelta(microseconds=chance.randrange(3_000)),
            ]
        )
        created = START + timedelta(seconds=chance.randrange(100_000))
        high, low = (chance.choice(("0", "8", "f")) * 4 for _ in range(2))
        event = Event(
            timestamp=timestamps.spell(happened),
            uuid=f"{high}0000-0000-4000-{low}-{chance.randrange(50):012x}",
            created_at=timestamps.spell(created),
            visible_at=created,
            event=chance.choice(NAMES),
        )
        later = timestamps.spell(created + timedelta(hours=chance.randrange(2)))
        copy = replace(event, created_at=later, visible_at=timestamps.read(later))
        other = replace(event, event=chance.choice(NAMES), distinct_id="e")
        for each in chance.choice([[event], [event], [event, copy], [event, other]]):
            events[each.identity, each.created_at] = each
    return list(events.values())


def load(sandbox: Sandbox, events: list[Event]) -> None:
    """Put rows into ClickHouse, instants and names unharmed."""
    values = ", ".join(
        f"('{event.uuid}', '{_clickhouse(event.event)}', '{event.distinct_id}', "
        f"toDateTime64('{event.timestamp[:-1]}', 6, 'UTC'), "
        f"toDateTime64('{event.created_at[:-1]}', 6, 'UTC'))"
        for event in events
    )
    columns = "uuid, event, distinct_id, timestamp, created_at"
    sandbox.sql(f"insert into events ({columns}) values {values}")  # noqa: S608 - ours


def _clickhouse(text: str) -> str:
    return text.replace("\\", "\\\\").replace("'", "\\'")


def some_region(chance: random.Random, events: list[Event]) -> Region:
    """Draw a region whose bounds are rows' own, the edges where errors live."""

    def maybe(bound: object, share: float = 0.4) -> Any:  # noqa: ANN401 - either kind
        return bound if chance.random() < share else None

    low, high = sorted(chance.sample(events, 2), key=lambda event: event.key)
    taken = sorted(chance.choice(events).created_at for _ in range(2))
    return Region(
        start=maybe(timestamps.read(low.timestamp)),
        after=maybe(Key(low.timestamp, chance.choice([low.uuid, ""]))),
        end=maybe(timestamps.read(high.timestamp)),
        through=maybe(Key(high.timestamp, chance.choice([high.uuid, ""]))),
        created_from=maybe(timestamps.read(taken[0])),
        created_before=maybe(timestamps.read(taken[1])),
    )


def ask(
    sandbox: Sandbox, question: questions.Question | questions.Rows
) -> list[list[Any]]:
    """Put a question as the tap does."""
    return sandbox.hogql(str(question), modifiers={"convertToProjectTimezone": False})


def spelt(rows: list[list[Any]]) -> list[list[Any]]:
    """Spell the instants of an answer in the one form."""
    return [
        [
            timestamps.spell(timestamps.read(cell))
            if isinstance(cell, str) and cell[4:5] == "-" and "T" in cell
            else cell
            for cell in row
        ]
        for row in rows
    ]


def fields(row: Event) -> list[str]:
    """Lay out the key columns of a row as they are selected."""
    return [row.uuid, row.timestamp, row.created_at, row.event, row.distinct_id]


@pytest.mark.parametrize("seed", range(2))
def test_engine_and_model_agree(sandbox: Sandbox, seed: int) -> None:
    """Each question has the same answer in ClickHouse and in the tests' model."""
    chance = random.Random(seed)  # noqa: S311 - the same rows each time
    events = some_events(chance)
    load(sandbox, events)
    now = START + timedelta(days=9)
    sandbox.behave(frozen_at=timestamps.spell(now), project_timezone="America/New_York")
    model = Model(events, now=now)
    late = timedelta(hours=chance.choice([1, 24, 168]))

    for _ in range(5):
        region = some_region(chance, events)
        region = replace(
            region,
            names=Names.of(
                chance.sample(NAMES, chance.choice([0, 3])),
                chance.sample(NAMES, chance.choice([0, 2])),
            ),
        )
        limit = chance.choice([5, 1_000])

        for grain in (86_400, 3_600, 60, 1, 0.001):
            histogram = questions.Histogram(
                region, timedelta(seconds=grain), questions.MOST_ROWS
            )
            assert ask(sandbox, histogram) == model.ask(histogram)
        distinct = questions.Distinct(region)
        assert ask(sandbox, distinct) == model.ask(distinct)
        hours = questions.Hours(region, late)
        assert sorted(ask(sandbox, hours)[0][0]) == sorted(model.ask(hours)[0][0])
        extent = questions.Extent((region,))
        assert spelt(ask(sandbox, extent)) == model.ask(extent)
        rows = questions.Rows(region, (), limit)
        page = spelt(ask(sandbox, rows))
        assert page == [fields(row) for row in model.rows(rows)]
        if page:
            uuid, timestamp, created_at, name, distinct_id = chance.choice(page)
            place = Place(timestamp, uuid, name, distinct_id, created_at)
            rest = replace(rows, behind=place)
            assert spelt(ask(sandbox, rest)) == [
                fields(row) for row in model.rows(rest)
            ]


def test_two_regions_are_measured_by_one_question(sandbox: Sandbox) -> None:
    """The late and the forward pass learn their extents from one query."""
    events = some_events(random.Random(5))  # noqa: S311 - the same rows each time
    load(sandbox, events)
    now = START + timedelta(days=9)
    sandbox.behave(frozen_at=timestamps.spell(now))
    middle = sorted(event.key for event in events)[200]
    extent = questions.Extent((Region(through=middle), Region(after=middle)))

    found = spelt(ask(sandbox, extent))

    assert found == Model(events, now=now).ask(extent)
    assert len(found) == 2


def test_what_has_settled_is_measured_up_to_the_clock_that_is_told(
    sandbox: Sandbox,
) -> None:
    """A follower learns C' with the count, row for row what C' itself would count."""
    events = some_events(random.Random(6))  # noqa: S311 - the same rows each time
    load(sandbox, events)
    late, after = (sorted(event.key for event in events)[n] for n in (-90, -80))
    regions = (
        Region(through=late),
        Region(after=after, created_from=START + timedelta(seconds=9_000)),
    )
    settle = timedelta(hours=1)

    for hours in (0, 4, 9, 20, 400):
        now = START + timedelta(hours=hours, microseconds=123_456)
        sandbox.behave(frozen_at=timestamps.spell(now), project_timezone="Asia/Tokyo")
        extent = questions.Extent(regions, settle, Region(after=after))

        assert spelt(ask(sandbox, extent)) == Model(events, now=now).ask(extent)


def test_all_places_of_a_query_see_one_instant(sandbox: Sandbox) -> None:
    """PostHog prints `now()` as `now64(6, 'UTC')`; the engine reads it once a query."""
    now = questions.NOW.replace("now()", "now64(6, 'UTC')")
    sandbox.sql("insert into events (uuid) select generateUUIDv4() from numbers(9)")

    for _ in range(20):
        ((seen, told),) = sandbox.sql(
            f"select any(seen), {now} from (select materialize({now}) as seen "  # noqa: S608 - ours
            f"from events where sleepEachRow(0.001) = 0 and created_at < {now})"
        )
        assert seen == told
        assert len(told) == len("2026-11-21 10:00:00.000000")


def test_the_clock_is_the_servers(sandbox: Sandbox) -> None:
    """`now()` is what the run's C' is computed from."""
    sandbox.behave(frozen_at="2026-05-06T07:08:09Z")

    assert spelt(ask(sandbox, questions.Clock())) == [["2026-05-06T07:08:09.000000Z"]]


def test_every_column_of_the_stream_is_there(sandbox: Sandbox) -> None:
    """The catalog's names are mapped to fields that HogQL has."""
    load(sandbox, some_events(random.Random(1))[:3])  # noqa: S311 - any rows
    sandbox.behave(frozen_at=timestamps.spell(START + timedelta(days=9)))
    names = (
        *("event", "distinct_id", "properties", "elements_chain", "person_id"),
        *("session_id", "window_id", "person_properties"),
    )

    rows = ask(sandbox, questions.Rows(Region(), names, 10))

    assert len(rows) == 3
    assert {len(row) for row in rows} == {3 + len(names)}
