"""Cycle after cycle: how often a follower asks, and what it leaves to others."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tap_posthog.api.client import Client
from tap_posthog.errors import AuthError
from tap_posthog.events import events_list
from tap_posthog.events.bookmark import Bookmark
from tap_posthog.events.follow import LOOK_BACK_SECONDS, QUERY_SECONDS, Run
from tap_posthog.events.region import Key
from tap_posthog.progress import Stats
from tests.tap.running import config, settings
from tests.tap.test_scenarios import insert

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.sandbox import Sandbox


class EnoughError(Exception):
    """As many cycles as the test wants."""


class Pauses:
    """A clock that only pauses move, which end after a number of them."""

    def __init__(self, most: int, between: Callable[[], object] = bool) -> None:
        self.seconds = 0.0
        self.slept: list[float] = []
        self._most = most
        self._between = between

    def clock(self) -> float:
        """Say what time it is."""
        return self.seconds

    def sleep(self, seconds: float) -> None:
        """Let time pass, or end the test's run."""
        self.slept.append(seconds)
        self.seconds += seconds
        self._between()
        if len(self.slept) >= self._most:
            raise EnoughError


def follow(sandbox: Sandbox, pauses: Pauses, **more: object) -> Run:
    """Follow until there were enough pauses; the rows are forgotten."""
    given = settings(**config(sandbox, **more))
    with (
        pytest.raises(EnoughError),
        Client(given) as client,
        Run(
            client,
            given,
            ["event"],
            stats=Stats(),
            clock=pauses.clock,
            sleep=pauses.sleep,
        ) as run,
    ):
        for _ in run.batches(Bookmark()):
            pass
    return run


def test_a_cycle_is_due_every_so_often(sandbox: Sandbox) -> None:
    """A quiet cycle is as long as it was asked to be."""
    insert(sandbox, 10)
    pauses = Pauses(5)

    follow(sandbox, pauses, follow_seconds=30)

    assert pauses.slept == [30] * 5


def test_a_follower_leaves_half_the_quota(sandbox: Sandbox) -> None:
    """PostHog allows 2,400 queries an hour; no cycle spends more than half of that."""
    insert(sandbox, 10)
    pauses = Pauses(15)

    follow(sandbox, pauses, follow_seconds=10)

    asked = len(sandbox.requests())
    assert min(pauses.slept) >= 10
    assert asked / pauses.seconds <= 1200 / 3600
    assert asked * QUERY_SECONDS <= pauses.seconds


