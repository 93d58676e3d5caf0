"""The ground that every bench stands on: sizes, rounds, files, a sandbox with events.

It owns no measurement.
"""

from __future__ import annotations

import contextlib
import json
import statistics
import urllib.request
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tests.bench import events, query
from tests.bench.process import Run, server
from tests.support.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

STEP_MS = 2_592  # a million events in 30 days
INSERT_ROWS = 100_000


@dataclass(frozen=True, slots=True)
class Ground:
    """Where the benches put their files, and how much they measure."""

    folder: Path
    bin: Path  # the programs, as a user has them
    quick: bool
    rounds: int
    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    def size(self, events: int) -> int:
        """Scale a number of events down when the run is to be quick."""
        return max(1_000, events // 50) if self.quick else events

    @property
    def start(self) -> datetime:
        """The first event's time: a midnight, so that days are whole."""
        month_ago = self.now - timedelta(days=31)
        return month_ago.replace(hour=0, minute=0, second=0, microsecond=0)

    def config(self, name: str, **settings: Any) -> Path:  # noqa: ANN401 - JSON
        """Write a program's configuration."""
        path = self.folder / f"{name}.json"
        path.write_text(json.dumps(settings))
        return path

    def tap(self, url: str, **settings: Any) -> list[Any]:  # noqa: ANN401 - JSON
        """Name the tap, to read from a URL."""
        return [self.bin / "tap-posthog", "--config", self.tap_config(url, **settings)]

    def tap_config(self, url: str, **settings: Any) -> Path:  # noqa: ANN401 - JSON
        """Write what any tap here needs to know."""
        return self.config(
            f"tap-{urlsplit(url).port}",
            base_url=url,
            project_id=query.PROJECT,
            api_key=query.API_KEY,
            start_date=f"{self.start:%Y-%m-%dT%H:%M:%SZ}",
            **{"page_size": query.PAGE_SIZE, **settings},
        )

    def target(self, url: str, **settings: Any) -> list[Any]:  # noqa: ANN401 - JSON
        """Name the target, to write to a URL."""
        config = self.target_config(url, **settings)
        return [self.bin / "target-patterns-webhook", "--config", config]

    def target_config(self, url: str, **settings: Any) -> Path:  # noqa: ANN401 - JSON
        """Write what any target here needs to know."""
        webhook = f"{url}/api/app/webhooks/bench"
        return self.config(
            "target", webhook_url=webhook, validate_records=False, **settings
        )

    def peer(self, name: str, library: str, config: Path) -> list[Any]:
        """Name one of the usual programs, with one of the SDK's JSON libraries."""
        return self.python(f"peers.{name}", library, "--config", config)

    def python(self, module: str, *arguments: str | Path) -> list[Any]:
        """Name a program of the benches, in the same environment as the pair."""
        return [self.bin / "python", "-m", f"tests.bench.{module}", *arguments]

    def singer(self, count: int) -> Path:
        """Give a file of so many records, written once."""
        path = self.folder / f"events-{count}.jsonl"
        if not path.exists():
            events.write_singer(path, count)
        return path

    @contextlib.contextmanager
    def sandbox(self, count: int) -> Iterator[Sandbox]:
        """Keep a sandbox that holds ``count`` events and whose clock stands still."""
        with Sandbox() as sandbox:
            sandbox.behave(frozen_at=self.now.isoformat())
            self.fill(sandbox, 0, count)
            yield sandbox

    def fill(self, sandbox: Sandbox, first: int, count: int) -> None:
        """Put events into a sandbox, after the ``first`` that it has."""
        for n in range(first, first + count, INSERT_ROWS):
            rows = min(INSERT_ROWS, first + count - n)
            sandbox.sql(events.insert(n, rows, self.start, STEP_MS))


@contextlib.contextmanager
def replay(upstream: str, latency: float = 0) -> Iterator[str]:
    """Keep a server's answers behind another URL."""
    with server("replay", upstream, latency) as url:
        yield url


@contextlib.contextmanager
def receiver(latency: float = 0) -> Iterator[str]:
    """Keep a webhook that answers after so many seconds."""
    with server("receiver", latency) as url:
        yield url


def stats(url: str) -> dict[str, int]:
    """Ask one of the bench's servers what it saw, and have it start again."""
    with urllib.request.urlopen(f"{url}/figures") as answer:  # noqa: S310 - loopback
        told: dict[str, int] = json.load(answer)
    return told


def alternate(
    programs: Mapping[str, Callable[[], Run]], rounds: int
) -> dict[str, list[Run]]:
    """Run each program once, then each again: what the machine does, it does to all."""
    runs: dict[str, list[Run]] = {name: [] for name in programs}
    for _ in range(rounds):
        for name, program in programs.items():
            runs[name].append(program())
    return runs


def middle(runs: list[Run]) -> Run:
    """Give the run whose time is the median."""
    median = statistics.median_low(run.seconds for run in runs)
    return next(run for run in runs if run.seconds == median)
