"""What the user turned, read once into a frozen value. No defaults, no network.

The defaults, bounds and words of each setting are in `settings_schema.py`; how a value
is read in `setting_values.py`. Here is what only PostHog's own settings need.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tap_posthog import timestamps
from tap_posthog.declarations import DECLARATIONS
from tap_posthog.errors import ConfigError
from tap_posthog.settings.hogql_streams import HogqlStream, hogql_streams
from tap_posthog.settings.schema import SETTINGS_SCHEMA
from tap_posthog.settings.values import Setting, settings_of
from tap_posthog.timestamps import spell

if TYPE_CHECKING:
    from collections.abc import Mapping

NO_CREATED_AT = (
    "created_before: the events list (events_source: rest) shows no created_at; leave "
    "one of the two out"
)
EARLIEST_FOLLOW = 10  # seconds; below it a follower only burns the request quota
TIME = 'a date or time such as "2022-08-05T12:00:00" (UTC, or with an offset)'
OWN = settings_of(
    SETTINGS_SCHEMA,
    {
        "api_key": "a personal API key (phx_...) with the scope query:read, from "
        "PostHog's Settings > Personal API keys",
        "project_id": "the number in the project's URL, for example 12345",
        "base_url": "https://us.posthog.com, https://eu.posthog.com or your own "
        "server's URL",
        "start_at": TIME,
        "end_at": TIME,
        "created_before": TIME,
        "files_url": "s3://bucket/prefix, gs://bucket/prefix, az://container/prefix or "
        "file:///folder",
    },
)
TAKEN = ("events", *(each.name for each in DECLARATIONS))
KEY = re.compile(r"[\w.~+/=-]+", re.ASCII)
# From where on a URL leads to a page of PostHog's or into its API.
BEYOND = re.compile(
    r"/(?:api(?:/(?:environments|event|organizations|projects|users)(?:/.*)?)?"
    r"|project/\d.*)$"
)
RELATIVE = re.compile(
    r"\b(?:ago|yesterday|today|now|last|since|(?:hour|day|week|month|year)s?)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One checked value for each setting; instants are aware and in UTC."""

    api_key: str = field(repr=False)
    project_id: str
    base_url: str  # no slash at the end
    start_at: datetime | None
    end_at: datetime | None
    created_before: datetime | None
    include_events: tuple[str, ...]  # empty: all
    exclude_events: tuple[str, ...]
    late_window: timedelta
    settle: timedelta
    page_size: int
    max_concurrent_queries: int
    events_source: str  # auto, query, rest, files or export
    files_url: str  # empty: none
    files_options: Mapping[str, Any] = field(repr=False)
    rest_lookback: timedelta
    include_person_properties: bool
    request_timeout_seconds: int
    max_wait_seconds: int
    audit: bool
    recheck_hours: int
    full_scan_days: int
    hogql_streams: tuple[HogqlStream, ...]
    report_path: Path | None
    follow_seconds: int

    @classmethod
    def from_config(
        cls, config: Mapping[str, Any], *, now: datetime | None = None
    ) -> Settings:
        """Read and check a tap's configuration.

        Raises:
            ConfigError: one line that names the key, what it got and what it takes.
        """
        given = {name: setting.read(config.get(name)) for name, setting in OWN.items()}
        files = given["events_source"] == "files"
        given["api_key"] = _api_key(OWN["api_key"], given["api_key"], optional=files)
        given["files_url"] = _files_url(OWN["files_url"], given["files_url"], files)
        given["files_options"] = given["files_options"] or {}
        given["base_url"] = _base_url(OWN["base_url"], given["base_url"])
        for name in ("start_at", "end_at", "created_before"):
            given[name] = _timestamp(OWN[name], given[name])
        given["hogql_streams"] = hogql_streams(given["hogql_streams"], TAKEN)
        given["report_path"] = report_path(config)
        if given["project_id"] is None:
            OWN["project_id"].refuse(None)
        settings = cls(
            late_window=timedelta(days=given.pop("late_window_days")),
            settle=timedelta(seconds=given.pop("settle_seconds")),
            rest_lookback=timedelta(minutes=given.pop("rest_lookback_minutes")),
            **given,
        )
        _check_together(settings, now or datetime.now(UTC))
        return settings


def report_path(config: Mapping[str, Any]) -> Path | None:
    """Return where the run's report goes, whatever the other settings are.

    Raises:
        ConfigError: it is no path.
    """
    path = OWN["report_path"].read(config.get("report_path"))
    return None if path is None else Path(path).expanduser()


