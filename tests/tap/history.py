"""A sequence of runs of the reader, each from the last state that was written."""

from __future__ import annotations

import contextlib
import json
import logging
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

from tap_posthog.events.bookmark import Bookmark
from tap_posthog.events.query.reader import Reader
from tap_posthog.events.region import Key
from tap_posthog.progress import Stats
from tests.tap.running import settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tap_posthog.events.batch import Batch
    from tap_posthog.settings.settings import Settings
    from tests.tap.model import Event, Model

logger = logging.getLogger("tap-posthog")
LATE = timedelta(hours=6)


class Lines(logging.Handler):
    """Keeps what is logged."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__()
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one line."""
        self._lines.append(record.getMessage())


@contextlib.contextmanager
def listening(lines: list[str]) -> Iterator[None]:
    """Add to the lines what the tap logs meanwhile."""
    handler, level = Lines(lines), logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


def choose(**more: Any) -> Settings:  # noqa: ANN401 - as `replace`
    """Choose settings that are small enough for a model."""
    small: dict[str, Any] = {"page_size": 3, "recheck_hours": 0, "late_window": LATE}
    return replace(settings(), **small | more)


@dataclass
class History:
    """What a sequence of runs has sent, each run starting at the last state written."""

    settings: Settings
    state: dict[str, Any] = field(default_factory=dict)
    sent: list[Key] = field(default_factory=list)
    rows: list[Event] = field(default_factory=list)
    states: int = 0
    unsafe: int = 0  # rows that were sent behind no state when a run was killed
    logged: list[str] = field(default_factory=list)
    on_state: Callable[[dict[str, Any]], object] = lambda _: None

    def run(
        self, model: Model, *, look_back: bool = True, stop: int | None = None
    ) -> None:
        """Run once; ``stop`` kills it after so many batches, before their state."""
        reader = Reader(
            model, self.settings, columns=("event",), stats=Stats(), look_back=look_back
        )
        bookmark = Bookmark.from_state(json.loads(json.dumps(self.state)))
        with listening(self.logged):
            self._take(reader.batches(bookmark), stop)

    def _take(self, batches: Iterator[Batch], stop: int | None) -> None:
        behind = 0
        for n, batch in enumerate(batches):
            self.sent += [Key(row.timestamp, row.uuid) for row in batch.rows]
            self.rows += cast("list[Event]", batch.rows)
            behind += len(batch.rows)
            if n == stop:
                batches.close()  # type: ignore[attr-defined]  # it is a generator
                self.unsafe += behind
                return
            if batch.bookmark and batch.bookmark.at:
                self.state = batch.bookmark.to_state()
                self.on_state(self.state)
                self.states += 1
                behind = 0
