"""What names mean inside a SELECT: its sources, their columns, its aliases."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sandbox.posthog.errors import invalid
from sandbox.posthog.fields import COLUMNS as EVENT_COLUMNS
from sandbox.posthog.fields import TEXTS, column, instant, name, prop, unresolved

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from sandbox.posthog.parser import Node
    from sandbox.posthog.schema.catalogue import Catalogue


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What every query of a request is subject to."""

    now: datetime
    timezone: str
    limit_max: int
    guard: str  # which events are there
    rows_from: str  # where a query that returns rows, not figures, reads events
    person: str  # whose an event is
    tables: Catalogue  # all but events
    values: Mapping[str, Any] = field(default_factory=dict)  # for {placeholders}


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What one FROM or JOIN gives.

    Attributes:
        label: What ClickHouse calls it; none for a sub-select without a name.
        prefixes: How its fields may be prefixed.
        star: The columns that `*` means.
        kinds: Its columns' types, where they are known.
        is_events: Whether it is PostHog's `events`.
    """

    label: str | None
    prefixes: frozenset[tuple[str, ...]]
    star: tuple[str, ...]
    kinds: Mapping[str, str | None]
    is_events: bool = False

    def rest(self, chain: list[str]) -> list[str] | None:
        """Take this source's prefix off a field's name; None: it has not got it."""
        for length in range(len(chain) - 1, 0, -1):
            if tuple(chain[:length]) in self.prefixes:
                return chain[length:]
        return None

    def has(self, chain: list[str]) -> bool:
        """Say whether there is such a field."""
        if self.is_events:
            return chain[0] in EVENT_COLUMNS or chain[0] in {"team_id", "person", "poe"}
        return chain[0] in self.kinds

    def field(self, chain: list[str], rules: Rules) -> str:
        """Print one of its fields.

        Raises:
            ApiError: There is no such field; PostHog's 400.
        """
        if self.is_events:
            label = self.label or "events"
            return column(chain, rules.timezone, label, rules.person)
        first, *path = chain
        if first not in self.kinds:
            raise unresolved(chain)
        sql = f"{name(self.label)}.{name(first)}" if self.label else name(first)
        kind = self.kinds[first] or ""
        if path and kind not in {"JSON", ""}:
            raise unresolved(chain)
        if path:
            return prop(sql, path)
        return instant(sql, rules.timezone) if "DateTime" in kind else sql

    def is_text(self, column: str) -> bool:
        """Say whether a column holds text."""
        if self.is_events:
            return column in TEXTS
        kind = self.kinds.get(column) or ""
        return "String" in kind or kind == "JSON"


@dataclass(slots=True)
class Scope:
    """What names mean inside one SELECT."""

    sources: list[Source] = field(default_factory=list)
    aliases: dict[str, Node] = field(default_factory=dict)
    figures: bool = False  # no row is shown here or above: of events
    counts: bool = False  # rows are counted here or above: of any table

    def source(self, chain: list[str]) -> tuple[Source, list[str]]:
        """Find where a field comes from, and its name there.

        Raises:
            ApiError: From nowhere, or from more than one place.
        """
        for source in self.sources:
            rest = source.rest(chain)
            if rest is not None:
                return source, rest
        if len(self.sources) == 1:
            return self.sources[0], chain
        found = [source for source in self.sources if source.has(chain)]
        if len(found) > 1:
            detail = f"Ambiguous query. Found multiple sources for field: {chain[0]}"
            raise invalid(detail)
        if not found:
            raise unresolved(chain)
        return found[0], chain
