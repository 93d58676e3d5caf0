"""What a state says of exports: how far files were read, and a run asked for. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tap_posthog import timestamps
from tap_posthog.events import state_fields as fields

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    Gap = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """How far files were read, in the order of `_inserted_at`.

    Sent: all rows inserted before `through` and outside the gaps, with `created_at`
    before `until`; and, up to the seam, what the bookmark claims.
    """

    through: datetime
    until: datetime
    seam: datetime | None = None  # rows inserted before it may have come otherwise
    gaps: tuple[Gap, ...] = ()  # times before `through` for which there was no file
    again: datetime | None = None  # in a widening: its files up to here were read

    @classmethod
    def from_state(cls, state: Mapping[str, Any] | None) -> Files | None:
        """Read what `to_state` writes.

        Raises:
            StateError: one line that names the key, what it got and what it takes.
        """
        if state is None:
            return None
        return cls(
            through=fields.need(state, "through"),
            until=fields.need(state, "until"),
            seam=fields.timestamp(state, "seam"),
            gaps=_gaps(state),
            again=fields.timestamp(state, "again"),
        )

    def to_state(self) -> list[dict[str, Any]]:
        """Write it alone in a list: so it is replaced whole where states are merged."""
        spell = timestamps.spell
        return [
            {
                "through": spell(self.through),
                "until": spell(self.until),
                "seam": spell(self.seam) if self.seam else None,
                "gaps": [[spell(start), spell(end)] for start, end in self.gaps],
                "again": spell(self.again) if self.again else None,
            }
        ]


@dataclass(frozen=True, slots=True)
class Export:
    """A run that PostHog was asked for, and what it covers."""

    run: str
    start: datetime
    end: datetime
    anew: bool = False  # asked for once more, after a run that came to nothing

    @classmethod
    def from_state(cls, state: Mapping[str, Any] | None) -> Export | None:
        """Read what `to_state` writes.

        Raises:
            StateError: one line that names the key, what it got and what it takes.
        """
        if state is None:
            return None
        return cls(
            fields.text(state, "run"),
            fields.need(state, "from"),
            fields.need(state, "until"),
            bool(state.get("anew")),
        )

    def to_state(self) -> list[dict[str, Any]]:
        """Write it alone in a list, as above."""
        spell = timestamps.spell
        ends = {"from": spell(self.start), "until": spell(self.end)}
        return [{"run": self.run, **ends, "anew": self.anew}]


def _gaps(state: Mapping[str, Any]) -> tuple[Gap, ...]:
    given = state.get("gaps") or []
    if not isinstance(given, list):
        fields.refuse("gaps", given, "a list of pairs of times")
    gaps = []
    for pair in given:
        match pair:
            case [str() as start, str() as end]:
                ends = {"gaps": start}, {"gaps": end}
                gaps.append(
                    (fields.need(ends[0], "gaps"), fields.need(ends[1], "gaps"))
                )
            case _:
                fields.refuse("gaps", pair, "a pair of times")
    return tuple(gaps)
