"""Properties of reading a table that changes meanwhile, against a model of PostHog.

Rows are inserted, changed and deleted between any two questions, the key's clock is
floored to the hour, answers are cut short, and runs are killed. What holds: once all is
quiet, a run has sent every row as it is, and no change is missed. While rows come and
go, two counts cannot always tell that from a gap: such a run ends, as by a kill. Where
all is quiet, no gap is seen that is none.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tap_posthog import timestamps
from tap_posthog.declarations.columns import instant, integer, text
from tap_posthog.declarations.declaration import Table
from tap_posthog.errors import AuditError
from tap_posthog.progress import Stats
from tap_posthog.tables.answers import Page
from tap_posthog.tables.position import Position
from tap_posthog.tables.source import TableSource
from tests.tap.running import settings as tap_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tap_posthog.tables.reader import TableReader

BEGIN = datetime(2026, 11, 1, tzinfo=UTC)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
COLUMNS = (text("key", ""), instant("changed_at", ""), integer("version", ""))
KINDS = {
    name: Table(
        name="rows",
        tables=("rows",),
        purpose="",
        misses="",
        key=("key",),
        replication_key="changed_at" if name != "whole" else None,
        overlap=2 * HOUR,
        window="changed_at" if name == "windowed" else None,
        first_rows=3,
        columns=COLUMNS,
    )
    for name in ("keyed", "windowed", "whole")
}


class Killed(Exception):  # noqa: N818 - it is no error
    """The run ends here, as by SIGKILL."""


@dataclass
class World:
    """PostHog's table, as it is now."""

    draw: Callable[[Any], Any]
    rows: dict[str, tuple[datetime, int]] = field(default_factory=dict)
    now: datetime = BEGIN
    versions: int = 0
    is_quiet: bool = False
    hidden: str = ""
    questions: int = 0
    kill_at: int = -1

    def ask(self) -> None:
        """Let something happen before a question is answered."""
        self.questions += 1
        if self.questions == self.kill_at:
            raise Killed
        self.now += timedelta(seconds=1)
        if not self.is_quiet:
            self.change(self.draw(st.integers(0, 3)))

    def change(self, times: int) -> None:
        """Insert, change or delete rows; each change moves the clock of its row."""
        for _ in range(times):
            self.now += timedelta(minutes=self.draw(st.integers(0, 90)))
            key = self.draw(st.sampled_from("abcdefghijklmnop"))
            if key in self.rows and self.draw(st.booleans()):
                del self.rows[key]
                continue
            self.versions += 1
            floored = self.draw(st.booleans())
            at = self.now.replace(minute=0, second=0) if floored else self.now
            if key in self.rows:
                at = max(at, self.rows[key][0])  # a clock that never goes back
            self.rows[key] = (at, self.versions)


@dataclass(frozen=True)
class Questions:
    """What is asked, not spelt out."""

    table: Table
    since: datetime | None

    @property
    def order(self) -> tuple[Any, ...]:
        """The columns of a place."""
        names = (*filter(None, [self.table.window]), *self.table.key)
        return tuple(self.table.column(name) for name in names)

    columns = COLUMNS

    def _asked(self, what: str, after: Sequence[Any], **more: Any) -> Any:  # noqa: ANN401 - a question
        return what, self, tuple(after), more

    def page(self, after: Sequence[Any], limit: int, **more: Any) -> Any:  # noqa: ANN401 - as above
        """Ask for rows."""
        return self._asked("page", after, limit=limit, **more)

    def plan(self, after: Sequence[Any], limit: int, **more: Any) -> Any:  # noqa: ANN401 - as above
        """Ask how many there are."""
        return self._asked("plan", after, limit=limit, **more)

    def count(self, after: Sequence[Any], **more: Any) -> Any:  # noqa: ANN401 - as above
        """Ask how many lie between two places."""
        return self._asked("count", after, **more)

    def hours(self, after: Sequence[Any], **more: Any) -> Any:  # noqa: ANN401 - as above
        """Ask how many each hour has."""
        return self._asked("hours", after, **more)

    def place(self, key: str, row: tuple[datetime, int]) -> tuple[Any, ...]:
        """Return a row's place."""
        at = timestamps.spell(row[0])
        return (at, key) if self.table.window else (key,)


