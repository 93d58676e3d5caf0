"""Copies of a row: rows with the same (timestamp, uuid), which PostHog has not merged.

Owns which one goes on; the rows come in the order of their keys. Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_posthog.errors import QueryError
from tap_posthog.instants import HOUR_LENGTH

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tap_posthog.ledger import Ledger
    from tap_posthog.source import Row


class Copies:
    """Lets the first row of each key through, across the pages of one window."""

    def __init__(self, ledger: Ledger | None) -> None:
        """Count what passes in a ledger, where there is one."""
        self.dropped = 0
        self._ledger = ledger
        self._key = ("", "")
        self._same: list[Row] = []  # the rows of that key

    def drop(self, rows: Sequence[Row]) -> list[Row]:
        """Return the rows whose key is new.

        Raises:
            QueryError: the rows are out of order, so that going on would lose some.

        """
        kept = []
        ledger = self._ledger
        last = self._key
        for row in rows:
            key = (row.timestamp, row.uuid)
            if key > last:
                last = key
                self._same = [row]
                kept.append(row)
                if ledger:
                    ledger.add(row)
            elif key == last:
                self._drop(row)
            else:
                msg = f"PostHog gave rows out of order: {key} after {last}; run again"
                raise QueryError(msg)
        self._key = last
        return kept

    def _drop(self, row: Row) -> None:
        """Drop a copy. An hour of `created_at` that it alone is in counts it too."""
        self.dropped += 1
        hour = row.created_at[:HOUR_LENGTH]
        if self._ledger and all(r.created_at[:HOUR_LENGTH] != hour for r in self._same):
            self._ledger.add(row)
            self._same.append(row)
