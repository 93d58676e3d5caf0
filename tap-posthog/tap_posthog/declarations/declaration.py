"""A stream as data: what it is for, its columns and key, and how it is kept up to date.

A new stream is one more of these, in `people`, `activity`, `settings_objects` or
`rest_lists`; reading it takes no code.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from tap_posthog.api.api_errors import QUERY
from tap_posthog.declarations.columns import Column

if TYPE_CHECKING:
    from collections.abc import Mapping

PROJECT_ID = Column("project_id", "integer", "Number of the PostHog project.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """What every stream beside the events has.

    Attributes:
        name: Of the stream.
        columns: All but `project_id`, which comes first in each record.
        key: Names of the columns that are one row, after `project_id`.
        purpose: What it is for.
        misses: What it does not show, and why.
        replication_key: A column that moves as a row changes; none: read whole.
        overlap: How far behind the bookmark each run reads again.
        scope: What the API key needs.
    """

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    purpose: str
    misses: str
    replication_key: str | None = None
    overlap: timedelta = timedelta(0)
    scope: str = QUERY

    @property
    def primary_keys(self) -> tuple[str, ...]:
        """The key of a record, or nothing where a row has none."""
        return (PROJECT_ID.name, *self.key) if self.key else ()

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON schema of a record."""
        columns = (PROJECT_ID, *self.columns)
        properties = {column.name: column.schema for column in columns}
        required = [name for name in properties if name in self.primary_keys]
        for name in required:
            kinds = [kind for kind in properties[name]["type"] if kind != "null"]
            properties[name] = properties[name] | {"type": kinds}
        return {"type": "object", "properties": properties, "required": required}

    def column(self, name: str) -> Column:
        """Return a column by its name."""
        return next(column for column in self.columns if column.name == name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Table(Declaration):
    """A stream that is read from a table of HogQL's.

    Attributes:
        tables: HogQL's names of it, newest first: the first that there is is read.
        grouped: Whether a row is made of all that share the key; the columns are
            aggregates then.
        window: A column by which PostHog sorts: the table is read in ranges of it.
        bounds: Columns that reach back further than the bookmark, and how far; they
            help PostHog to leave out what is old.
        rescanned: Whether the replication key misses some changes.
        kept: How long PostHog keeps a row.
        first_rows: How many rows are asked for at first, before their size is known.
    """

    tables: tuple[str, ...]
    grouped: bool = False
    window: str | None = None
    bounds: tuple[tuple[str, timedelta], ...] = ()
    rescanned: bool = False
    kept: timedelta | None = None
    first_rows: int = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RestList(Declaration):
    """A stream that is read from one of PostHog's REST lists.

    Attributes:
        path: Below the project.
        walks: What is asked for, one walk through the list each; `added` goes into
            each record of the walk.
        limit: Objects in one answer.
        bare: Whether the answer is the list itself, with no page behind it.
        detail: Whether an object has more than the list shows of it.
    """

    path: str
    walks: tuple[Walk, ...] = ()
    limit: int = 100
    bare: bool = False
    detail: bool = False


@dataclass(frozen=True, slots=True)
class Walk:
    """One way through a list: what is asked for, and what it says of each object."""

    asked: Mapping[str, str]
    added: Mapping[str, Any]