class Answers:
    """Answers out of the world."""

    def __init__(self, world: World) -> None:
        """Take the world."""
        self.world = world
        self.withheld: set[str] = set()

    def _found(
        self,
        questions: Questions,
        after: tuple[Any, ...],
        through: Sequence[Any] = (),
        before: str = "",
        since: str = "",
        **_: Any,  # noqa: ANN401 - what says nothing of which rows
    ) -> list[tuple[tuple[Any, ...], str]]:
        assert not since
        found = []
        for key, row in self.world.rows.items():
            place = questions.place(key, row)
            behind = place > after if len(after) == len(place) else place >= after
            if (
                (questions.since is None or row[0] >= questions.since)
                and (not after or behind)
                and (not through or place <= tuple(through))
                and (not before or place[0] < before)
            ):
                found.append((place, key))
        return sorted(found)

    def ask(self, question: Any, read: Callable[[Any], Any]) -> Any:  # noqa: ANN401 - as the real one
        """Answer a small question."""
        self.world.ask()
        what, questions, after, more = question
        found = self._found(questions, after, **more)
        now = timestamps.spell(self.world.now)
        if what == "count":
            return read([[len(found)]])
        if what == "plan":
            some = found[: more["limit"]]
            return read([[len(some), some[-1][0] if some else ["", ""], now]])
        hours: dict[int, list[Any]] = {}
        for place, key in found:
            hour = (self.world.rows[key][0] - EPOCH) // HOUR
            hours[hour] = [hour, hours.get(hour, [0, 0])[1] + 1, place]
        return read([[[*hours.values()], now]])

    def now(self) -> datetime:
        """Tell the time."""
        self.world.ask()
        return self.world.now

    def page(self, question: Any, width: int, **_: Any) -> Page:  # noqa: ANN401 - as above
        """Give rows, perhaps fewer than were asked for."""
        self.world.ask()
        _, questions, after, more = question
        limit = more["limit"]
        if not self.world.is_quiet:
            limit = min(limit, self.world.draw(st.sampled_from([1, 2, 99])))
        found = self._found(questions, after, **more)
        shown = [each for each in found if each[1] != self.world.hidden][:limit]
        rows = []
        for place, key in shown:
            at, version = self.world.rows[key]
            cells = ["#row#", *place, key, timestamps.spell(at), version]
            rows.append([msgspec.Raw(msgspec.json.encode(cell)) for cell in cells])
        assert all(len(row) == width for row in rows)
        return Page(iter([rows[:1], rows[1:]]), 1000)


class Source(TableSource):
    """The real source over the model."""

    def __init__(self, table: Table, world: World, page_size: int) -> None:
        """Leave out the client: nothing is due by its clock."""
        self.table, self.world = table, world
        self.settings = tap_settings(page_size=page_size)
        self.answers = Answers(world)  # type: ignore[assignment]
        self._stats = Stats()
        self._tables = ["rows"]
        self._columns = {column.name: column for column in table.columns}
        self._given = tuple(self._columns)
        self._whole = not table.replication_key

    def reader(self, since: Any, where: Sequence[str] = ()) -> TableReader:  # noqa: ANN401 - as its base
        """Ask the model."""
        assert not where
        at = None
        if since is not None and not self._whole:
            at = self._instant(since) - self.table.overlap
        return self.reader_of(Questions(self.table, at))  # type: ignore[arg-type]


def run(
    table: Table,
    world: World,
    state: dict[str, Any],
    page_size: int,
    into: tuple[dict[str, int], dict[str, Any]] | None = None,
) -> tuple[dict[str, int], dict[str, Any]]:
    """Run once, perhaps to a kill; give the rows that were sent and the last state."""
    source = Source(table, world, page_size)
    sent, last = into or ({}, {})
    last |= state
    try:
        for batch in source.batches(Position.from_state(state)):
            for key, _, version in batch.rows:
                sent[msgspec.json.decode(key)] = msgspec.json.decode(version)
            if batch.position is not None:
                made = batch.position.to_state(table.replication_key)
                last |= msgspec.json.decode(msgspec.json.encode(made))
    except (Killed, AuditError):  # rows that come and go at once look like a gap
        if world.is_quiet and world.kill_at == -1:
            raise
    return sent, last


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=150)
@given(data=st.data())
def test_no_change_is_missed(kind: str, data: st.DataObject) -> None:
    """After runs that were killed or not, and a quiet one, all is as it is there."""
    table, world = KINDS[kind], World(data.draw)
    page_size = data.draw(st.integers(1, 6))
    state: dict[str, Any] = {}
    arrived: dict[str, int] = {}
    for _ in range(data.draw(st.integers(1, 4))):
        world.change(data.draw(st.integers(0, 12)))
        world.questions = 0
        world.kill_at = data.draw(st.sampled_from([-1, 2, 3, 5, 8]))
        sent, state = run(table, world, state, page_size)
        arrived |= sent
    world.is_quiet, world.kill_at = True, -1
    for _ in range(2 if kind == "whole" else 1):  # the first ends an interrupted scan
        sent, state = run(table, world, state, page_size)
        arrived |= sent

    there = {key: version for key, (_, version) in world.rows.items()}
    assert {key: arrived.get(key) for key in there} == there
    assert state["scan"] is None


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=60)
@given(data=st.data())
def test_what_is_counted_and_not_given_is_a_gap(kind: str, data: st.DataObject) -> None:
    """A row that never comes ends the run, and once it shows the next run has it."""
    table, world = KINDS[kind], World(data.draw)
    world.change(20)
    world.is_quiet = True
    if not world.rows:
        return
    world.hidden = data.draw(st.sampled_from(sorted(world.rows)))
    page_size = data.draw(st.integers(1, 6))
    arrived: dict[str, int] = {}
    state: dict[str, Any] = {}
    with pytest.raises(AuditError, match="PostHog counts"):
        run(table, world, {}, page_size, into=(arrived, state))

    world.hidden = ""
    sent, _ = run(table, world, state, page_size)

    there = {key: version for key, (_, version) in world.rows.items()}
    assert arrived | sent == there
