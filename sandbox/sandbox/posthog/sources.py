"""FROM and JOIN: tables, sub-selects and common tables, printed and made known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.posthog.expressions import Expressions
from sandbox.posthog.fields import COLUMNS, name
from sandbox.posthog.scopes import Source

if TYPE_CHECKING:
    from sandbox.posthog.parser import Node

_FROM = {
    "node", "start", "end", "table", "alias", "next_join", "join_type", "constraint",
}  # fmt: skip
_JOINS = frozenset(
    {"JOIN", "INNER JOIN", "LEFT JOIN", "LEFT OUTER JOIN", "RIGHT JOIN", "CROSS JOIN"}
    | {"LEFT ANY JOIN", "ANY LEFT JOIN", "ANY INNER JOIN", "FULL JOIN"}
)


class Sources(Expressions):
    """Print where rows come from; queries are printed by who derives from this."""

    def source_of(self, join: Node) -> str:
        """Print FROM with its joins, and learn which fields there are."""
        if join.get("next_join") is None:
            return f" from {self._source(join, joined=False)}"
        following: Node | None = join
        sql = " from "
        while following is not None:
            source = self._source(following, joined=True)
            if following is join:
                sql += source
            else:
                kind = following["join_type"]
                if kind not in _JOINS:
                    raise self.refused(kind)
                sql += f" {kind.lower()} {source}{self._constraint(following)}"
            following = following["next_join"]
        return sql

    def select(
        self, tree: Node, *, figures: bool = False, counts: bool = False
    ) -> tuple[str, list[str], list[str]]:
        """Print a SELECT."""
        raise NotImplementedError(tree, figures, counts)

    def _constraint(self, join: Node) -> str:
        constraint = join.get("constraint")
        if constraint is None:
            return ""
        if constraint["constraint_type"] != "ON":
            raise self.refused(constraint["constraint_type"])
        return f" on {self.expr(constraint['expr'])}"

    def _source(self, join: Node, *, joined: bool) -> str:
        """Print one source; a joined one has its own name, and its guard inside."""
        for key, value in join.items():
            if key not in _FROM and value:
                raise self.refused(key)
        table, alias = join["table"], join.get("alias")
        if table["node"] != "Field":
            return self._below(table, alias, joined=joined)
        called = ".".join(map(str, table["chain"]))
        if called in self.ctes:
            known = self.ctes
            self.ctes = {key: known[key] for key in known if key != called}
            try:
                return self._below(known[called], alias or called, joined=joined)
            finally:
                self.ctes = known
        if called == "events":
            return self._events(alias or called, joined=joined)
        return self._table(called, table["chain"], alias)

    def _below(self, tree: Node, alias: str | None, *, joined: bool) -> str:
        scope = self.scope
        sql, _, columns = self.select(tree, figures=scope.figures, counts=scope.counts)
        label = alias or (f"source{len(scope.sources)}" if joined else None)
        scope.sources.append(
            Source(
                label=label,
                prefixes=frozenset({(alias,)} if alias else ()),
                star=tuple(columns),
                kinds=dict.fromkeys(columns),
            )
        )
        return f"({sql})" + (f" as {name(label)}" if label else "")

    def _events(self, alias: str, *, joined: bool) -> str:
        label = alias if joined else "events"
        self.scope.sources.append(
            Source(
                label=label,
                prefixes=frozenset({(alias,)}),
                star=COLUMNS,
                kinds={},
                is_events=True,
            )
        )
        rows = "events" if self.scope.figures else self.rules.rows_from
        if not joined:
            return rows
        guarded = f"(select * from {rows} where {self.rules.guard})"  # noqa: S608 - printed from a checked tree
        return f"{guarded} as {name(label)}"

    def _table(self, called: str, chain: list[str], alias: str | None) -> str:
        tables = self.rules.tables
        table = tables.find(called)
        kinds = tables.columns(table)
        label = alias or str(chain[-1])
        prefixes = {(alias,)} if alias else {tuple(map(str, chain)), (label,)}
        self.scope.sources.append(
            Source(
                label=label,
                prefixes=frozenset(prefixes),
                star=tuple(column for column in table.star if column in kinds),
                kinds=kinds,
            )
        )
        sql = tables.source(table, shown=not self.scope.counts)
        return f"({sql}) as {name(label)}"
