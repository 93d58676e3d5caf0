"""How far a run is, in words: a live line on a terminal, else a log line now and then.

And the last line, with all figures. What is counted is counted elsewhere.
"""

from __future__ import annotations

import json
import logging
import shutil
import sys
import time
from typing import TYPE_CHECKING, Any

from target_patterns_webhook.singer.formats import moment

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_patterns_webhook.delivery.stats import Figures
    from target_patterns_webhook.singer.intake import Intake

logger = logging.getLogger("target-patterns-webhook")

LIVE_SECONDS = 0.5
LOG_SECONDS = 10.0


class Progress:
    """Call ``tick`` every ``every`` seconds, then ``clear``, then ``close``."""

    def __init__(
        self,
        figures: Figures,
        intake: Intake,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._figures = figures
        self._intake = intake
        self._clock = clock
        self._began = self._last = clock()
        self._read = 0
        self._live = sys.stderr.isatty()
        self.every = LIVE_SECONDS if self._live else LOG_SECONDS

    def tick(self) -> None:
        """Say how far the run is."""
        now = self._clock()
        read = self._figures.read + self._intake.filtered
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
        """Write the last line: the invariant in words, then every figure as JSON."""
        figures = summary(self._figures, self._intake)
        logger.info(
            "%s records read = %s accepted + %s dead-lettered + %s filtered + "
            "%s undelivered, in %.1f s. %s",
            *(
                f"{figures[name]:,}"
                for name in (
                    "read",
                    "accepted",
                    "dead_lettered",
                    "filtered",
                    "undelivered",
                )
            ),
            self._clock() - self._began,
            json.dumps(figures),
        )

    def _words(self, rate: float) -> str:
        figures, intake = self._figures, self._intake
        read = figures.read + intake.filtered
        parts = [f"{read:,} records", f"{rate:,.0f}/s"]
        if at := moment(intake.latest):
            parts.append(f"at {at[:16]}")
        parts.append(f"{figures.accepted:,} accepted, {figures.batches:,} batches")
        if retries := sum(list(figures.retries.values())):
            parts.append(f"{retries:,} retries")
        if figures.dead_lettered:
            parts.append(f"{figures.dead_lettered:,} dead-lettered")
        if (age := figures.oldest_unacknowledged_seconds) >= 1:
            parts.append(f"oldest unacknowledged {age:,.0f} s")
        return ", ".join(parts)


def summary(figures: Figures, intake: Intake) -> dict[str, Any]:
    """Return all figures of a run; times in seconds. ``nulled``: NaN and Infinity."""
    filtered = intake.filtered
    p50, p95, p99 = figures.latencies
    return {
        "read": figures.read + filtered,
        "accepted": figures.accepted,
        "dead_lettered": figures.dead_lettered,
        "filtered": filtered,
        "nulled": intake.nulled,
        "undelivered": figures.undelivered,
        "batches": figures.batches,
        "requests": figures.requests,
        "bytes": figures.bytes,
        "wire_bytes": figures.wire_bytes,
        "states": figures.states,
        "retries": dict(figures.retries),
        "waited_seconds": round(figures.waited_seconds, 3),
        "request_seconds": {"p50": p50, "p95": p95, "p99": p99},
        "oldest_unacknowledged_seconds": round(
            figures.oldest_unacknowledged_seconds,
            3,
        ),
    }