def test_late_arrivals_are_looked_for_every_ten_minutes(sandbox: Sandbox) -> None:
    """In between, nothing looks back, and a cycle without news is one small query."""
    insert(sandbox, 10, "now64(6) - 60 - number")
    pauses = Pauses(1 + LOOK_BACK_SECONDS // 100)

    follow(sandbox, pauses, follow_seconds=100)

    rechecks = [
        each for each in sandbox.requests() if "toStartOfHour" in (each["hogql"] or "")
    ]
    assert 1 <= len(rechecks) <= 2
    assert len(sandbox.requests()) <= len(pauses.slept) + 8


def test_a_cycle_with_news_costs_two_queries(sandbox: Sandbox) -> None:
    """One small plan, which brings the server's clock along, and one read."""
    insert(sandbox, 10, "now64(6) - 60 - number")
    asked: list[int] = []

    def arrive() -> None:
        asked.append(len(sandbox.requests()))
        insert(sandbox, 10, "now64(6)")

    run = follow(sandbox, Pauses(6, between=arrive), follow_seconds=30)

    assert [after - before for before, after in pairwise(asked)] == [2] * 5
    assert run.last_words().startswith("60 events were sent")


def test_the_events_list_is_followed_without_repeats(sandbox: Sandbox) -> None:
    """Each cycle reads the lookback again, and sends only what it has not sent."""
    insert(sandbox, 30, "now64(6) - 60 - number")
    pauses = Pauses(3)

    run = follow(sandbox, pauses, follow_seconds=30, events_source="rest")

    assert run.last_words().startswith("30 events were sent")


def test_a_follower_of_the_events_list_forgets_what_it_will_not_read_again(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It keeps keys for the lookback, not those of the backfill before it."""
    monkeypatch.setattr(events_list, "FEW", 100)
    insert(sandbox, 3000, "now64(6) - 60 - number * 60")
    pauses = Pauses(2)

    run = follow(
        sandbox, pauses, follow_seconds=30, events_source="rest", page_size=100
    )

    assert run.last_words().startswith("3,000 events were sent")
    kept = run._events_list._sent  # type: ignore[union-attr]  # noqa: SLF001 - its memory
    assert 59 <= len(kept) < 1500


class Quiet(BaseHTTPRequestHandler):
    """A PostHog that has no events, and keeps its connections."""

    protocol_version = "HTTP/1.1"
    requests = 0

    def do_POST(self) -> None:
        """Answer each question that a follower asks."""
        type(self).requests += 1
        asked = self.rfile.read(int(self.headers["Content-Length"]))
        results = b"[]"
        if b"select now()" in asked[:60]:
            results = b'[["2026-11-21T10:00:00.000000Z"]]'
        elif b"groupArray" in asked:
            results = b"[[[]]]"
        body = b'{"results": %b}' % results
        head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body)
        self.wfile.write(head + body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def quiet_posthog(kind: type[Quiet] = Quiet) -> Iterator[str]:
    """Serve a PostHog without events; give its URL."""
    with ThreadingHTTPServer(("127.0.0.1", 0), kind) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


class Dense(Quiet):
    """A PostHog with two full pages, the first of them busy, and a key that expires."""

    busy = threading.Event()

    def do_POST(self) -> None:
        """Answer the first page with a 503, and the second with a 401 behind it."""
        asked = self.rfile.read(int(self.headers["Content-Length"])).decode()
        status, results = "200 OK", "[]"
        if "as region" in asked:
            ends = '"2026-11-20T10:00:00Z", "2026-11-21T10:00:00Z"'
            results = f'[[0, 200, {ends}, "2026-11-22T10:00:00Z"]]'
        elif "as stretch" in asked:
            grain = int(asked.partition("2208988800000, ")[2].partition(")")[0])
            start = (1_795_168_800_000 + 2_208_988_800_000) // grain
            results = f"[[{start}, 100], [{start + 1}, 100]]"
        elif "order by timestamp" in asked and not self.busy.is_set():
            self.busy.set()
            status = "503 Busy\r\nRetry-After: 600"
        elif "order by timestamp" in asked:
            time.sleep(0.3)
            status = "401 Unauthorized"
        body = f'{{"results": {results}}}' if status.startswith("200") else ""
        head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n"
        self.wfile.write((head + body).encode())


def test_a_run_that_another_page_ended_says_why() -> None:
    """The page that waited came first, and the user still reads of the key."""
    Dense.busy.clear()
    began = time.monotonic()
    with quiet_posthog(Dense) as url:
        given = settings(base_url=url, page_size=100, max_concurrent_queries=2)
        with (
            pytest.raises(AuthError, match=r"does not know the API key \(401\)"),
            Client(given) as client,
            Run(client, given, ["event"], stats=Stats()) as run,
        ):
            for _ in run.batches(Bookmark()):
                pass

    assert Dense.busy.is_set()
    assert time.monotonic() - began < 60


class Flat(Pauses):
    """Pauses that note, after each cycle, what the process holds."""

    def __init__(self, most: int) -> None:
        super().__init__(most, between=self._note)
        self.sockets: list[int] = []
        self.threads: list[int] = []
        self.memory: list[int] = []  # pages

    def _note(self) -> None:
        files = Path("/proc/self/fd")
        self.sockets.append(
            sum("socket" in str(each.resolve()) for each in files.iterdir())
        )
        names = [thread.name for thread in threading.enumerate()]
        self.threads.append(sum("query" in name for name in names))
        self.memory.append(int(Path("/proc/self/statm").read_text().split()[1]))


@pytest.mark.parametrize("cycles", [30, pytest.param(1000, marks=pytest.mark.prove)])
def test_a_follower_stays_flat(cycles: int) -> None:
    """However many cycles: the same connections, no thread, no memory more."""
    at = Bookmark(at=Key("2026-11-20T10:00:00.000000Z", "b"))
    pauses = Flat(cycles)
    with quiet_posthog() as url:
        given = settings(base_url=url, follow_seconds=60)
        with (
            pytest.raises(EnoughError),
            Client(given) as client,
            Run(
                client, given, [], stats=Stats(), clock=pauses.clock, sleep=pauses.sleep
            ) as run,
        ):
            for _ in run.batches(at):
                pass

    assert len(pauses.slept) == cycles
    # Each connection has two ends here; as many as queries may be in flight.
    assert max(pauses.sockets) - min(pauses.sockets) <= 4
    assert max(pauses.threads) == 0
    warm = pauses.memory[len(pauses.memory) // 3]
    assert pauses.memory[-1] - warm < 2000  # of 4 KiB, whatever else is tested here


FAST = """
import sys, time
rest = time.sleep
time.sleep = lambda seconds: rest(min(seconds, 0.005))  # a day of pauses in seconds
from tap_posthog.__main__ import main
sys.exit(main())
"""


@pytest.mark.prove
def test_a_thousand_cycles_need_no_more_than_one(tmp_path: Path) -> None:
    """The real command, in as few descriptors as a single cycle needs."""
    state = {
        "replication_key": "timestamp",
        "replication_key_value": "2026-11-20T10:00:00Z",
    }
    (tmp_path / "state.json").write_text(json.dumps({"bookmarks": {"events": state}}))
    with quiet_posthog() as url:
        given = {"api_key": "phx_canary", "project_id": "1", "follow_seconds": 10}
        (tmp_path / "config.json").write_text(json.dumps(given | {"base_url": url}))
        began = Quiet.requests
        script = 'ulimit -n 20; exec "$@" --config config.json --state state.json'
        process = subprocess.Popen(
            ["bash", "-c", script, "bash", sys.executable, "-c", FAST],
            cwd=tmp_path,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        until = time.monotonic() + 200  # 12 s, on a quiet machine
        while Quiet.requests - began < 1_000 and process.poll() is None:
            if time.monotonic() > until:
                process.kill()  # it no longer asks
            time.sleep(0.05)
        assert process.poll() is None
        files = Path(f"/proc/{process.pid}/fd").iterdir()
        sockets = [each for each in files if "socket" in str(each.resolve())]
        process.terminate()
        _, err = process.communicate(timeout=60)

    assert process.returncode == 143
    assert len(sockets) <= 2  # max_concurrent_queries
    assert "Traceback" not in err
    assert "the connection broke" not in err
