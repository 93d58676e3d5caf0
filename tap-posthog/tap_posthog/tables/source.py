"""One table as the source of a stream: what is read in a run, and the state behind it.

A run finishes the scan that the last one left, then reads what changed since, or
everything where the stream has no time of a change. Tables and columns that a server
does not have are left out.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from tap_posthog import timestamps
from tap_posthog.api.query import QueryEndpoint
from tap_posthog.errors import PostHogError
from tap_posthog.events.state_fields import refuse
from tap_posthog.tables import questions
from tap_posthog.tables.answers import Answers, unknown_field, unknown_table
from tap_posthog.tables.position import Position, Scan
from tap_posthog.tables.questions import Questions
from tap_posthog.tables.ranges import ranges
from tap_posthog.tables.reader import Plan, TableReader

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tap_posthog.api.client import Client
    from tap_posthog.declarations.declaration import Table
    from tap_posthog.progress import Stats
    from tap_posthog.settings.settings import Settings
    from tap_posthog.tables.answers import Row
    from tap_posthog.tables.reader import Hours, Stretch

    Found = Plan | Hours | None

logger = logging.getLogger("tap-posthog")


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows to write, then the position that is safe behind them. None: not yet one."""

    rows: Sequence[Row]
    position: Position | None = None


class TableSource:
    """Reads one stream from its table."""

    def __init__(  # noqa: PLR0913 - its parts arrive built
        self,
        table: Table,
        columns: Sequence[str],
        client: Client,
        settings: Settings,
        *,
        whole: bool,
        stats: Stats,
    ) -> None:
        """Take the columns to give, in order, and whether to read all in any case."""
        self.table = table
        self.position = Position()
        self.answers = Answers(QueryEndpoint(client, settings.project_id))
        self.settings = settings
        self._client = client
        self._stats = stats
        self._tables = list(table.tables)
        self._columns = {column.name: column for column in table.columns}
        self._given = tuple(columns)
        self._whole = whole or not table.replication_key

    def batches(self, position: Position) -> Iterator[Batch]:
        """Read what a position leaves to read.

        Raises:
            AuditError: PostHog counts more rows than it gives.
            PostHogError: it refused a question for good.
        """
        self.position = position
        if self._whole and self.table.replication_key:
            self.position = Position()  # the catalog asks for all
        while True:
            try:
                yield from self.read()
            except PostHogError as error:
                if unknown_table(error) and len(self._tables) > 1:
                    self._tables.pop(0)
                elif unknown_table(error):
                    self._skip(error)
                    return
                elif not self._leave_out(unknown_field(error)):
                    raise
            else:
                self._say_what_is_withheld()
                return

    def read(self) -> Iterator[Batch]:
        """Finish a scan that was interrupted, then read what changed since."""
        if scan := self.position.scan:
            logger.info("%s: going on where the last run was stopped", self.table.name)
            reader = self.reader(scan.since)
            _, found = self._open(reader, scan.after)
            yield from self._scan(reader, found)
            if self._whole:
                return
        whole = self._is_due()
        since = None if whole else self.position.value
        reader = self.reader(since)
        now, found = self._open(reader, ())
        self._say_what_is_gone(now)
        self.position = self.begin(now, whole=whole)
        yield from self._scan(reader, found)

    def begin(self, now: datetime, *, whole: bool) -> Position:
        """Return the position at the start of a scan."""
        return self.position.begin(now, whole=whole)

    def reader(self, since: Any, where: Sequence[str] = ()) -> TableReader:  # noqa: ANN401 - a state's
        """Make what reads the rows that changed since, or all of them."""
        table = self.table
        order = table.key if not table.window else (table.window, *table.key)
        asked = Questions(
            source=self._tables[0],
            order=tuple(self._columns[name] for name in order),
            columns=tuple(self._columns[name] for name in self._given),
            where=(*where, *self._changed(since)),
            grouped=table.grouped,
        )
        return self.reader_of(asked)

    def reader_of(self, asked: Questions) -> TableReader:
        """Make what reads by these questions."""
        return TableReader(
            self.table.name,
            self.answers,
            asked,
            page_size=self.settings.page_size,
            first_rows=self.table.first_rows,
            audit=self.settings.audit,
            stats=self._stats,
        )

    def pass_on(self, stretches: Iterator[Stretch]) -> Iterator[Batch]:
        """Turn what a reader gives into rows and positions."""
        for each in stretches:
            if each.reached is not None:
                self.position = self.position.at(each.reached)
                yield Batch((), self.position)
            else:
                yield Batch(each.rows)

    def _open(
        self, reader: TableReader, after: Sequence[Any]
    ) -> tuple[datetime, Found]:
        if self.table.window:
            return reader.hours(after)
        return reader.first(after)

    def _scan(self, reader: TableReader, found: Found) -> Iterator[Batch]:
        after = (self.position.scan or Scan()).after
        if not isinstance(found, list):
            yield from self.pass_on(reader.read(after, plan=found))
        else:
            for each in ranges(found, reader.rows_a_stretch):
                plan = None
                if each.rows <= reader.rows_a_stretch:
                    plan = Plan(each.rows, each.last)
                yield from self.pass_on(
                    reader.read(after, plan=plan, before=each.before)
                )
                if each.before:
                    after = (each.before,)
                    self.position = self.position.at(after)
                    yield Batch((), self.position)
        self.position = self.done()
        yield Batch((), self.position)

    def done(self) -> Position:
        """Return the position at the end of a scan."""
        return self.position.done()

    def _changed(self, since: Any, /) -> Iterator[str]:  # noqa: ANN401 - a state's
        """Write the conditions on what changed since."""
        table = self.table
        if since is None or self._whole or table.replication_key is None:
            return
        at = self._instant(since)
        spans = [(table.replication_key, table.overlap), *table.bounds]
        for name, span in spans:
            moment = timestamps.spell(timestamps.before(at, span))
            yield questions.since(self._columns[name], moment)

    def _instant(self, value: Any) -> datetime:  # noqa: ANN401 - a state's
        try:
            return timestamps.within(timestamps.read(value))
        except (TypeError, ValueError):
            refuse("replication_key_value", value, "a time")

    def _is_due(self) -> bool:
        """Whether everything is to be read: the replication key misses some changes."""
        at, days = self.position.scanned_at, self.settings.full_scan_days
        if self._whole or self.position.value is None:
            return True
        if not self.table.rescanned or not days:
            return False
        return at is None or self._client.server_now() - at >= timedelta(days=days)

    def _leave_out(self, field: str) -> bool:
        """Ask no more for a column that the server does not have."""
        if not field:
            return False
        pattern = re.compile(rf"(?<![\w$]){re.escape(field)}(?![\w$])")
        named = {
            column.name: column.source or column.name
            for column in self._columns.values()
            if pattern.search(column.source or column.name)
        }
        keys = {*self.table.key, self.table.window}
        if not named or keys & {*named}:
            return False
        for name, source in named.items():
            without = pattern.sub("null", source)
            without = "toString(null)" if without == "null" else without
            self._columns[name] = replace(self._columns[name], source=without)
        logger.warning(
            "%s: this PostHog has no column %s yet: null is sent",
            self.table.name,
            field,
        )
        if self.table.replication_key in named and not self._whole:
            logger.warning(
                "%s is read whole: without that column no change can be told",
                self.table.name,
            )
            self._whole = True
        return True

    def _skip(self, error: PostHogError) -> None:
        logger.warning(
            "%s is skipped: this PostHog does not have it, or not for this "
            "organisation (%s)",
            self.table.name,
            error.said,
        )

    def _say_what_is_withheld(self) -> None:
        for said in sorted(self.answers.withheld):
            logger.warning(
                "%s: PostHog left rows out that the owner of the API key may not see: "
                "%s",
                self.table.name,
                said,
            )

    def _say_what_is_gone(self, now: datetime) -> None:
        """Warn where PostHog has dropped rows since the last run."""
        kept, value = self.table.kept, self.position.value
        if kept and value is not None and now - self._instant(value) > kept:
            logger.warning(
                "%s: the last run was at %s, and PostHog keeps %d days: what came "
                "between is lost. Run it at least daily",
                self.table.name,
                value,
                kept.days,
            )
