"""Killed and started again, over and over, under every fault: nothing is lost.

The receiver notes each record at the moment of acceptance; each state is checked
against that when it comes out of the process.
"""

from __future__ import annotations

import contextlib
import json
import random
import signal
import threading
import time
from collections import defaultdict, deque
from typing import TYPE_CHECKING

import pytest

from tests.support.receiver import Receiver
from tests.target.process import SCHEMA, record, start, state

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from tests.support.receiver import Request

FAULTS = {
    "503": 8,
    "429:0": 2,
    "429": 1,
    "reset": 3,
    "accept-reset": 3,
    "accept-cut": 2,
    "slow:0.05": 5,
}
RECORDS = 200_000
PATIENCE = 120.0


class Weather:
    """Judges requests by a seeded draw: about a quarter of them meet a fault."""

    def __init__(self, seed: int) -> None:
        self.calm = False
        self._draw = random.Random(seed)  # noqa: S311 - weather, not a secret
        self._lock = threading.Lock()

    def __call__(self, request: Request) -> str | None:
        """Return the fault that a request meets."""
        del request
        with self._lock:
            drawn = self._draw.random() * 100
        for fault, share in FAULTS.items():
            if drawn < share and not self.calm:
                return fault
            drawn -= share
        return None


class Pipeline:
    """A tap that starts after the last state, the target, and who keeps the states."""

    def __init__(self, folder: Path, receiver: Receiver) -> None:
        self.upto = -1
        self.ahead: list[int] = []
        self.words: deque[bytes] = deque(maxlen=3)  # the last that the target said
        self._folder = folder
        self._receiver = receiver

    def run(self, *, records: int, then: signal.Signals | None, after: int) -> int:
        """Run until the end, or until ``after`` requests more have come.

        Return the exit code.
        """
        config = {
            "webhook_url": self._receiver.url,
            "batch_size_rows": 20,
            "max_batch_age_seconds": 1,
        }
        process = start(self._folder, config)
        threads = [
            threading.Thread(target=self._write, args=(process, records)),
            threading.Thread(target=self._keep_states, args=(process,)),
            threading.Thread(target=self._listen, args=(process,)),
        ]
        for thread in threads:
            thread.start()
        if then is not None:
            goal = len(self._receiver.requests) + after
            end = time.monotonic() + PATIENCE
            while len(self._receiver.requests) < goal and process.poll() is None:
                assert time.monotonic() < end
                time.sleep(0.002)
            process.send_signal(then)
        code = process.wait(PATIENCE)
        for thread in threads:
            thread.join(PATIENCE)
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
        return code

    def _write(self, process: subprocess.Popen[bytes], records: int) -> None:
        first = self.upto + 1
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(SCHEMA)
            for number in range(first, first + records):
                process.stdin.write(record(number))
                if number % 30 == 29:
                    process.stdin.write(state(number))
            process.stdin.write(state(first + records - 1))
            process.stdin.close()

    def _keep_states(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            if not line.endswith(b"\n"):
                continue  # cut by a kill: nobody would keep it
            upto = json.loads(line)["upto"]
            with self._receiver.lock:
                accepted = set(self._receiver.accepted)
            self.ahead += [n for n in range(upto + 1) if str(n) not in accepted]
            self.upto = max(self.upto, upto)

    def _listen(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stderr is not None
        for line in process.stderr:
            self.words.append(line)


def prove(folder: Path, seed: int, ends: list[signal.Signals]) -> None:
    """End the target in each of these ways, then let it finish; count what arrived."""
    draw = random.Random(seed)  # noqa: S311 - a plan, not a secret
    weather = Weather(seed)
    with Receiver(judge=weather) as receiver:
        pipeline = Pipeline(folder, receiver)
        for how in ends:
            after = draw.randint(1, 25)
            code = pipeline.run(records=RECORDS, then=how, after=after)
            assert code == (143 if how is signal.SIGTERM else -how), pipeline.words
        weather.calm = True
        code = pipeline.run(records=100, then=None, after=0)
        assert code == 0, pipeline.words

        accepted = set(receiver.accepted)
        requests = [r for r in receiver.requests if r.wire]
    assert pipeline.ahead == []
    assert {str(n) for n in range(pipeline.upto + 1)} - accepted == set()
    bodies: dict[str, set[bytes]] = defaultdict(set)
    keys: dict[bytes, set[str]] = defaultdict(set)
    for request in requests:
        key = request.headers["idempotency-key"]
        bodies[key].add(request.wire)
        keys[request.wire].add(key)
    assert {len(same) for same in bodies.values()} == {1}
    assert {len(same) for same in keys.values()} == {1}


def test_killed_and_resumed(tmp_path: Path) -> None:
    """Two kills, two signals, every fault: nothing lost, no state ahead."""
    prove(tmp_path, 1, [signal.SIGKILL, signal.SIGTERM] * 2)


@pytest.mark.prove
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_fifty_times(tmp_path: Path, seed: int, how: signal.Signals) -> None:
    """Fifty ends of a kind, for each of three seeds: nothing lost, no state ahead."""
    prove(tmp_path, seed, [how] * 50)


def test_a_record_comes_twice_only_where_an_answer_was_lost(tmp_path: Path) -> None:
    """Without kills, duplicates are of requests that were accepted but not answered."""
    with Receiver(judge=Weather(7)) as receiver:
        pipeline = Pipeline(tmp_path, receiver)

        assert pipeline.run(records=4000, then=None, after=0) == 0
        twice = {i for i, count in receiver.counts.items() if count > 1}
        lost = {
            str(r["id"])
            for request in receiver.requests
            if request.accepted and request.status == 0
            for r in request.records
        }
    assert pipeline.upto == 3999
    assert pipeline.ahead == []
    assert twice <= lost
