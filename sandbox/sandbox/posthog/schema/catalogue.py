"""Which tables there are for whoever asks now, and where their rows come from."""

from __future__ import annotations

from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TYPE_CHECKING

from sandbox.posthog import instants
from sandbox.posthog.errors import invalid
from sandbox.posthog.schema import activity, copies, people, settings_objects
from sandbox.posthog.schema.table_types import Shown, Stored

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from sandbox.posthog.behaviour import Behaviour

TABLES = {
    table.name: table
    for part in (people, activity, copies, settings_objects)
    for table in part.SHOWN
}
STORED = tuple({table.stored.name: table.stored for table in TABLES.values()}.values())
PROJECT = 1
COLUMNS = "system.information_schema.columns"
_COLUMNS_TABLE = Shown(
    name=COLUMNS,
    stored=Stored(
        name="",
        key="",
        columns="table_name String\ncolumn_name String\ndata_type String"
        "\ndescription Nullable(String)",
    ),
    source="-",
)


@dataclass(slots=True)
class Catalogue:
    """The tables beside `events`, as the switches make them; and which were read."""

    behaviour: Behaviour
    events: str  # which events a reader sees, as ClickHouse's SQL
    read: list[Shown] = field(default_factory=list)

    def find(self, name: str) -> Shown:
        """Give a table by HogQL's name.

        Raises:
            ApiError: PostHog would not know it, or not let this reader see it.
        """
        table = _COLUMNS_TABLE if name == COLUMNS else TABLES.get(name)
        if table is None or name in self._missing():
            near = get_close_matches(name, set(self._there()) - {name}, 1)
            hint = f" Did you mean `{near[0]}`?" if near else ""
            detail = f"Unknown table `{name}`.{hint}"
            raise invalid(detail)
        if name in self.behaviour.denied_tables:
            detail = f"You don't have access to table `{name}`."
            raise invalid(detail)
        self.read.append(table)
        return table

    def columns(self, table: Shown) -> dict[str, str]:
        """Give a table's columns and their types."""
        gone = {
            column
            for name, _, column in map(_cut, self.behaviour.missing_columns)
            if name == table.name
        }
        return {name: kind for name, kind in table.kinds.items() if name not in gone}

    def source(self, table: Shown, *, shown: bool) -> str:
        """Write the SELECT that gives a table's rows.

        Args:
            table: Which one.
            shown: Whether rows are given out, not only counted.
        """
        if table.name == COLUMNS:
            return _listed(
                (name, *column)
                for name in self._there()
                for column in self.columns(TABLES[name]).items()
            )
        now = instants.clickhouse(self.behaviour.now())
        sql = table.source.replace("{team}", str(PROJECT))
        sql = sql.replace("{now}", f"toDateTime64('{now}', 6, 'UTC')")
        sql = sql.replace("{events}", self.events)
        withheld = [self.behaviour.restricted.get(table.name)]
        if shown:
            withheld.append(self.behaviour.hidden_rows.get(table.name))
        for predicate in filter(None, withheld):
            sql = f"select * from ({sql}) where not ({predicate})"  # noqa: S608 - the test's own predicate
        return sql

    def warnings(self) -> list[dict[str, Any]] | None:
        """Say what PostHog says where access control may have left rows out."""
        withheld = {
            table.resource
            for table in self.read
            if table.name in self.behaviour.restricted
        }
        if not withheld:
            return None
        what = " and ".join(f"{name.replace('_', ' ')}s" for name in sorted(withheld))
        message = f"Results may exclude {what} you don't have access to"
        warning = {"type": "access_control", "resources": sorted(withheld)}
        return [warning | {"message": message}]

    def _missing(self) -> set[str]:
        missing = set(self.behaviour.missing_tables)
        if not self.behaviour.flag_evaluations_mode:
            missing.add("posthog.flag_evaluations")
        return missing

    def _there(self) -> list[str]:
        gone = self._missing() | set(self.behaviour.denied_tables)
        return [name for name in TABLES if name not in gone]


def _cut(column: str) -> tuple[str, str, str]:
    return column.rpartition(".")


def _listed(columns: Iterable[tuple[str, str, str]]) -> str:
    rows = ", ".join(
        f"('{table}', '{column}', '{_datatype(kind)}', NULL)"
        for table, column, kind in columns
    )
    names = (
        "table_name String, column_name String, data_type String,"
        " description Nullable(String)"
    )
    return f"select *, 1 as team_id from values('{names}', {rows})"  # noqa: S608 - our own names


def _datatype(kind: str) -> str:
    """Name a type as HogQL does."""
    kind = kind.removeprefix("Nullable(")
    for start, named in (
        ("DateTime", "DateTime"),
        ("JSON", "JSON"),
        ("String", "String"),
        ("UUID", "UUID"),
        ("Bool", "Boolean"),
        ("Array", "Array"),
        ("Float", "Float"),
    ):
        if kind.startswith(start):
            return named
    return "Integer"
