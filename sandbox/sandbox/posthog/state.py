"""What PostHog's side holds while it runs, and which rows a reader may see of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sandbox.posthog import access, instants
from sandbox.posthog.behaviour import Behaviour
from sandbox.posthog.fields import PERSON
from sandbox.posthog.limits import Limits

if TYPE_CHECKING:
    from sandbox.posthog.table import Table


@dataclass(slots=True)
class State:
    """One project's worth of PostHog."""

    table: Table
    behaviour: Behaviour = field(default_factory=Behaviour)
    limits: Limits = field(default_factory=Limits)

    async def guard(self) -> str:
        """Say which rows are there for a reader: its own, that have arrived."""
        guard = f"events.team_id = {access.PROJECT}"
        now = instants.clickhouse(self.behaviour.now())
        if await self.table.latest_visibility() > now:
            # only then, so that reading has PostHog's cost: it has no such column
            guard += f" and events.visible_at <= toDateTime64('{now}', 6, 'UTC')"
        return guard

    async def person_of_event(self) -> str:
        """Say whose an event is now: PostHog looks that up as it answers."""
        if not await self.table.overridden():
            return PERSON
        found = "joinGetOrNull('posthog.event_overrides', 'person_id', {0}.distinct_id)"
        return f"coalesce({found}, {PERSON})"

    def shown_rows(self) -> str:
        """Say where a query for rows, not figures, reads them."""
        if self.behaviour.hidden is None:
            return "events"
        hidden = self.behaviour.hidden
        return f"(select * from events where not ({hidden})) as events"  # noqa: S608 - the test's own predicate
