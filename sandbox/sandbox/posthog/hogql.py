"""HogQL to ClickHouse: a tree is printed as SQL, or refused as PostHog would.

What a reader of tables needs is here; windows and lambdas are not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.posthog.errors import NO_OFFSET, invalid
from sandbox.posthog.fields import name
from sandbox.posthog.functions import AGGREGATES, COUNTS
from sandbox.posthog.parser import parse
from sandbox.posthog.scopes import Rules, Scope
from sandbox.posthog.sources import Sources

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sandbox.posthog.parser import Node

DEFAULT_LIMIT = 100

_BELOW = {"select_from", "ctes"}
_SELECT = {
    "node", "start", "end", "select", "select_from", "where", "group_by", "having",
    "order_by", "limit", "limit_by", "distinct", "offset", "ctes",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Printed:
    """A query in ClickHouse's SQL; `inner` and `columns` name its columns."""

    sql: str
    inner: list[str]  # in the SQL
    columns: list[str]  # in the answer
    limit: int
    limited: bool  # by its author


def to_clickhouse(hogql: str, rules: Rules) -> Printed:
    """Print a query as ClickHouse's SQL.

    Raises:
        ApiError: PostHog would refuse it; or the sandbox has not got it.
    """
    return _Printer(hogql, rules).top(parse(hogql))


