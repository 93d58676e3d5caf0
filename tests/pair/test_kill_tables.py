"""SIGKILL while tables are read, and the next run from the last state that got out."""

from __future__ import annotations

import json
import random
import subprocess
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.pair.pipe import installed
from tests.tap.streams.catalogs import catalog

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.pair.ends import Ends

PAGE = 500
# Rows that a killed run may have written behind its last state: the page that the
# state was to follow, and the one that was being written.
REPEATED = 2 * PAGE
KEYS = {
    "persons": "id",
    "person_distinct_ids": "distinct_id",
    "groups": "key",
    "sessions": "session_id",
}
WHOLE = {"person_distinct_ids"}  # has no time of a change: each run reads all of it
HOUR = timedelta(hours=1)
MEANWHILE = 3  # rows that come in between two runs


@dataclass
class Reading:
    """Runs of the tap over one stream, each from the last state of the one before."""

    ends: Ends
    stream: str
    folder: Path
    state: dict[str, Any] | None = None
    seen: Counter[str] = field(default_factory=Counter)

    def run(self, kill_after: int | None = None) -> None:
        """Read to the end, or kill the tap after so many records."""
        config = self.ends.tap(page_size=PAGE).config
        files = {"config": config, "catalog": catalog(config, self.stream)}
        if self.state is not None:
            files["state"] = self.state
        command = [installed("tap-posthog")]
        for name, content in files.items():
            path = self.folder / f"{name}.json"
            path.write_text(json.dumps(content))
            command += [f"--{name}", str(path)]
        records = 0  # of this run
        with (
            (self.folder / "log").open("wb") as log,
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log) as tap,
        ):
            assert tap.stdout is not None
            for line in tap.stdout:
                if not line.endswith(b"\n"):
                    break  # torn: whoever reads it drops it
                message = json.loads(line)
                if message["type"] == "STATE":
                    self.state = message["value"]
                elif message["type"] == "RECORD":
                    records += 1
                    self.seen[message["record"][KEYS[self.stream]]] += 1
                    if records == kill_after:
                        tap.kill()
                        break
        if kill_after is None:
            said = (self.folder / "log").read_text()
            assert tap.returncode == 0, said[-2000:]


def put(ends: Ends, stream: str, numbers: range, at: datetime) -> None:
    """Put rows in that changed at this time."""
    time = f"{at:%Y-%m-%d %H:%M:%S}"
    make: dict[str, Callable[[int], dict[str, Any]]] = {
        "persons": lambda n: {"id": _uuid(n), "created_at": time},
        "person_distinct_ids": lambda n: {
            "distinct_id": f"d{n}",
            "person_id": _uuid(n),
        },
        "groups": lambda n: {"index": n % 3, "key": f"g{n}", "updated_at": time},
        "sessions": lambda n: {
            "session_id": f"s{n}",
            "$start_timestamp": f"{at - n % 90 * HOUR / 4:%Y-%m-%d %H:%M:%S}",
            "$end_timestamp": f"{at - n % 90 * HOUR / 4:%Y-%m-%d %H:%M:%S}",
            "max_inserted_at": time,
        },
    }
    table = "raw_person_distinct_ids" if stream == "person_distinct_ids" else stream
    ends.sandbox.put(table, [make[stream](n) for n in numbers])


def _uuid(number: int) -> str:
    return f"{number * 2654435761 % 2**32:08x}-0000-4000-8000-{number:012x}"


def kill_and_resume(reading: Reading, *, kills: int, rows: int, seed: int) -> None:
    """Kill so many runs, each at a random place, then let one run to its end.

    Rows come in meanwhile, at keys before and behind the place that was reached.
    """
    rng = random.Random(seed)  # noqa: S311 - chance, not secrecy
    ends, stream = reading.ends, reading.stream
    put(ends, stream, range(rows), datetime(2026, 6, 1, tzinfo=UTC))
    held = rows
    for _ in range(kills):
        reading.run(kill_after=1 + rng.randrange(rows // kills))
        put(ends, stream, range(held, held + MEANWHILE), datetime.now(UTC))
        held += MEANWHILE
    reading.run()
    repeated = reading.seen.total() - len(reading.seen)
    print(f"{stream}: {held} rows, {kills} kills, {repeated} repeated")  # noqa: T201 - a figure of the proof

    assert len(reading.seen) == held
    once_more = held if stream in WHOLE else kills * MEANWHILE  # by the overlap
    assert repeated <= kills * REPEATED + once_more


@pytest.mark.parametrize("stream", ["persons", "sessions"])
def test_a_kill_loses_no_row(ends: Ends, tmp_path: Path, stream: str) -> None:
    """Each row comes, and few come twice."""
    kill_and_resume(Reading(ends, stream, tmp_path), kills=1, rows=1200, seed=1)


@pytest.mark.prove
@pytest.mark.parametrize("stream", KEYS)
def test_many_kills_lose_no_row(ends: Ends, tmp_path: Path, stream: str) -> None:
    """Fifty kills at random places."""
    kill_and_resume(Reading(ends, stream, tmp_path), kills=50, rows=25_000, seed=2)
