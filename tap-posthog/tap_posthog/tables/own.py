"""The user's own queries: their columns as the server says, and how they are read.

A query is a table in parentheses. `{since}` and `{until}` in it are instants: from
where on rows are wanted, and the server's clock as the run began. The bookmark is the
largest value that was seen, and never beyond that clock: rows that bear a later value
than it are read again, and no row is passed by.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tap_posthog import timestamps
from tap_posthog.api import hogql
from tap_posthog.declarations.columns import Column, value
from tap_posthog.declarations.declaration import Table
from tap_posthog.errors import AuditError, ConfigError, QueryError
from tap_posthog.tables import questions
from tap_posthog.tables.position import Position
from tap_posthog.tables.reader import LONG_AGO, TableReader
from tap_posthog.tables.source import Batch, TableSource

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    import msgspec

    from tap_posthog.settings.hogql_streams import HogqlStream
    from tap_posthog.tables.answers import Answers

MOST_ROWS = 50_000  # PostHog's ceiling on LIMIT
PLAIN = re.compile(r"\w+", re.ASCII)
INNER = re.compile(r"(?:Nullable|LowCardinality)\((.*)\)")
KINDS = (
    ("DateTime", "instant"),
    ("Date", "instant"),
    ("UUID", "uuid"),
    ("Int", "integer"),
    ("UInt", "integer"),
    ("Float", "number"),
    ("Decimal", "number"),
    ("Bool", "boolean"),
    ("Array(String)", "texts"),
    ("Array(Int", "integers"),
    ("Array(UInt", "integers"),
    ("Map", "object"),
    ("JSON", "object"),
)


def declared(stream: HogqlStream, answers: Answers) -> Table:
    """Ask the server what columns a query has, and declare them.

    Raises:
        ConfigError: a column has no name, or a key is no column.
        PostHogError: PostHog refuses the query, in its own words.
    """
    query = filled(stream.query, timestamps.FIRST, timestamps.FIRST)
    try:
        types = answers.types(f"select * from ({query}) as q limit 0")  # noqa: S608 - the user's own
    except QueryError as error:
        said = error.said or str(error)
        msg = f"hogql_streams: {stream.name}: PostHog refuses its query: {said}"
        raise ConfigError(msg) from None
    names = [name for name, _ in types]
    for name in names:
        if not PLAIN.fullmatch(name) or names.count(name) > 1:
            msg = (
                f"hogql_streams: {stream.name}: its column {name} takes a name of its "
                "own, of letters, digits and _: write `... as name`"
            )
            raise ConfigError(msg)
    wanted = (*stream.primary_key, *filter(None, [stream.replication_key]))
    lacking = [name for name in wanted if name not in names]
    if lacking:
        msg = (
            f"hogql_streams: {stream.name}: its query has no column "
            f"{', '.join(lacking)}; it has {', '.join(names)}"
        )
        raise ConfigError(msg)
    return Table(
        name=stream.name,
        tables=(stream.query,),
        key=stream.primary_key,
        replication_key=stream.replication_key,
        purpose=stream.description or "The user's own query.",
        misses="",
        columns=tuple(
            Column(name, kind(type_), type_)
            for name, type_ in types
            if name != "project_id"
        ),
    )


def kind(type_: str) -> str:
    """Say which kind of column one of ClickHouse's types is; others are text."""
    while inner := INNER.fullmatch(type_):
        type_ = inner[1]
    return next((kind for start, kind in KINDS if type_.startswith(start)), "text")


def filled(query: str, since: datetime, until: datetime) -> str:
    """Put the two instants into a query."""
    query = query.replace("{since}", hogql.moment(since))
    return query.replace("{until}", hogql.moment(until))


class OwnSource(TableSource):
    """Reads one of the user's queries."""

    _until: datetime
    _largest: Any = None

    def read(self) -> Iterator[Batch]:
        """Read it by its key, or in one query where it has none."""
        self._until = self.answers.now()
        if self.table.key:
            yield from super().read()
        else:
            yield from self._at_once()

    def reader(self, since: Any, where: Sequence[str] = ()) -> TableReader:  # noqa: ANN401 - a state's
        """Make what reads the query, filled in."""
        key, query = self.table.replication_key, self.table.tables[0]
        asks_itself = "{since}" in query
        at = LONG_AGO
        if key and since is not None:
            column = self.table.column(key)
            if column.kind == "instant":
                at = self._instant(since)
            if not asks_itself:
                where = (*where, questions.since(column, since))
        self._tables = [f"({filled(query, at, self._until)}) as q"]
        return super().reader(since, where)

    def pass_on(self, stretches: Any) -> Iterator[Batch]:  # noqa: ANN401 - as its base
        """Note the largest value of the replication key as rows pass."""
        key = self.table.replication_key
        place = self._given.index(key) if key else -1
        for batch in super().pass_on(stretches):
            if key and batch.rows:
                self._note(key, (row[place] for row in batch.rows))
            yield batch

    def begin(self, now: datetime, *, whole: bool) -> Position:
        """Return the position at the start of a scan."""
        begun = super().begin(now, whole=whole)
        if self._is_timed:
            return begun
        return Position(self.position.value, begun.scan, begun.scanned_at)

    def done(self) -> Position:
        """Return the position at the end: the largest value that was seen."""
        scan, ended = self.position.scan, super().done()
        if not self.table.replication_key:
            return ended
        since = scan.since if scan else None
        seen = [each for each in (self._largest, since) if each is not None]
        largest = max(seen, default=None)
        if self._is_timed and isinstance(ended.value, str) and largest is not None:
            largest = min(largest, ended.value)
        return Position(largest, None, ended.scanned_at)

    @property
    def _is_timed(self) -> bool:
        key = self.table.replication_key
        return key is None or self.table.column(key).kind == "instant"

    def _changed(self, _since: Any, /) -> Iterator[str]:  # noqa: ANN401 - as its base
        yield from ()

    def _note(self, key: str, cells: Iterable[msgspec.Raw]) -> None:
        kind = self.table.column(key).kind
        for cell in cells:
            seen = value(kind, cell)
            if seen is not None and (self._largest is None or seen > self._largest):
                self._largest = seen

    def _at_once(self) -> Iterator[Batch]:
        """Read a query without a key: one page, which must hold all there is."""
        query = filled(self.table.tables[0], LONG_AGO, self._until)
        names = ", ".join(hogql.name(name) for name in self._given)
        hogql_text = f"select {names} from ({query}) as q limit {MOST_ROWS}"  # noqa: S608 - the user's own
        page = self.answers.page(hogql_text, len(self._given), divisible=False)
        got = 0
        for rows in page.parts:
            got += len(rows)
            yield Batch(rows)
        self._stats.planned += got
        self._stats.read += got
        counted = self.answers.ask(
            f"select count() from ({query}) as q limit 1",  # noqa: S608 - as above
            lambda rows: int(rows[0][0]),
        )
        if got >= MOST_ROWS or got < counted:
            msg = (
                f"{self.table.name}: its query has {counted:,} rows, and PostHog gave "
                f"{got:,}: give it a primary_key, by which it is read in pages"
            )
            raise AuditError(msg)
        self.position = Position().begin(self._until, whole=True).done()
        yield Batch((), self.position)