def with_defaults(
    config: Mapping[str, Any], schema: Mapping[str, Any]
) -> dict[str, Any]:
    """Fill in each own default, and move the alias `start_date` to `start_at`.

    A key that is absent and one that is null or blank are the same: Meltano sends all.
    """
    given = {
        key: value
        for key, value in config.items()
        if value is not None and str(value).strip()
    }
    alias = given.pop("start_date", None)
    if alias is not None:
        given.setdefault("start_at", alias)
    for key, prop in schema["properties"].items():
        given.setdefault(key, prop.get("default"))
    return given


def _files_url(setting: Setting, url: str | None, needed: bool) -> str:  # noqa: FBT001
    """Check where files lie; what may be a credential is never repeated."""
    if url is None:
        if needed:
            setting.refuse(None)
        return ""
    try:
        parts = urlsplit(url)
    except ValueError:
        msg = f"{setting.name}: is no URL, takes {setting.takes}"
        raise ConfigError(msg) from None
    if "@" in parts.netloc or parts.query or parts.fragment:
        msg = (
            f"{setting.name}: holds more than a bucket and a prefix, takes "
            f"{setting.takes}. Keys and tokens go into files_options"
        )
        raise ConfigError(msg)
    place = parts.path if parts.scheme == "file" else parts.netloc
    if parts.scheme not in {"s3", "gs", "az", "file"} or not place:
        setting.refuse(url)
    if parts.scheme == "file" and parts.netloc:
        setting.refuse(url, "with a host (a folder has three slashes: file:///folder)")
    return url


def _api_key(setting: Setting, key: str | None, *, optional: bool) -> str:
    """Check the personal API key; its value is never repeated."""
    if key is None and optional:
        return ""
    if key is None:
        setting.refuse(None)
    if key.startswith("phc_"):
        setting.refuse(key, "a project token (phc_...)")
    if not KEY.fullmatch(key):
        setting.refuse(key, "no key: it holds spaces or characters that no key has")
    return key


def _base_url(setting: Setting, given: str) -> str:
    """Check PostHog's address; what cannot work is answered by what can."""
    if "@" in given:
        msg = f"{setting.name}: holds a user name or password, takes {setting.takes}"
        raise ConfigError(msg)
    text = given.rstrip("/")
    try:
        parts = urlsplit(text)
        host, _ = (parts.hostname or "").lower(), parts.port
    except ValueError:
        setting.refuse(given)
    if parts.scheme not in {"http", "https"} or not host:
        setting.refuse(given)
    cloud = host == "posthog.com" or host.endswith(".posthog.com")
    path = "" if cloud else BEYOND.sub("", parts.path)
    if cloud and (right := _right_cloud(host)):
        setting.refuse(given, f"which does not serve the API (use {right})")
    if cloud and parts.scheme == "http":
        setting.refuse(
            given, f"which shows the key to the network (use https://{host})"
        )
    if parts.query or parts.fragment or path != parts.path:
        right = f"{parts.scheme}://{parts.netloc}{path}"
        setting.refuse(given, f"with a path to a page or the API (write {right})")
    return text


def _right_cloud(host: str) -> str | None:
    """Name the API's host for one of PostHog's that does not serve the API."""
    if host.endswith(".i.posthog.com"):
        return f"https://{'eu' if host.startswith('eu') else 'us'}.posthog.com"
    if host in {"app.posthog.com", "posthog.com", "www.posthog.com"}:
        return "https://us.posthog.com or https://eu.posthog.com"
    return None


def _timestamp(setting: Setting, text: str | None) -> datetime | None:
    """Read a point in time; without an offset it is UTC. None where there is none."""
    if text is None:
        return None
    if RELATIVE.search(text):
        setting.refuse(text, "which would be another time in each run")
    if text.isdigit():  # JSON and Meltano make a number of it
        setting.refuse(text)
    try:
        return timestamps.read(text)
    except ValueError:
        setting.refuse(text)


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
    for name in ("end_at", "created_before"):
        end: datetime | None = getattr(settings, name)
        if settings.start_at and end and end <= settings.start_at:
            msg = (
                f"{name}: {spell(end)} is not after start_at, "
                f"{spell(settings.start_at)}, so no event would be sent"
            )
            raise ConfigError(msg)
    if settings.created_before and settings.events_source == "rest":
        raise ConfigError(NO_CREATED_AT)
