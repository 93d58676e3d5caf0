"""What the user turned, read once into a frozen value. No defaults, no network.

The defaults and the words of each setting are in `settings_schema.py`; how a value is
read, and what is said of a bad one, in `values.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from tap_posthog import values
from tap_posthog.errors import ConfigError
from tap_posthog.instants import spell

if TYPE_CHECKING:
    from collections.abc import Mapping

EARLIEST_FOLLOW = 10  # seconds; below it a follower only burns the request quota


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One checked value for each setting; instants are aware and in UTC."""

    api_key: str = field(repr=False)
    project_id: str
    base_url: str  # no slash at the end
    start_at: datetime | None
    end_at: datetime | None
    include_events: tuple[str, ...]  # empty: all
    exclude_events: tuple[str, ...]
    late_window: timedelta
    settle: timedelta
    page_size: int
    max_concurrent_queries: int
    events_source: str  # auto, query or rest
    rest_lookback: timedelta
    include_person_properties: bool
    request_timeout_seconds: int
    max_wait_seconds: int
    audit: bool
    recheck_hours: int
    follow_seconds: int

    @classmethod
    def from_config(
        cls, config: Mapping[str, Any], *, now: datetime | None = None
    ) -> Settings:
        """Read and check a tap's configuration, in which defaults are filled in.

        Raises:
            ConfigError: one line that names the key, what it got and what it takes.

        """
        settings = cls(
            api_key=values.api_key(config.get("api_key")),
            project_id=values.project_id(config.get("project_id")),
            base_url=values.base_url(config.get("base_url")),
            start_at=values.instant("start_at", config.get("start_at")),
            end_at=values.instant("end_at", config.get("end_at")),
            include_events=values.names("include_events", config["include_events"]),
            exclude_events=values.names("exclude_events", config["exclude_events"]),
            late_window=timedelta(days=_whole(config, "late_window_days", 0, 3650)),
            settle=timedelta(seconds=_whole(config, "settle_seconds", 0, 86_400)),
            page_size=_whole(config, "page_size", 1, 50_000),
            max_concurrent_queries=_whole(config, "max_concurrent_queries", 1, 3),
            events_source=values.choice(
                "events_source", config["events_source"], ("auto", "query", "rest")
            ),
            rest_lookback=timedelta(
                minutes=_whole(config, "rest_lookback_minutes", 0, 525_600)
            ),
            include_person_properties=values.flag(
                "include_person_properties", config["include_person_properties"]
            ),
            request_timeout_seconds=_whole(config, "request_timeout_seconds", 1, 3_600),
            max_wait_seconds=_whole(config, "max_wait_seconds", 0, 604_800),
            audit=values.flag("audit", config["audit"]),
            recheck_hours=_whole(config, "recheck_hours", 0, 720),
            follow_seconds=_whole(config, "follow_seconds", 0, 86_400),
        )
        _check_together(settings, now or datetime.now(UTC))
        return settings


def with_defaults(
    config: Mapping[str, Any], schema: Mapping[str, Any]
) -> dict[str, Any]:
    """Fill in each own default, and move the alias `start_date` to `start_at`.

    A key that is absent and one that is null are the same: Meltano sends both.
    """
    given = {key: value for key, value in config.items() if value is not None}
    alias = given.pop("start_date", None)
    if alias is not None:
        given.setdefault("start_at", alias)
    for key, prop in schema["properties"].items():
        given.setdefault(key, prop.get("default"))
    return given


def _whole(config: Mapping[str, Any], key: str, low: int, high: int) -> int:
    return values.whole(key, config[key], low, high)


def _check_together(settings: Settings, now: datetime) -> None:
    """Refuse what can only ever send nothing, or only burns the quota."""
    if 0 < settings.follow_seconds < EARLIEST_FOLLOW:
        msg = (
            f"follow_seconds: got {settings.follow_seconds}, takes 0 (one sync) or "
            f"{EARLIEST_FOLLOW} and more"
        )
        raise ConfigError(msg)
    # A day of grace: this machine's clock decides nothing else, and may be wrong.
    if settings.start_at and settings.start_at > now + timedelta(days=1):
        msg = (
            f"start_at: {spell(settings.start_at)} is in the future, so no "
            "event would be sent; give a time that has passed"
        )
        raise ConfigError(msg)
    if settings.start_at and settings.end_at and settings.end_at <= settings.start_at:
        msg = (
            f"end_at: {spell(settings.end_at)} is not after start_at, "
            f"{spell(settings.start_at)}, so no event would be sent"
        )
        raise ConfigError(msg)
