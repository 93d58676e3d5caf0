"""What can be switched on PostHog's side, and its clock. Acting on it is elsewhere."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec


class Key(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What a personal API key may do: scopes, and where; empty is everywhere."""

    scopes: list[str]
    scoped_teams: list[int] = []
    scoped_organizations: list[str] = []


class Behaviour(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The switches and their defaults. PostHog's own quotas are off until asked for."""

    clock_offset_seconds: float = 0
    frozen_at: datetime | None = None
    project_timezone: str = "UTC"
    limit_max: int = 50_000
    execution_seconds: float = 10
    execution_rows: int | None = None
    latency_seconds: float = 0
    max_concurrent: int = 3
    queue_seconds: float = 30
    per_minute: int | None = None
    per_hour: int | None = None
    retry_after: bool = True
    read_budget_bytes: int | None = None
    read_budget_refill_per_second: float = 0
    hidden: str | None = None  # events that count() sees and no SELECT shows
    hidden_rows: dict[str, str] = {}  # the same by HogQL's name of another table
    restricted: dict[str, str] = {}  # rows that access control leaves out, by table
    missing_tables: tuple[str, ...] = ()
    denied_tables: tuple[str, ...] = ()
    missing_columns: tuple[str, ...] = ()  # as persons.last_seen_at
    flag_evaluations_mode: int = 1  # 0: in events; 1: in both; 2: in their own table
    keys: dict[str, Key] = {}  # beside the sandbox's own
    current_key_endpoint: bool = True
    definitions_time_out: bool = False
    query_endpoint: bool = True
    events_list_max: int = 1000
    org_quota_exceeded: bool = False
    export_polls: int = 0  # that say Running before an on-demand export ends
    export_ends: tuple[str, ...] = ()  # of the first ones, as PostHog's statuses
    export_rows_a_part: int | None = None  # None: one file
    export_lacks: int = 0  # rows that are counted and in no file
    compress: bool = True  # packing costs this machine more than the query does

    def __post_init__(self) -> None:
        """Refuse a time zone that there is not, and a clock that has no time."""
        try:
            ZoneInfo(self.project_timezone)
        except (KeyError, OSError, ValueError) as exc:  # KeyError: it is not found
            msg = f"no such project_timezone: {self.project_timezone}"
            raise ValueError(msg) from exc
        try:
            self.now()
        except OverflowError as exc:
            msg = "frozen_at and clock_offset_seconds give no instant of a calendar"
            raise ValueError(msg) from exc

    def patched(self, body: bytes) -> Behaviour:
        """Return a copy with some switches turned, as a JSON object names them.

        Raises:
            ValueError: It is no such object, or there is no such switch or value.
        """
        patch = msgspec.json.decode(body, type=dict[str, Any])
        return msgspec.convert(msgspec.to_builtins(self) | patch, Behaviour)

    def now(self) -> datetime:
        """Read the server's clock."""
        now = self.frozen_at or datetime.now(UTC)
        if now.tzinfo is None:
            now = now.replace(tzinfo=UTC)
        return now.astimezone(UTC) + timedelta(seconds=self.clock_offset_seconds)
