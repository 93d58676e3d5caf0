"""The persons that PostHog has beside the ones that a webhook received.

Persons come again whenever they change, so the latest copy of each counts. One that was
merged into another or deleted since is in the webhook and no longer in PostHog.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from sandbox.text import figures

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sandbox.remote import Remote

POSTHOG = """
select toString(id), properties from person final where team_id = 1 and is_deleted = 0
"""
PATTERNS = """
select record ->> '$.id', record -> '$.properties' from webhook
where webhook = '{webhook}' order by seq
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class PeopleReport:
    """The figures of both ends."""

    webhook: str
    in_posthog: int
    received: int  # rows
    missing: int
    outdated: int  # the latest copy is not what PostHog has
    gone: int  # received, and merged or deleted since

    @property
    def complete(self) -> bool:
        """Whether each person is at the webhook, as PostHog has it."""
        return not self.missing and not self.outdated

    def __str__(self) -> str:
        """Give the figures in the order in which one asks for them."""
        lines = [
            ("persons in PostHog", self.in_posthog, ""),
            (
                f"received by {self.webhook}",
                self.received,
                "the latest copy of each counts",
            ),
            ("persons missing", self.missing, ""),
            ("persons out of date", self.outdated, ""),
        ]
        if self.gone:
            lines.append(("no longer in PostHog", self.gone, "merged or deleted since"))
        verdict = "NOT complete: persons are missing or out of date."
        if self.complete:
            verdict = "Complete: every person arrived, as PostHog has it now."
        return f"{figures(lines)}\n{verdict}"


def compare(remote: Remote, webhook: str) -> PeopleReport:
    """Ask both ends and compare them, person by person."""
    name = webhook.replace("'", "''")
    _, received = remote.patterns(PATTERNS.format(webhook=name))
    return judge(webhook, remote.posthog(POSTHOG), received)


def judge(
    webhook: str, posthog: Sequence[Sequence[Any]], received: Sequence[Sequence[Any]]
) -> PeopleReport:
    """Compare (id, properties as JSON); `received` is in the order of arrival."""
    latest = {str(who): text for who, text in received}
    held = {str(who): text for who, text in posthog}
    there = held.keys() & latest.keys()
    return PeopleReport(
        webhook=webhook,
        in_posthog=len(held),
        received=len(received),
        missing=len(held) - len(there),
        outdated=sum(_value(held[who]) != _value(latest[who]) for who in there),
        gone=len(latest.keys() - held.keys()),
    )


def _value(text: str | None) -> object:
    return msgspec.json.decode(text or "{}")
