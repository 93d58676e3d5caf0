"""The scope: which events the settings ask for, as the state remembers it. Pure.

A state says what has been emitted of its scope. Where the settings ask for more than
that, `beyond` is what is left to read behind the bookmark.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tap_posthog import timestamps
from tap_posthog.errors import StateError
from tap_posthog.events import state_fields as fields
from tap_posthog.events.event_names import EVERY, Names
from tap_posthog.events.region import Region

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from tap_posthog.events.region import Key
    from tap_posthog.settings.settings import Settings

PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """One project's events from `start` to before `end`, of some names."""

    base_url: str = ""
    project_id: str = ""
    start: datetime | None = None
    end: datetime | None = None
    names: Names = EVERY

    @classmethod
    def of(cls, settings: Settings) -> Scope:
        """Take what the settings ask for."""
        return cls(
            base_url=settings.base_url,
            project_id=settings.project_id,
            start=settings.start_at,
            end=settings.end_at,
            names=Names.of(settings.include_events, settings.exclude_events),
        )

    @classmethod
    def from_state(cls, state: Mapping[str, Any] | None) -> Scope | None:
        """Read a state's scope; None where it has none, as in an older form.

        Raises:
            StateError: one line that names the key, what it got and what it takes.
        """
        if state is None:
            return None
        include = fields.names(state, "include_events")
        exclude = fields.names(state, "exclude_events") or frozenset()
        return cls(
            base_url=fields.text(state, "base_url"),
            project_id=str(state.get("project_id") or ""),
            start=fields.timestamp(state, "start_at"),
            end=fields.timestamp(state, "end_at"),
            names=Names(include - exclude, all_but=False)
            if include is not None
            else Names(exclude),
        )

    def to_state(self) -> dict[str, Any]:
        """Write what `from_state` reads back as this scope."""
        listed = sorted(self.names.listed)
        excluded = listed if self.names.all_but and listed else None
        return {
            "base_url": self.base_url,
            "project_id": self.project_id,
            "start_at": timestamps.spell(self.start) if self.start else None,
            "end_at": timestamps.spell(self.end) if self.end else None,
            "include_events": None if self.names.all_but else listed,
            "exclude_events": excluded,
        }

    def check_project(self, asked: Scope) -> None:
        """Refuse a state of another project: its bookmark means nothing here.

        Raises:
            StateError: the settings ask for another project or address.
        """
        if self.project_id and self.project_id != asked.project_id:
            msg = (
                f"The state is of project {self.project_id}, but project_id is "
                f"{asked.project_id}. Use a state of that project, or none"
            )
            raise StateError(msg)
        if self.base_url and _address(self.base_url) != _address(asked.base_url):
            msg = (
                f"The state is of {self.base_url}, but base_url is {asked.base_url}. "
                "Use a state of that server, or none. If it is the same project under "
                "a new address, change that field of the state: jq '(.singer_state // "
                f'.).bookmarks.events.scope.base_url = "{asked.base_url}"\' state.json'
            )
            raise StateError(msg)

    def within(self, other: Scope) -> Scope:
        """Keep what both ask for, of this one's project."""
        return Scope(
            base_url=self.base_url,
            project_id=self.project_id,
            start=_latest(self.start, other.start),
            end=_earliest(self.end, other.end),
            names=self.names & other.names,
        )

    def beyond(self, old: Scope) -> list[Region]:
        """Return what this scope asks for and the old one did not, in order of time."""
        if old.start and old.end and old.start >= old.end:  # it holds nothing
            parts = [(self.start, self.end, self.names)]
        else:
            both = self.within(old)
            parts = [(both.start, both.end, self.names - old.names)]
            if old.start:
                before = (self.start, _earliest(self.end, old.start), self.names)
                parts.insert(0, before)
            if old.end:
                parts.append((_latest(self.start, old.end), self.end, self.names))
        regions = (
            Region(start=start, end=end, names=names) for start, end, names in parts
        )
        return [region for region in regions if not region.is_empty]

    def reading(self, at: Key | None, until: str) -> str:
        """Say in a log line what a run reads, from where, and up to which moment."""
        since = f"on from the state at {at.timestamp}" if at else "from the beginning"
        return (
            f"Reading {self} of project {self.project_id} at {self.base_url}, "
            f"{since}, {until}"
        )

    def __str__(self) -> str:
        """Say it as a log line does."""
        since = f" from {timestamps.spell(self.start)}" if self.start else ""
        end = f" to before {timestamps.spell(self.end)}" if self.end else ""
        return f"{self.names}{since}{end}"


def _latest(one: datetime | None, other: datetime | None) -> datetime | None:
    return max((each for each in (one, other) if each), default=None)


def _earliest(one: datetime | None, other: datetime | None) -> datetime | None:
    return min((each for each in (one, other) if each), default=None)


def _address(url: str) -> tuple[str, str, int | None, str]:
    """Compare addresses by what they lead to, not by how they are written."""
    try:
        parts = urlsplit(url.strip())
        port = parts.port or PORTS.get(parts.scheme)
    except ValueError:
        return (url, "", None, "")
    return parts.scheme, (parts.hostname or "").lower(), port, parts.path.rstrip("/")
