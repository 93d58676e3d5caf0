"""The whole of a team's settings, put where PostHog has each of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.workspace import boards, cohorts, notes, rollouts, usage

if TYPE_CHECKING:
    from datetime import datetime

    from sandbox.remote import Remote

PEOPLE = """
select toString(id), JSONExtractString(properties, 'plan')
from person final where is_deleted = 0 and is_identified = 1 order by id
"""
SESSIONS = """
select `$session_id`, any(distinct_id), toString(min(timestamp)),
    toString(max(timestamp))
from events where `$session_id` != '' group by 1 order by max(timestamp) desc limit 25
"""


@dataclass(frozen=True, slots=True)
class World:
    """What the events have made, which settings refer to."""

    until: datetime
    people: list[tuple[str, str]]  # id and plan, of those who have an account
    sessions: list[tuple[str, str, str, str]]  # id, distinct id, start, end


def furnish(remote: Remote, until: datetime) -> None:
    """Put everything in; the same events get the same settings."""
    world = World(
        until,
        [(str(who), str(plan)) for who, plan in remote.posthog(PEOPLE)],
        [(str(a), str(b), str(c), str(d)) for a, b, c, d in remote.posthog(SESSIONS)],
    )
    for part in (cohorts, boards, notes, usage):
        for table, rows in part.tables(world).items():
            remote.put("tables", table, rows)
    for kind, objects in rollouts.lists(world).items():
        remote.put("lists", kind, objects)
