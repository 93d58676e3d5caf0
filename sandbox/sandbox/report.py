"""What PostHog has beside what the webhook received: missing, double, late.

An event is a uuid and a name: PostHog keeps two events apart that share the uuid only.
It is late when PostHog took it in after a later one had reached the webhook: a
bookmark on `timestamp` has passed it by then.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from sandbox.text import figures

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sandbox.remote import Remote

POSTHOG = """
select concat(toString(uuid), ' ', event), min(toUnixTimestamp64Micro(timestamp)),
    min(toUnixTimestamp64Micro(created_at)), count()
from events where team_id = 1 group by uuid, event
"""
PATTERNS = """
select concat(uuid, ' ', event), epoch_us(timestamp), epoch_us(received_at)
from webhook where webhook = '{webhook}' order by received_at, seq
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The figures of both ends."""

    webhook: str
    in_posthog: int
    copies: int  # rows that PostHog has not merged yet
    received: int  # rows
    missing: int
    duplicates: int
    unknown: int  # received, but not in PostHog
    late: int
    late_missing: int

    @property
    def complete(self) -> bool:
        """Whether there are events, and each is at the webhook, once."""
        wrong = self.missing or self.duplicates or self.unknown
        return self.in_posthog > 0 and not wrong

    def __str__(self) -> str:
        """Give the figures in the order in which one asks for them."""
        lines = [
            ("events in PostHog", self.in_posthog, ""),
            (f"received by {self.webhook}", self.received, ""),
            ("missing", self.missing, ""),
            ("duplicates", self.duplicates, ""),
            ("late events", self.late, "ingested behind what had been delivered"),
            ("late events missing", self.late_missing, ""),
        ]
        if self.copies:
            note = f"and {self.copies:,} copies, sent twice by a client"
            lines[0] = (*lines[0][:2], note)
        if self.unknown:
            lines.append(("not in PostHog", self.unknown, "received all the same"))
        return f"{figures(lines)}\n{self._verdict()}"

    def _verdict(self) -> str:
        if not self.in_posthog and not self.received:
            return "Nothing to compare: PostHog's side is empty."
        if self.complete:
            return "Complete: every event arrived, once."
        wrong = [
            f"{count:,} {what}"
            for count, what in (
                (self.missing, "missing"),
                (self.duplicates, "double"),
                (self.unknown, "unknown to PostHog"),
            )
            if count
        ]
        return f"NOT complete: {', '.join(wrong)}."


def compare(remote: Remote, webhook: str) -> Report:
    """Ask both ends and compare them, event by event."""
    name = webhook.replace("'", "''")
    _, received = remote.patterns(PATTERNS.format(webhook=name))
    return judge(webhook, remote.posthog(POSTHOG), received)


def judge(
    webhook: str, posthog: Sequence[Sequence[Any]], received: Sequence[Sequence[Any]]
) -> Report:
    """Compare (id, timestamp, created_at, copies) with (id, timestamp, received).

    Instants are in microseconds; `received` is in the order of arrival.
    """
    there = {uuid for uuid, _, _ in received}
    arrivals = [arrived for *_, arrived in received]
    reached = list(accumulate((happened or 0 for _, happened, _ in received), max))
    late = missing = late_missing = 0
    for uuid, happened, created, _ in posthog:
        before = bisect_left(arrivals, created)  # so many had arrived by then
        is_late = before > 0 and reached[before - 1] > happened
        late += is_late
        missing += uuid not in there
        late_missing += is_late and uuid not in there
    return Report(
        webhook=webhook,
        in_posthog=len(posthog),
        copies=sum(count for *_, count in posthog) - len(posthog),
        received=len(received),
        missing=missing,
        duplicates=len(received) - len(there),
        unknown=len(there - {uuid for uuid, *_ in posthog}),
        late=late,
        late_missing=late_missing,
    )
