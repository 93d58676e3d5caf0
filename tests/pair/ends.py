"""The two ends of the pair in one sandbox: events put in at PostHog, rows at Patterns.

Events have uuids made of their numbers, so that a missing one can be named.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING, Any

import requests

from tests.pair.pipe import Pipe, Program, installed

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.sandbox import Sandbox

START = datetime(2026, 3, 1, 0, 0, 0, 123456, UTC)
API_KEY = "phx_sandbox"

_webhooks = count(1)

# Numbers that a double cannot hold, text that ASCII cannot: whole or not at all.
PROPERTIES = """concat(
    '{"n": ', toString(number), ', "$current_url": "https://example.com/☃?q=1", ',
    '"price": 19.990, "big": 12345678901234567890, "nested": {"a": [1, null, "x"]}}'
)"""


@dataclass(slots=True)
class Ends:
    """What went in, what came out, and the pair between."""

    sandbox: Sandbox
    folder: Path
    webhook: str = field(default_factory=lambda: f"wh-canary-{next(_webhooks)}")
    put: int = 0

    def ingest(
        self,
        rows: int,
        *,
        first: datetime = START,
        apart: timedelta = timedelta(seconds=1),
        late: timedelta = timedelta(),
    ) -> None:
        """Put events in, `apart` from each other from `first` on.

        Args:
            rows: how many.
            first: the timestamp of the first of them.
            apart: the time between one and the next.
            late: how much later than its timestamp each was ingested.
        """
        self._insert(
            rows,
            f"fromUnixTimestamp64Micro({_micros(first)} + number * {apart // _MICRO})",
            f"timestamp + toIntervalMicrosecond({late // _MICRO})",
        )

    def ingest_now(self, rows: int, *, first: datetime) -> None:
        """Put events in that happened from `first` on and are ingested just now."""
        stamp = f"fromUnixTimestamp64Micro({_micros(first)} + number * 1000000)"
        self._insert(rows, stamp, "now64(6)")

    def _insert(self, rows: int, timestamp: str, created_at: str) -> None:
        self.sandbox.sql(f"""
            insert into events
                (uuid, event, distinct_id, properties, timestamp, created_at)
            select
                toUUID(concat('00000000-0000-4000-8000-',
                    leftPad(lower(hex(number + {self.put})), 12, '0'))),
                ['$pageview', 'signup', 'paid'][1 + number % 3],
                concat('visitor ', toString(number % 100)),
                {PROPERTIES},
                toDateTime64({timestamp}, 6, 'UTC') as timestamp,
                {created_at}
            from numbers({rows})
        """)  # noqa: S608 - our own numbers
        self.put += rows

    def sent(self) -> set[str]:
        """Return the uuids that PostHog holds."""
        rows = self.sandbox.sql("select distinct toString(uuid) from events")
        return {row[0] for row in rows}

    def held(self) -> list[tuple[str, datetime, dict[str, Any]]]:
        """Return uuid, timestamp and properties of what PostHog holds, by uuid."""
        rows = self.sandbox.sql(
            "select toString(uuid), toString(timestamp), properties from events"
        )
        return sorted(
            (uuid, datetime.fromisoformat(f"{stamp}Z"), json.loads(text))
            for uuid, stamp, text in rows
        )

    def arrived(self) -> Counter[str]:
        """Return how often each uuid came to the webhook."""
        rows = self.ask(f"select uuid from webhook where webhook = '{self.webhook}'")  # noqa: S608 - our own name
        return Counter(row[0] for row in rows)

    def count(self) -> int:
        """Return how many rows came to the webhook."""
        url = f"{self.sandbox.url}/sandbox/patterns/{self.webhook}/ids"
        return int(requests.get(url, timeout=60).json()["rows"])

    def records(self) -> list[str]:
        """Return what came to the webhook, as the JSON text that it was."""
        where = f"where webhook = '{self.webhook}' order by seq"
        return [row[0] for row in self.ask(f"select record from webhook {where}")]  # noqa: S608 - our own name

    def ask(self, sql: str) -> list[list[Any]]:
        """Ask the table at Patterns' end."""
        url = f"{self.sandbox.url}/sandbox/patterns/sql"
        answer = requests.post(url, json={"sql": sql}, timeout=60)
        answer.raise_for_status()
        rows: list[list[Any]] = answer.json()["rows"]
        return rows

    def tap(self, **settings: object) -> Program:
        """Return the tap, reading this sandbox."""
        config = {
            "base_url": self.sandbox.url,
            "api_key": API_KEY,
            "project_id": "1",
            "settle_seconds": 0,
        }
        return Program(installed("tap-posthog"), {**config, **settings})

    def target(self, **settings: object) -> Program:
        """Return the target, writing to this sandbox."""
        url = f"{self.sandbox.url}/api/app/webhooks/{self.webhook}"
        config = {"webhook_url": url}
        return Program(installed("target-patterns-webhook"), {**config, **settings})

    def pipe(self, tap: Program | None = None, target: Program | None = None) -> Pipe:
        """Return a pipeline; what is not given is ours, as it comes."""
        return Pipe(tap or self.tap(), target or self.target(), self.folder)


_MICRO = timedelta(microseconds=1)


def _micros(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // _MICRO
