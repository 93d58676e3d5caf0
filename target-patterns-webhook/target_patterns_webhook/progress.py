"""How far a run is, in words: a live line on a terminal, else a log line now and then.

And the last line, with all stats. What is counted is counted elsewhere.
"""

from __future__ import annotations

import json
import logging
import shutil
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from target_patterns_webhook.singer.formats import moment
from target_patterns_webhook.stats import Counts

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_patterns_webhook.singer.intake import Intake
    from target_patterns_webhook.stats import Stats

logger = logging.getLogger("target-patterns-webhook")

LIVE_SECONDS = 0.5
LOG_SECONDS = 10.0


class Progress:
    """Call ``tick`` every ``every`` seconds, then ``clear``, then ``close``."""

    def __init__(
        self,
        stats: Stats,
        intake: Intake,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stats = stats
        self._intake = intake
        self._clock = clock
        self._began = self._last = clock()
        self._read = 0
        self._live = sys.stderr.isatty()
        self.every = LIVE_SECONDS if self._live else LOG_SECONDS

    def tick(self) -> None:
        """Say how far the run is."""
        now = self._clock()
        read = self._stats.read + self._intake.filtered.total()
        rate = (read - self._read) / max(now - self._last, 0.001)
        self._last, self._read = now, read
        if self._live:
            # Back at the margin, so that a log line that comes next covers it.
            width = shutil.get_terminal_size().columns - 1
            sys.stderr.write(f"\x1b[K{self._words(rate)[:width]}\r")
            sys.stderr.flush()
        else:
            logger.info("%s", self._words(rate))

    def clear(self) -> None:
        """Take the live line away."""
        if self._live:
            sys.stderr.write("\x1b[K")
            sys.stderr.flush()

    def close(self) -> None:
        """Write the last line: the invariant in words, then all stats as JSON."""
        stats = summary(self._stats, self._intake)
        logger.info(
            "%s records read = %s accepted + %s dead-lettered + %s filtered + "
            "%s undelivered, in %.1f s. %s",
            *(
                f"{stats[name]:,}"
                for name in (
                    "read",
                    "accepted",
                    "dead_lettered",
                    "filtered",
                    "undelivered",
                )
            ),
            self._clock() - self._began,
            json.dumps(stats),
        )

    def _words(self, rate: float) -> str:
        stats, intake = self._stats, self._intake
        read = stats.read + intake.filtered.total()
        parts = [f"{read:,} records", f"{rate:,.0f}/s"]
        if at := moment(intake.latest):
            parts.append(f"at {at[:16]}")
        parts.append(f"{stats.accepted:,} accepted, {stats.batches:,} batches")
        if retries := sum(list(stats.retries.values())):
            parts.append(f"{retries:,} retries")
        if stats.dead_lettered:
            parts.append(f"{stats.dead_lettered:,} dead-lettered")
        if (age := stats.oldest_unacknowledged_seconds) >= 1:
            parts.append(f"oldest unacknowledged {age:,.0f} s")
        return ", ".join(parts)


def summary(stats: Stats, intake: Intake) -> dict[str, Any]:
    """Return all stats of a run; times in seconds. ``nulled``: NaN and Infinity."""
    filtered = Counter(intake.filtered)
    p50, p95, p99 = stats.latencies
    names = dict.fromkeys([*stats.streams, *filtered])
    return {
        **_counts(stats, filtered.total()),
        "nulled": intake.nulled,
        "states": stats.states,
        "waited_seconds": round(stats.waited_seconds, 3),
        "request_seconds": {"p50": p50, "p95": p95, "p99": p99},
        "oldest_unacknowledged_seconds": round(stats.oldest_unacknowledged_seconds, 3),
        "streams": {
            name: _counts(stats.streams.get(name, Counts()), filtered[name])
            for name in names
        },
    }


def _counts(counts: Counts, filtered: int) -> dict[str, Any]:
    return {
        "read": counts.read + filtered,
        "accepted": counts.accepted,
        "dead_lettered": counts.dead_lettered,
        "filtered": filtered,
        "undelivered": counts.undelivered,
        "batches": counts.batches,
        "requests": counts.requests,
        "bytes": counts.bytes,
        "wire_bytes": counts.wire_bytes,
        "retries": dict(counts.retries),
    }
