"""What every source of events gives: rows, and the bookmark behind them. Declares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tap_posthog.events.bookmark import Bookmark


class Row(Protocol):
    """One event. Instants are text of `timestamps.spell`'s form, uuids lower case."""

    @property
    def timestamp(self) -> str:
        """When it happened, as its sender says."""

    @property
    def uuid(self) -> str:
        """Which it is."""

    @property
    def created_at(self) -> str:
        """When PostHog ingested it."""

    @property
    def event(self) -> object:
        """Its name; equal for equal names, whatever it is."""

    @property
    def distinct_id(self) -> object:
        """Whom it is about; likewise."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows to write, then the bookmark that is safe behind them. None: not yet one."""

    rows: Sequence[Row]
    bookmark: Bookmark | None


class EventSource(Protocol):
    """Reads events from wherever they are kept."""

    def batches(self, bookmark: Bookmark) -> Iterator[Batch]:
        """Read once what a bookmark leaves to read, in order.

        Raises:
            TapError: after the good batches before it.
        """
