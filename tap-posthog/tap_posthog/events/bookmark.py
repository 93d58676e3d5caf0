"""The bookmark: what has been emitted, on two clocks, and what is left to a run.

Owns the state's shape and the one invariant. Pure: no network, clock, order of reading.

    everything in the scope with (timestamp, uuid) <= at
    and created_at < ingested_before has been emitted

`at` is (B, U) and `ingested_before` is C. Three more fields say where the emitted set
is more, or less, than that rectangle: `late`, inside an interrupted late pass,
`postponed`, while a follower leaves late arrivals for a later cycle, and `widening`,
while an older scope is widened. `files` and `export` are `exports/marks.py`'s.

Every state is whole: each key is there, so that a state that Meltano merges over an
older one means what it means alone. Its merge descends into objects, and fails where an
object meets null; so an object that is not always there stands alone in a list.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from tap_posthog import timestamps
from tap_posthog.events import state_fields as fields
from tap_posthog.events.exports.marks import Export, Files
from tap_posthog.events.region import Key, Region
from tap_posthog.events.scope import Scope

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime, timedelta

REPLICATION_KEY = "timestamp"


@dataclass(frozen=True, slots=True)
class Late:
    """An interrupted late pass: rows up to `after` are emitted, ingested < `until`."""

    until: datetime
    after: Key


@dataclass(frozen=True, slots=True)
class Postponed:
    """Late arrivals up to `through`, ingested from `since`, not yet looked for.

    `after` is set where looking for them was interrupted.
    """

    since: datetime
    through: Key
    after: Key | None = None


@dataclass(frozen=True, slots=True)
class Widening:
    """What lies beyond the old scope is read: it is emitted up to `after`."""

    scope: Scope  # the old one, of which everything has been emitted
    after: Key | None = None

    def to_state(self) -> list[dict[str, Any]]:
        """Write it alone in a list."""
        after = self.after and list(self.after)
        return [{"scope": self.scope.to_state(), "after": after}]


@dataclass(frozen=True, slots=True)
class Bookmark:
    """Where a stream stands. Every change makes a new one."""

    at: Key | None = None
    ingested_before: datetime | None = None
    late: Late | None = None
    postponed: Postponed | None = None
    ledger: Mapping[str, int] = field(default_factory=dict)
    scope: Scope | None = None  # None: not known, as in a state of an older form
    widening: Widening | None = None
    files: Files | None = None
    export: Export | None = None

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Bookmark:
        """Read one stream's state, of today's form or an older one.

        Raises:
            StateError: one line that names the key, what it got and what it takes.
        """
        late, postponed, widening = (
            fields.part(state, name) for name in ("late", "postponed", "widening")
        )
        key = fields.text(state, "replication_key")
        if key not in {"", REPLICATION_KEY}:
            fields.refuse("replication_key", key, REPLICATION_KEY)
        value = fields.timestamp(state, "replication_key_value")
        before = fields.timestamp(state, "ingested_before")
        ledger = fields.ledger(state)
        if not value:
            if late or postponed or widening:
                takes = "a time, beside late, postponed or widening"
                fields.refuse("replication_key_value", None, takes)
            return cls()
        return cls(
            Key(timestamps.spell(value), fields.text(state, "uuid").lower()),
            before or value,  # from elsewhere: ingested before it happened
            Late(fields.need(late, "until"), fields.need_key(late, "after"))
            if late
            else None,
            Postponed(
                fields.need(postponed, "since"),
                fields.need_key(postponed, "through"),
                fields.key(postponed, "after"),
            )
            if postponed
            else None,
            ledger,
            Scope.from_state(fields.part(state, "scope")),
            Widening(
                Scope.from_state(fields.part(widening, "scope")) or Scope(),
                fields.key(widening, "after"),
            )
            if widening
            else None,
            Files.from_state(fields.part(state, "files")),
            Export.from_state(fields.part(state, "export")),
        )

    def to_state(self) -> dict[str, Any]:
        """Write the whole state that `from_state` reads back as this bookmark."""
        spell, at = timestamps.spell, self.at or Key("", "")
        before, late, postponed = self.ingested_before, self.late, self.postponed
        return {
            "replication_key": REPLICATION_KEY,
            "replication_key_value": at.timestamp or None,
            "uuid": at.uuid,
            "ingested_before": spell(before) if before else None,
            "late": late and [{"until": spell(late.until), "after": [*late.after]}],
            "postponed": postponed
            and [
                {
                    "since": spell(postponed.since),
                    "through": [*postponed.through],
                    "after": postponed.after and [*postponed.after],
                }
            ],
            "widening": self.widening and self.widening.to_state(),
            "files": self.files and self.files.to_state(),
            "export": self.export and self.export.to_state(),
            "ledger": [list(hour) for hour in sorted(self.ledger.items())],
            "scope": self.scope and self.scope.to_state(),
        }

    @property
    def horizon(self) -> datetime | None:
        """The latest `created_at` bound that some emitted row was read under.

        A run with an earlier bound would read less than this bookmark claims.
        """
        return self.late.until if self.late else self.ingested_before

    # What is left to a run that reads what was ingested before `until`. None: not
    # known yet, and no bound.

    def widening_regions(self) -> list[Region]:
        """Rows that the scope holds beyond the old one, behind the bookmark."""
        if not self.widening or not self.scope:
            return []
        after, before = self.widening.after, self.ingested_before
        regions = (
            replace(region, after=after, through=self.at, created_before=before)
            for region in self.scope.beyond(self.widening.scope)
        )
        return [region for region in regions if not region.is_empty]

    def late_region(
        self, scope: Scope, window: timedelta, until: datetime | None
    ) -> Region | None:
        """Rows up to the bookmark that were ingested since C. None: there are none.

        In a full `window` before B; while some are postponed, those behind them.
        """
        if not self.at or not window:
            return None
        after = self.postponed.through if self.postponed else None
        if self.late:
            after = max(after or self.late.after, self.late.after)
        return _unless_empty(
            Region(
                start=_late_start(scope, window, self.at),
                after=after,
                end=scope.end,
                through=self.at,
                created_from=self.ingested_before,
                created_before=until,
                names=scope.names,
            )
        )

    def postponed_region(self, scope: Scope, window: timedelta) -> Region | None:
        """Rows that earlier cycles of a follower left for later, up to C."""
        if not self.postponed or not window:
            return None
        return _unless_empty(
            Region(
                start=_late_start(scope, window, self.postponed.through),
                after=self.postponed.after,
                end=scope.end,
                through=self.postponed.through,
                created_from=self.postponed.since,
                created_before=self.ingested_before,
                names=scope.names,
            )
        )

    def forward_region(self, scope: Scope, until: datetime | None) -> Region | None:
        """Rows after the bookmark; what is dated later than `until` waits."""
        ends = [end for end in (until, scope.end) if end]
        return _unless_empty(
            Region(
                start=scope.start,
                after=self.at,
                end=min(ends, default=None),
                created_before=until,
                names=scope.names,
            )
        )

    def of(self, scope: Scope) -> Bookmark:
        """Take it for a scope's project; one of an older form is of this very scope.

        Raises:
            StateError: it is of another project.
        """
        if not self.scope:
            return replace(self, scope=scope)
        self.scope.check_project(scope)
        address = replace(
            self.scope, base_url=scope.base_url, project_id=scope.project_id
        )
        return replace(self, scope=address)

    def narrowed(self, scope: Scope) -> Bookmark:
        """Claim no more than what is still asked for. Its ledger counted the old."""
        old = self.widening.scope if self.widening else self.scope
        kept = old.within(scope) if old else scope
        return replace(self, scope=kept, widening=None, ledger={})

    def widen(self, scope: Scope) -> Bookmark:
        """Take a scope, and owe what it holds beyond the one that was."""
        if not self.at or not self.scope:
            return replace(self, scope=scope)
        owing = replace(self, scope=scope, widening=Widening(self.scope))
        return owing if owing.widening_regions() else owing.widened()

    def widened_to(self, key: Key) -> Bookmark:
        """Go on in the widening: its rows up to `key` are emitted."""
        assert self.widening  # noqa: S101 - only a pass over it calls this
        return replace(self, widening=replace(self.widening, after=key))

    def widened(self) -> Bookmark:
        """End the widening: all of the scope has been emitted."""
        return replace(self, widening=None)

    def late_to(self, key: Key, until: datetime) -> Bookmark:
        """Go on inside the late pass: its rows up to `key` are emitted."""
        return replace(self, late=Late(until, key))

    def late_done(self, until: datetime) -> Bookmark:
        """End the late pass: C becomes C'."""
        return replace(self, late=None, ingested_before=until)

    def forward_to(self, key: Key) -> Bookmark:
        """Go on in the forward pass. Never backwards."""
        return replace(self, at=max(self.at or key, key))

    def postpone(self) -> Bookmark:
        """Leave what arrives late up to here to a later cycle."""
        if self.postponed or not self.at or not self.ingested_before:
            return self
        return replace(self, postponed=Postponed(self.ingested_before, self.at))

    def postponed_to(self, key: Key) -> Bookmark:
        """Go on in what was postponed: its rows up to `key` are emitted."""
        assert self.postponed  # noqa: S101 - only a pass over it calls this
        return replace(self, postponed=replace(self.postponed, after=key))

    def postponed_done(self) -> Bookmark:
        """Owe nothing any more: the rectangle is whole again."""
        return replace(self, postponed=None)


def _late_start(scope: Scope, window: timedelta, at: Key) -> datetime:
    """Say where late arrivals behind a key are looked for from."""
    start = timestamps.before(timestamps.read(at.timestamp), window)
    return max(start, scope.start) if scope.start else start


def _unless_empty(region: Region) -> Region | None:
    return None if region.is_empty else region
