"""Where a stream other than `events` stands, as its state says. Pure.

When a scan starts the bookmark becomes the server's clock, and the scan remembers the
old one: what changes behind a scan that is interrupted is found by the one after it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tap_posthog import timestamps
from tap_posthog.events import state_fields
from tap_posthog.events.state_fields import refuse

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

Value = str | int | float | None


@dataclass(frozen=True, slots=True)
class Scan:
    """A reading that is under way: behind which place, and of what.

    Attributes:
        after: The key of the last row that was sent; empty: none was.
        since: What changed from there on is read; None: everything.
    """

    after: tuple[Any, ...] = ()
    since: Value = None


@dataclass(frozen=True, slots=True)
class Position:
    """A stream's state.

    Attributes:
        value: All that changed before this was read, or is being read.
        scan: What is being read; None: nothing.
        scanned_at: When everything was last read whole.
        versions: Of each cohort, the version whose members were read.
    """

    value: Value = None
    scan: Scan | None = None
    scanned_at: datetime | None = None
    versions: tuple[tuple[int, int], ...] = ()

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Position:
        """Read a state; an empty one is where every stream starts.

        Raises:
            StateError: names the field, what it got and what it takes.
        """
        value = state.get("replication_key_value")
        if isinstance(value, bool) or not isinstance(value, Value):
            refuse("replication_key_value", value, "a time, a number or text")
        scan = state_fields.part(state, "scan")
        return cls(
            value=value,
            scan=None if scan is None else _scan(scan),
            scanned_at=state_fields.timestamp(state, "scanned_at"),
            versions=_versions(state.get("versions")),
        )

    def to_state(self, replication_key: str | None) -> dict[str, Any]:
        """Write the state: all of its keys, so that it replaces any other whole."""
        scan = self.scan and {"after": [*self.scan.after], "since": self.scan.since}
        at = self.scanned_at
        return {
            "replication_key": replication_key,
            "replication_key_value": self.value,
            "scan": scan,
            "scanned_at": timestamps.spell(at) if at else None,
            "versions": [[*each] for each in self.versions] or None,
        }

    def begin(self, now: datetime, *, whole: bool) -> Position:
        """Start a scan: of everything, or of what changed since the bookmark."""
        since = None if whole else self.value
        return replace(self, value=timestamps.spell(now), scan=Scan((), since))

    def at(self, place: tuple[Any, ...]) -> Position:
        """Stand behind a row of the scan."""
        scan = self.scan or Scan()
        return replace(self, scan=replace(scan, after=place))

    def done(self) -> Position:
        """End the scan. One of everything started when the bookmark says."""
        scanned_at = self.scanned_at
        if self.scan and self.scan.since is None and isinstance(self.value, str):
            scanned_at = timestamps.read(self.value)
        return replace(self, scan=None, scanned_at=scanned_at)


def _scan(scan: Mapping[str, Any]) -> Scan:
    after, since = scan.get("after") or [], scan.get("since")
    if not isinstance(after, list) or not all(
        isinstance(each, str | int | float) for each in after
    ):
        refuse("scan", scan, "the key of a row as `after`, a list")
    if isinstance(since, bool) or not isinstance(since, Value):
        refuse("scan", scan, "a time, a number or text as `since`")
    return Scan(tuple(after), since)


def _versions(value: Any) -> tuple[tuple[int, int], ...]:  # noqa: ANN401 - a file's
    pairs = []
    for pair in value if isinstance(value, list) else [value] if value else []:
        match pair:
            case [int() as cohort, int() as version]:
                pairs.append((cohort, version))
            case _:
                refuse("versions", value, "pairs of a cohort and its version")
    return tuple(pairs)
