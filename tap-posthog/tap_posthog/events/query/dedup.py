"""Which rows are copies of one event, and which of them goes on. Pure.

PostHog's table tells rows apart by (timestamp, event, distinct_id, uuid); rows that are
equal in all four are copies of one event, not merged yet, and in the end PostHog keeps
the one with the latest `created_at`. The rows come in the order that `questions.Rows`
asks for, so the first copy of each event is that one.
Source: the sort key and engine in PostHog's posthog/models/event/sql.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_posthog.errors import QueryError
from tap_posthog.timestamps import HOUR_LENGTH

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tap_posthog.events.batch import Row
    from tap_posthog.events.query.recheck import Ledger


class Dedup:
    """Lets the first copy of each event through, across the pages of one window."""

    def __init__(self, ledger: Ledger | None) -> None:
        """Count what passes in a ledger, where there is one."""
        self.dropped = 0
        self._ledger = ledger
        self._key = ("", "")
        self._same: list[Row] = []  # the rows of that key, one for each event and hour

    def keep(self, rows: Sequence[Row]) -> list[Row]:
        """Return the rows that are no copies.

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
            elif key == last:
                if self._is_copy(row):
                    continue
            else:
                msg = f"PostHog gave rows out of order: {key} after {last}; run again"
                raise QueryError(msg)
            kept.append(row)
            if ledger:
                ledger.add(row)
        self._key = last
        return kept

    def _is_copy(self, row: Row) -> bool:
        """Compare with the rows of the same key; note one that is none of theirs.

        A copy that alone is in an hour of `created_at` counts there, as the server
        counts it.
        """
        copies = [
            other
            for other in self._same
            if other.event == row.event and other.distinct_id == row.distinct_id
        ]
        hour = row.created_at[:HOUR_LENGTH]
        if all(other.created_at[:HOUR_LENGTH] != hour for other in copies):
            self._same.append(row)
            if copies and self._ledger:
                self._ledger.add(row)
        self.dropped += bool(copies)
        return bool(copies)
