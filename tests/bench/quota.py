"""How long PostHog's request quotas make a backfill take. Arithmetic, no clock.

Rates of the query endpoint: posthog/rate_limit.py, `api_queries_burst` and
`api_queries_sustained`; of the events list: `clickhouse_burst`, `clickhouse_sustained`.
"""

from __future__ import annotations

from dataclasses import dataclass

MINUTE = 60
HOUR = 3600
UNITS = ((86_400, "d"), (HOUR, "h"), (MINUTE, "min"), (1, "s"))


@dataclass(frozen=True, slots=True)
class Quota:
    """Requests that any 60 and any 3,600 seconds may hold."""

    per_minute: int
    per_hour: int

    def seconds(self, requests: int) -> int:
        """Say when the last of ``requests`` may start, the first being at 0."""
        if requests < 1:
            return 0
        hours, in_hour = divmod(requests - 1, self.per_hour)
        return hours * HOUR + in_hour // self.per_minute * MINUTE


QUERY = Quota(per_minute=240, per_hour=2_400)
EVENTS_LIST = Quota(per_minute=240, per_hour=1_200)


@dataclass(frozen=True, slots=True)
class Reader:
    """A program as it was measured: what it asks for, and how fast it is alone."""

    requests_per_million: float
    events_per_second: float
    quota: Quota

    def seconds(self, events: int) -> float:
        """Time a backfill: the slower of the quota and the program itself."""
        requests = round(self.requests_per_million * events / 1_000_000)
        return max(self.quota.seconds(requests), events / self.events_per_second)


def spelled(seconds: float) -> str:
    """Write a time in the two units that matter: `3 h 20 min`."""
    left = round(seconds)
    words: list[str] = []
    for size, unit in UNITS:
        count, left = divmod(left, size)
        if count or (words and left):
            words.append(f"{count} {unit}")
    return " ".join(words[:2]) or "0 s"
