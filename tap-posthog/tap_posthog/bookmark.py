"""The bookmark: what has been emitted, on two clocks, and what is left to a run.

Owns the state's shape and the one invariant. Pure: no network, no clock, no order of
reading.

    everything with (timestamp, uuid) <= at and created_at < ingested_before
    has been emitted

`at` is (B, U) and `ingested_before` is C. Two more fields say where the emitted set is
more, or less, than that rectangle: `late`, inside an interrupted late pass, and
`postponed`, while a follower leaves late arrivals for a later cycle.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from tap_posthog import instants
from tap_posthog import state as fields
from tap_posthog.region import Key, Region

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from tap_posthog.region import Scope


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
class Bookmark:
    """Where a stream stands. Every change makes a new one."""

    at: Key | None = None
    ingested_before: datetime | None = None
    late: Late | None = None
    postponed: Postponed | None = None
    ledger: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Bookmark:
        """Read one stream's state; unknown keys are left alone.

        Raises:
            StateError: one line that names the key, what it got and what it takes.

        """
        at, before = None, fields.instant(state, "ingested_before")
        value = fields.instant(state, "replication_key_value")
        if value:
            at = Key(instants.spell(value), fields.text(state, "uuid").lower())
            before = before or value  # from elsewhere: taken in before it happened
        late = fields.part(state, "late")
        postponed = fields.part(state, "postponed")
        if (late or postponed) and not at:
            fields.refuse(
                "replication_key_value", None, "a time, beside late or postponed"
            )
        return cls(
            at,
            before,
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
            fields.ledger(state),
        )

    def to_state(self) -> dict[str, Any]:
        """Write the state that `from_state` reads back as this bookmark."""
        state: dict[str, Any] = {"replication_key": "timestamp"}
        if self.at:
            state["replication_key_value"], state["uuid"] = self.at
        if self.ingested_before:
            state["ingested_before"] = instants.spell(self.ingested_before)
        if self.late:
            until, after = instants.spell(self.late.until), list(self.late.after)
            state["late"] = {"until": until, "after": after}
        if self.postponed:
            state["postponed"] = {
                "since": instants.spell(self.postponed.since),
                "through": list(self.postponed.through),
            }
            if self.postponed.after:
                state["postponed"]["after"] = list(self.postponed.after)
        if self.ledger:
            state["ledger"] = dict(self.ledger)
        return state

    @property
    def horizon(self) -> datetime | None:
        """The latest `created_at` bound that some emitted row was read under.

        A run with an earlier bound would read less than this bookmark claims.
        """
        return self.late.until if self.late else self.ingested_before

    # What is left to a run that reads what was taken in before `until`. None: not
    # known yet, and no bound.

    def late_region(self, scope: Scope, until: datetime | None) -> Region | None:
        """Rows up to the bookmark that were taken in since C. None: there are none.

        In full `late_window` before B; while some are postponed, those behind them.
        """
        if not self.at or not scope.late_window:
            return None
        after = self.postponed.through if self.postponed else None
        if self.late:
            after = max(after or self.late.after, self.late.after)
        return _unless_empty(
            Region(
                start=_late_start(scope, self.at),
                after=after,
                end=scope.end,
                through=self.at,
                created_from=self.ingested_before,
                created_before=until,
            )
        )

    def postponed_region(self, scope: Scope) -> Region | None:
        """Rows that earlier cycles of a follower left for later, up to C."""
        if not self.postponed or not scope.late_window:
            return None
        return _unless_empty(
            Region(
                start=_late_start(scope, self.postponed.through),
                after=self.postponed.after,
                end=scope.end,
                through=self.postponed.through,
                created_from=self.postponed.since,
                created_before=self.ingested_before,
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
            )
        )

    # What a pass does to it.

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


def _late_start(scope: Scope, at: Key) -> datetime:
    """Say where late arrivals behind a key are looked for from."""
    start = instants.before(instants.read(at.timestamp), scope.late_window)
    return max(start, scope.start) if scope.start else start


def _unless_empty(region: Region) -> Region | None:
    return None if region.is_empty else region
