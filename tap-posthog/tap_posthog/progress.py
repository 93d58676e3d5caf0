"""What a person sees of a run: a live line or log lines, in the same words.

Events, events/s, the point in time reached and how much of the whole that is, bytes,
requests, waits. Reads no data.
"""

from __future__ import annotations

import logging
import sys
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger("tap-posthog")

LIVE_SECONDS = 0.2
LOG_SECONDS = 10.0
CLEAR = "\r\x1b[K"
UNITS = ("B", "kB", "MB", "GB", "TB")
THOUSAND = 1000
MINUTE = 60


@dataclass(slots=True)
class Traffic:
    """What the questions of one run have cost so far."""

    requests: int = 0
    bytes: int = 0  # of answers, decompressed
    waits: int = 0
    waited: float = 0.0  # seconds, over all threads

    def since(self, before: Traffic) -> Traffic:
        """Return what it has cost since then."""
        return Traffic(
            self.requests - before.requests,
            self.bytes - before.bytes,
            self.waits - before.waits,
            self.waited - before.waited,
        )


@dataclass(slots=True)
class Stats:
    """What a run has done so far, in numbers."""

    expected: int = 0  # rows that the passes begun so far have in all
    until: str = ""  # PostHog's clock: no event that it ingested later is read
    planned: int = 0  # rows, as the server counted them, of the windows that passed
    read: int = 0  # rows, as the server gave them
    emitted: int = 0  # records
    duplicates: int = 0  # of these, copies that were dropped
    resent: int = 0  # rows that the recheck sent again
    windows: int = 0  # that passed
    halved: int = 0  # windows that were too much for one query


class Progress:
    """Follows one run; `advance` is called with each batch that was written."""

    def __init__(
        self,
        traffic: Traffic,
        stats: Stats,
        *,
        stream: str = "",
        terminal: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Show a live line on `terminal`; without one, log every few seconds.

        `stream`: which one it is, where it is not the events.
        """
        self.events = 0  # or rows
        self._stream = stream
        self._before = replace(traffic) if stream else Traffic()
        self.reached = ""  # the last event's timestamp
        self._traffic = traffic
        self._stats = stats
        self._clock = clock
        self._began = self._said = clock()
        self._line = _LiveLine(terminal) if terminal else None

    def advance(self, events: int, reached: str) -> None:
        """Note what was written, and say so if it is time to."""
        self.events += events
        self.reached = reached or self.reached
        now = self._clock()
        if now - self._said < (LIVE_SECONDS if self._line else LOG_SECONDS):
            return
        self._said = now
        if self._line:
            self._line.show(self.words())
        else:
            logger.info("%s", self.words())

    def words(self) -> str:
        """Say where the run is."""
        took = max(self._clock() - self._began, 1e-9)
        at = f", at {self.reached[:16].replace('T', ' ')} UTC" if self.reached else ""
        read, expected = self._stats.read, self._stats.expected
        share = f" ({min(1.0, read / expected):.0%})" if expected else ""
        return (
            f"{self._counted()}, {self.events / took:,.0f} {self._unit}/s{at}{share}, "
            f"{self._cost()}"
        )

    def close(self) -> None:
        """Take the live line away."""
        if self._line:
            self._line.close()

    def summary(self, *, done: bool) -> str:
        """Say what the run did, in one line."""
        took = self._clock() - self._began
        events, stats = self.events, self._stats
        rate = f" ({events / took:,.0f} {self._unit}/s)" if events and took else ""
        reached = f", up to {self.reached}" if self.reached else ""
        said = (
            f"{'Done' if done else 'Stopped'}: {self._counted()} in {span(took)}{rate}"
        )
        if self._stream:
            return f"{said}, {self._cost()}"
        return (
            f"{said}{reached}. Rows planned {stats.planned:,}, read {stats.read:,}, "
            f"duplicates dropped {stats.duplicates:,}, sent again "
            f"{stats.resent:,}. {self._cost()}"
        )

    @property
    def _unit(self) -> str:
        return "rows" if self._stream else "events"

    def _counted(self) -> str:
        if self._stream:
            return f"{_count(self.events, 'row')} of {self._stream}"
        return f"{self.events:,} events"

    def _cost(self) -> str:
        return traffic_words(self._traffic.since(self._before))


def terminal() -> TextIO | None:
    """Return stderr where a person looks at it."""
    return sys.stderr if sys.stderr.isatty() else None


def traffic_words(traffic: Traffic) -> str:
    """Say what the run has cost so far."""
    waits = "no waits"
    if traffic.waits:
        waits = f"{_count(traffic.waits, 'wait')} ({span(traffic.waited)})"
    return f"{size(traffic.bytes)}, {_count(traffic.requests, 'request')}, {waits}"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def size(count: float) -> str:
    """Spell bytes as people do: 1.4 MB."""
    for unit in UNITS[:-1]:
        if count < THOUSAND:
            return f"{count:,.0f} B" if unit == "B" else f"{count:,.1f} {unit}"
        count /= THOUSAND
    return f"{count:,.1f} {UNITS[-1]}"


def span(seconds: float) -> str:
    """Spell a length of time: 8 s, 12 min, 3 h 5 min."""
    if seconds < 2 * MINUTE:
        return f"{seconds:.0f} s"
    minutes = round(seconds / MINUTE)
    if minutes < 2 * MINUTE:
        return f"{minutes} min"
    return f"{minutes // MINUTE} h {minutes % MINUTE} min"


class _LiveLine(logging.Filter):
    """One line at the foot of a terminal; log lines push it down, not through it."""

    def __init__(self, out: TextIO) -> None:
        super().__init__()
        self._out = out
        self._shown = False
        self._handlers = list(logging.getLogger().handlers)
        for handler in self._handlers:
            handler.addFilter(self)

    def filter(self, _record: logging.LogRecord) -> bool:
        """Make room for a log line."""
        self.clear()
        return True

    def show(self, text: str) -> None:
        """Put the text where the last one was."""
        self._out.write(f"{CLEAR}{text}")
        self._out.flush()
        self._shown = True

    def clear(self) -> None:
        """Leave an empty line behind."""
        if self._shown:
            self._out.write(CLEAR)
            self._out.flush()
            self._shown = False

    def close(self) -> None:
        """Clear the line and let go of the log."""
        self.clear()
        for handler in self._handlers:
            handler.removeFilter(self)
