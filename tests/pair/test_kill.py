"""SIGKILL at random places, and the next run from the last state that got out."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.pair.ends import START

if TYPE_CHECKING:
    from pathlib import Path

    from tests.pair.ends import Ends
    from tests.pair.pipe import Pipe

PAGE = 500
BATCH = 100
SENDERS = 4
# What a killed run may have sent behind its last state: the page that the state was
# to follow, the one being written meanwhile, and what each sender had under way.
REPEATED = 2 * PAGE + SENDERS * BATCH

VICTIMS = [
    pytest.param(("tap",), id="tap"),
    pytest.param(("target",), id="target"),
    pytest.param(("tap", "target"), id="both"),
]


@pytest.mark.parametrize("victims", VICTIMS)
def test_a_kill_loses_nothing(ends: Ends, victims: tuple[str, ...]) -> None:
    """Whichever is killed: each event arrives, and few arrive twice."""
    kill_and_resume(ends, victims, kills=1, rows=2_000, seed=1)


@pytest.mark.prove
@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("victims", VICTIMS)
def test_many_kills_lose_nothing(
    ends: Ends, victims: tuple[str, ...], seed: int
) -> None:
    """The same over many kills at random places, each run killed again."""
    kill_and_resume(ends, victims, kills=10, rows=20_000, seed=seed)


@pytest.mark.parametrize("victims", VICTIMS)
def test_a_kill_between_batch_files_loses_nothing(
    ends: Ends, tmp_path: Path, victims: tuple[str, ...]
) -> None:
    """The same where records pass in files; and no file is left in the end."""
    batches = batch_files(tmp_path)
    kill_and_resume(ends, victims, kills=1, rows=2_000, seed=2, batch_config=batches)
    assert not list((tmp_path / "files").iterdir())


@pytest.mark.prove
@pytest.mark.parametrize("victims", VICTIMS)
def test_many_kills_between_batch_files_lose_nothing(
    ends: Ends, tmp_path: Path, victims: tuple[str, ...]
) -> None:
    """Fifty kills, and no file is left in the end."""
    batches = batch_files(tmp_path)
    kill_and_resume(ends, victims, kills=50, rows=50_000, seed=3, batch_config=batches)
    assert not list((tmp_path / "files").iterdir())


def batch_files(folder: Path) -> dict[str, Any]:
    """Return a `batch_config` with files under a folder."""
    root = (folder / "files").as_uri()
    return {"encoding": {"format": "jsonl"}, "storage": {"root": root}}


def kill_and_resume(
    ends: Ends,
    victims: tuple[str, ...],
    *,
    kills: int,
    rows: int,
    seed: int,
    **settings: object,
) -> None:
    """Kill so many runs, each at a random place, then let one run to its end."""
    rng = random.Random(seed)  # noqa: S311 - chance, not secrecy
    share = rows // kills
    ends.sandbox.behave(latency_seconds=0.05)
    pipe = ends.pipe(
        ends.tap(page_size=PAGE, **settings),
        ends.target(batch_size_rows=BATCH, max_parallel_requests=SENDERS),
    )
    for round_ in range(kills):
        ends.ingest_now(share, first=START + timedelta(days=round_))
        kill_once(ends, pipe, victims, rng.randrange(share))
        assert not overtaken(ends, pipe)
    pipe.run()
    arrived = ends.arrived()
    repeated = arrived.total() - rows
    print(f"{rows} events, {kills} kills of {victims}: {repeated} repeated")  # noqa: T201 - a figure of the proof

    assert set(arrived) == ends.sent()
    assert repeated <= kills * REPEATED


def kill_once(ends: Ends, pipe: Pipe, victims: tuple[str, ...], progress: int) -> None:
    """Kill during a run, when so many more have arrived."""
    goal = ends.count() + progress
    with pipe.started() as run:
        run.until(lambda: ends.count() >= goal)
        for name in victims:
            {"tap": run.tap, "target": run.target}[name].kill()
        run.wait()
    for name, said in run.said.items():
        assert "Traceback" not in said, (name, said)
    if "tap" not in victims and "Done: " not in run.said["tap"]:
        # Else its last rows were in the pipe before: it could not know.
        assert run.tap.returncode != 0, "the tap must say that its reader is gone"


def overtaken(ends: Ends, pipe: Pipe) -> set[str]:
    """Return the events that the last state counts as delivered and that are not."""
    bookmark = pipe.state["bookmarks"]["events"] if pipe.state else {}
    if "replication_key_value" not in bookmark:  # killed before the first event
        return set()
    behind = ends.sandbox.sql(f"""
        select toString(uuid) from events where
            (timestamp, toString(uuid)) <= (
                toDateTime64('{bookmark["replication_key_value"][:-1]}', 6, 'UTC'),
                '{bookmark["uuid"]}')
    """)  # noqa: S608 - our own state
    return {row[0] for row in behind} - set(ends.arrived())