class _Printer(Sources):
    """Print queries, and with them their limits and guards."""

    def top(self, tree: Node) -> Printed:
        """Print the outermost query, with the limits that PostHog sets there."""
        if tree["node"] == "SelectSetQuery":
            sql, columns = self.union(tree)
            limited, asked = False, DEFAULT_LIMIT
            sql = f"select * from ({sql})"  # noqa: S608 - printed from a checked tree
            inner = columns
        else:
            limited = tree.get("limit") is not None
            asked = self.count(tree["limit"]) if limited else DEFAULT_LIMIT
            sql, inner, columns = self.select(dict(tree, limit=None))
        limit = min(asked, self.rules.limit_max)
        # one more than shown says whether there is more
        rows = limit if limited else limit + 1
        return Printed(f"{sql} limit {rows}", inner, columns, limit, limited)

    def union(
        self, tree: Node, *, figures: bool = False, counts: bool = False
    ) -> tuple[str, list[str]]:
        """Print selects in a row; the first one names the columns."""
        for key in ("limit", "offset", "limit_by", "order_by", "limit_with_ties"):
            if tree.get(key):
                msg = f"{key} of a union"
                raise self.refused(msg)
        above = {"figures": figures, "counts": counts}
        first, _, columns = self.select(tree["initial_select_query"], **above)
        parts = [first]
        for part in tree["subsequent_select_queries"]:
            if part["set_operator"] != "UNION ALL":
                raise self.refused(part["set_operator"])
            sql, _, _ = self.select(part["select_query"], **above)
            parts.append(sql)
        return " union all ".join(f"({part})" for part in parts), columns

    def select(
        self, tree: Node, *, figures: bool = False, counts: bool = False
    ) -> tuple[str, list[str], list[str]]:
        """Print a SELECT.

        Args:
            tree: Its node.
            figures: Whether what is above shows no row of it, only aggregates.
            counts: Whether what is above counts its rows.

        Returns:
            The SQL, the names of its columns there, and in the answer.
        """
        if tree["node"] == "SelectSetQuery":
            sql, columns = self.union(tree, figures=figures, counts=counts)
            return sql, columns, columns
        if tree.get("offset") is not None:
            raise invalid(NO_OFFSET)
        for key, value in tree.items():
            if key not in _SELECT and value:
                raise self.refused(key)
        figures = figures or bool(tree.get("group_by")) or _calls(tree, AGGREGATES)
        counts = counts or _calls(tree, COUNTS)
        outer, self.scope = self.scope, Scope(figures=figures, counts=counts)
        known, self.ctes = self.ctes, self.ctes | self.common(tree.get("ctes") or [])
        try:
            return self.clauses(tree)
        finally:
            self.scope, self.ctes = outer, known

    def common(self, nodes: list[Node]) -> dict[str, Node]:
        """Give the tables that WITH names; each is printed where it is read."""
        for node in nodes:
            if node["cte_type"] != "subquery":
                msg = f"WITH {node['name']} that is no query"
                raise self.refused(msg)
        return {node["name"]: node["expr"] for node in nodes}

    def clauses(self, tree: Node) -> tuple[str, list[str], list[str]]:
        """Print a SELECT's clauses; FROM first, since names come from there."""
        source = self.source_of(tree["select_from"]) if tree["select_from"] else ""
        items, inner, columns = self.columns(tree["select"])
        sql = f"select {'distinct ' if tree['distinct'] else ''}{', '.join(items)}"
        where = [self.expr(tree["where"])] if tree["where"] else []
        tail = ""
        if tree.get("group_by"):
            tail += f" group by {self.joined(tree['group_by'])}"
        if tree.get("having"):
            tail += f" having {self.expr(tree['having'])}"
        if tree.get("order_by"):
            tail += f" order by {', '.join(map(self.order, tree['order_by']))}"
        if by := tree.get("limit_by"):
            if by["offset_value"] is not None:
                raise invalid(NO_OFFSET)
            tail += f" limit {self.count(by['n'])} by {self.joined(by['exprs'])}"
        if tree.get("limit") is not None:
            tail += f" limit {self.count(tree['limit'])}"
        if [source.is_events for source in self.scope.sources] == [True]:
            where.insert(0, self.rules.guard)
        if where:
            source += " where " + " and ".join(f"({part})" for part in where)
        return f"{sql}{source}{tail}", inner, columns

    def columns(self, nodes: list[Node]) -> tuple[list[str], list[str], list[str]]:
        """Print what is selected, each under a name of its own."""
        items: list[str] = []
        inner: list[str] = []
        columns: list[str] = []
        for node in self.expanded(nodes):
            alias = None
            expr = node
            if node["node"] == "Alias":
                alias, expr = node["alias"], node["expr"]
                if alias in self.scope.aliases:
                    detail = f"Cannot redefine an alias with the name: {alias}"
                    raise invalid(detail)
            sql = self.expr(expr)
            if alias is not None:
                self.scope.aliases[alias] = expr
                label = alias
            elif expr["node"] == "Field":
                label = str(expr["chain"][-1])
            else:
                label = self.source[node["start"]["offset"] : node["end"]["offset"]]
            inner.append(f"{label}#{len(inner)}" if label in inner else label)
            columns.append(label)
            items.append(f"{sql} as {name(inner[-1])}")
        return items, inner, columns

    def expanded(self, nodes: list[Node]) -> Iterable[Node]:
        """Put the columns where there is a `*`."""
        for node in nodes:
            if node["node"] != "Field" or node["chain"][-1] != "*":
                yield node
                continue
            prefix = [str(part) for part in node["chain"][:-1]]
            for source in self.scope.sources:
                if prefix and source.rest([*prefix, "*"]) != ["*"]:
                    continue
                before = [] if len(self.scope.sources) == 1 else [source.label]
                for each in source.star:
                    yield {"node": "Field", "chain": [*before, each]}

    def order(self, node: Node) -> str:
        return f"{self.expr(node['expr'])} {node['order'].lower()}"

    def count(self, node: Node) -> int:
        value = self.filled(node).get("value")
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            detail = "LIMIT must be a constant number"
            raise invalid(detail)
        return value

    def subquery(self, node: Node) -> str:
        """Print a query inside an expression."""
        return f"({self.select(node)[0]})"


def _calls(part: object, names: frozenset[str]) -> bool:
    """Say whether a SELECT itself, not one below it, calls one of these."""
    if isinstance(part, dict):
        if part.get("node") == "Call" and part["name"] in names:
            return True
        below = (value for key, value in part.items() if key not in _BELOW)
        return any(_calls(value, names) for value in below if not _is_select(value))
    return isinstance(part, list) and any(_calls(value, names) for value in part)


def _is_select(part: object) -> bool:
    return isinstance(part, dict) and part.get("node") in {
        "SelectQuery",
        "SelectSetQuery",
    }
