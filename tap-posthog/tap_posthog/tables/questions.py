# ruff: noqa: S608 - values are escaped, names are declared
"""The questions to one table of HogQL's, and the HogQL of each. Pure; sends nothing.

Rows are read in the order of a key that each row has alone, and no two pages overlap:
a page is what lies behind the last row of the one before. Keys are compared by the
server only: the order of UUIDs in ClickHouse is not that of their texts. LIMIT is
always written out, and OFFSET is refused for API keys.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tap_posthog import timestamps
from tap_posthog.api import hogql

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tap_posthog.declarations.columns import Column

    Place = Sequence[Any]  # the key of a row, or the first part of one

# Each row begins with this, so that an answer can be cut between rows.
ROW = "#row#"
ROW_ENDS = re.compile(rb'\]\s*,(?=\s*\["#row#",)')


@dataclass(frozen=True, slots=True, kw_only=True)
class Questions:
    """Asks one table.

    Attributes:
        source: What follows FROM.
        order: The columns by which rows are read; together, each row's own.
        columns: What is asked for, beside the order.
        where: Conditions on every row.
        grouped: Whether a row is made of all that share the order.
    """

    source: str
    order: tuple[Column, ...]
    columns: tuple[Column, ...]
    where: tuple[str, ...] = ()
    grouped: bool = False

    def page(
        self, after: Place, limit: int, *, through: Place = (), before: str = ""
    ) -> str:
        """Ask for rows behind a place, up to another, or to before an instant.

        A row: `ROW`, its place, the columns.
        """
        names = [_expression(column) for column in (*self.order, *self.columns)]
        return (
            f"select {hogql.text(ROW)}, {', '.join(names)} from {self.source}"
            f"{self._where(after, through, before)}{self._group} "
            f"order by {self._order} limit {limit}"
        )

    def plan(
        self, after: Place, limit: int, *, before: str = "", clock: bool = False
    ) -> str:
        """Ask how many of the next rows there are, and where the last is. One row."""
        keys = ", ".join(f"key_{n}" for n in range(len(self.order)))
        named = ", ".join(
            f"{_expression(column)} as key_{n}" for n, column in enumerate(self.order)
        )
        return (
            f"select count(), max(tuple({keys})){', now()' if clock else ''} from "
            f"(select {named} from {self.source}"
            f"{self._where(after, (), before)}{self._group} "
            f"order by {self._order} limit {limit}) limit 1"
        )

    def count(self, after: Place, *, through: Place = (), before: str = "") -> str:
        """Ask how many rows lie between two places. One row."""
        what = f"uniqExact({self._order})" if self.grouped else "count()"
        where = self._where(after, through, before)
        return f"select {what} from {self.source}{where} limit 1"

    def hours(self, after: Place, *, since: str = "", before: str = "") -> str:
        """Ask how many rows each hour of the first column has, and the last's place.

        One row: hours, each with its rows and that place; now.
        """
        first = _expression(self.order[0])
        where = self._where(after, (), before, since)
        return (
            "select groupArray(tuple(hour, rows, last)), now() from (select "
            f"intDiv(toUnixTimestamp({first}), 3600) as hour, count() as rows, "
            f"max(tuple({self._order})) as last "
            f"from {self.source}{where} group by hour) limit 1"
        )

    @property
    def _order(self) -> str:
        return ", ".join(map(_expression, self.order))

    @property
    def _group(self) -> str:
        return f" group by {self._order}" if self.grouped else ""

    def _where(self, after: Place, through: Place, before: str, since: str = "") -> str:
        conditions = [
            *self.where,
            *(_side(self.order, after, ">") if after else ()),
            *(_side(self.order, through, "<") if through else ()),
        ]
        first = self.order[0]
        if since:
            conditions.append(f"{_expression(first)} >= {literal(first, since)}")
        if before:
            conditions.append(f"{_expression(first)} < {literal(first, before)}")
        return f" where {' and '.join(conditions)}" if conditions else ""


def literal(column: Column, value: Any) -> str:  # noqa: ANN401 - of whatever kind
    """Write a value of a column as HogQL reads it."""
    match column.kind:
        case "integer" | "number":
            return str(value)
        case "instant":
            return hogql.moment(timestamps.read(value))
        case "uuid":
            return f"toUUID({hogql.text(str(value))})"
    return hogql.text(str(value))


def since(column: Column, moment: str) -> str:
    """Write the condition that a column is at or after an instant."""
    return f"{_expression(column)} >= {literal(column, moment)}"


def _side(order: Sequence[Column], place: Place, sign: str) -> list[str]:
    """Write what lies behind a place (`>`), or up to and with it (`<`).

    The first column has a bound of its own, by which ClickHouse skips. A place that is
    shorter than the key is a bound on the first column alone.
    """
    names = [_expression(column) for column in order]
    values = [literal(*pair) for pair in zip(order, place, strict=False)]
    bound = f"{names[0]} {sign}= {values[0]}"
    if len(values) < len(names):
        return [bound]
    last = f"{names[-1]} {sign}{'=' if sign == '<' else ''} {values[-1]}"
    if len(values) == 1:
        return [last]
    tie = last
    for name, value in zip(names[-2::-1], values[-2::-1], strict=True):
        tie = f"({name} {sign} {value} or {name} = {value} and {tie})"
    return [bound, tie]


def _expression(column: Column) -> str:
    source = column.source or column.name
    return source if "(" in source else hogql.name(source)
