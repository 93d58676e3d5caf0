"""Asking until there is an answer: limits, faults and refusals, over real sockets."""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from tap_posthog import errors
from tap_posthog.api.client import Client
from tap_posthog.api.transport import Request, Response
from tap_posthog.events.query.endpoint import QuerySource
from tests.tap.running import settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.sandbox import Sandbox

SELECT = "select 1"


class Time:
    """A clock that moves when somebody sleeps, and notes how long."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        """Say what time it is."""
        return self.seconds

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.slept.append(seconds)
        self.seconds += seconds


def client(sandbox: Sandbox, moment: Time, **more: object) -> Client:
    """Make a client that waits in no time, and always the whole back-off."""
    given = {"base_url": sandbox.url, "request_timeout_seconds": 5, **more}
    return Client(settings(**given), clock=moment, sleep=moment.sleep, rng=lambda: 1.0)


def ask(client: Client) -> None:
    """Put the smallest question there is."""
    QuerySource(client, "1").probe()


def fault(sandbox: Sandbox, *actions: str, times: int | None = None) -> None:
    """Answer the next requests this way."""
    rule: dict[str, Any] = {"path": "/query/", "share": 1, "actions": list(actions)}
    sandbox.fault(rule | {"times": times})


@pytest.mark.parametrize(
    "action",
    ["500", "502", "503", "524", "408", "504", "512", "513", "reset", "cut", "garbage"],
)
def test_a_fault_is_tried_again(sandbox: Sandbox, action: str) -> None:
    """With a back-off that doubles; 504 too, where less cannot be asked."""
    fault(sandbox, action, times=3)
    moment = Time()

    ask(client(sandbox, moment))

    assert moment.slept == [1, 2, 4]


@pytest.mark.parametrize("status", [504, 512, 513, 524])
def test_a_question_that_is_too_much_is_handed_back(
    sandbox: Sandbox, status: int
) -> None:
    """Its asker cuts it in two; asking again the same would be no use."""
    fault(sandbox, str(status), times=1)
    moment = Time()
    asker = client(sandbox, moment)
    source = QuerySource(asker, "1")

    with pytest.raises(errors.TooHeavyError, match=str(status)):
        source._endpoint.post(SELECT, lambda response: response.body, divisible=True)  # noqa: SLF001 - the question does not matter

    assert moment.slept == []
    ask(asker)


def test_a_rate_limit_waits_as_it_says(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    """The log says how long, until when and why, once."""
    fault(sandbox, "429:1830", times=1)
    moment = Time()
    asker = client(sandbox, moment)

    with caplog.at_level(logging.INFO, "tap-posthog"):
        ask(asker)

    assert moment.slept == [1830]
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith("rate limit")
    assert "waiting 1,830 s until " in line
    assert (asker.traffic.waits, asker.traffic.waited) == (1, 1830)


def test_a_rate_limit_without_a_time_backs_off(sandbox: Sandbox) -> None:
    """PostHog's concurrency limit does not say when to come back."""
    fault(sandbox, "429", times=4)
    moment = Time()

    ask(client(sandbox, moment))

    assert moment.slept == [1, 2, 4, 8]


def test_a_limit_holds_all_threads(sandbox: Sandbox) -> None:
    """What one thread is told, no other has to be told as well."""
    fault(sandbox, "429:30", times=1)
    asker = Client(settings(base_url=sandbox.url))
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(ask, asker)
        while not asker.traffic.waits:
            time.sleep(0.01)
        second = pool.submit(ask, asker)
        time.sleep(0.5)
        during = len(sandbox.requests())
        asker.stop()

    assert during == 1
    for waiting in (first, second):
        assert isinstance(waiting.exception(), errors.GaveUpError)


def test_waiting_has_an_end(sandbox: Sandbox) -> None:
    """Where a limit lasts beyond `max_wait_seconds`, it is not waited for at all."""
    fault(sandbox, "429:7200")
    moment = Time()

    with pytest.raises(errors.GaveUpError, match="beyond max_wait_seconds"):
        ask(client(sandbox, moment))

    assert moment.slept == []
    assert len(sandbox.requests()) == 1


def test_faults_that_do_not_end_end_the_run(sandbox: Sandbox) -> None:
    """After `max_wait_seconds` of trying, in all."""
    fault(sandbox, "503")
    moment = Time()

    with pytest.raises(errors.GaveUpError, match="server error 503"):
        ask(client(sandbox, moment, max_wait_seconds=100))

    assert moment.seconds <= 100


def test_a_server_that_never_answered_is_given_up_soon() -> None:
    """A typing error in `base_url` does not cost an hour."""
    moment = Time()
    asker = Client(
        settings(base_url="http://127.0.0.1:9"),
        clock=moment,
        sleep=moment.sleep,
        rng=lambda: 1.0,
    )

    with pytest.raises(errors.GaveUpError, match="Check base_url"):
        ask(asker)

    assert moment.seconds <= 60


def test_a_server_that_is_not_posthog_is_given_up_soon(sandbox: Sandbox) -> None:
    """Some web page at `base_url` does not cost an hour either."""
    fault(sandbox, "garbage")
    moment = Time()

    with pytest.raises(errors.GaveUpError, match=r"not PostHog's\. Check base_url"):
        ask(client(sandbox, moment))

    assert moment.seconds <= 60


@pytest.mark.parametrize(
    ("key", "project", "error"),
    [
        ("phx_wrong", "1", errors.AuthError),
        ("phx_noscope", "1", errors.AuthError),
        ("phx_other", "1", errors.AuthError),
        ("phx_sandbox", "5", errors.ProjectError),
    ],
)
def test_a_refusal_is_not_asked_again(
    sandbox: Sandbox, key: str, project: str, error: type[Exception]
) -> None:
    """Neither is it waited for."""
    asker = client(sandbox, Time(), api_key=key, project_id=project)

    with pytest.raises(error):
        QuerySource(asker, project).probe()

    assert len(sandbox.requests()) == 1


def test_an_old_server_is_told_apart_from_a_wrong_project(sandbox: Sandbox) -> None:
    """Only the one without the endpoint is a reason to read the events list."""
    sandbox.behave(query_endpoint=False)

    with pytest.raises(errors.MissingEndpointError):
        ask(client(sandbox, Time()))


def test_a_hanging_answer_ends_at_the_deadline(sandbox: Sandbox) -> None:
    """However slowly it drips, one request takes no longer than it may."""
    fault(sandbox, "hang:30", times=1)
    began = time.monotonic()
    moment = Time()

    ask(client(sandbox, moment, request_timeout_seconds=1))

    assert moment.slept == [1]
    assert time.monotonic() - began < 20


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """Serve on the loopback, a thread for each connection; give the URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def elsewhere(status: int) -> Iterator[tuple[str, list[str | None]]]:
    """Serve a redirect to somewhere else; give the URL, and the keys that came."""
    keys: list[str | None] = []

    class Redirect(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            keys.append(self.headers["Authorization"])
            self.send_response(status)
            self.send_header("Location", f"{self.path}?moved=1")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with serving(Redirect) as url:
        yield url, keys


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(status: int) -> None:
    """It would carry the key to somewhere that the user did not name."""
    with elsewhere(status) as (url, keys):
        asker = Client(settings(base_url=url))
        with pytest.raises(errors.ConfigError, match="on the same host"):
            ask(asker)
        asker.close()

    assert keys == ["Bearer phx_sandbox"]


def test_netrc_does_not_replace_the_key(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A forgotten entry for the same machine is not sent instead of the API key."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))

    ask(client(sandbox, Time()))

    assert [each["status"] for each in sandbox.requests()] == [200]


class Crowd(BaseHTTPRequestHandler):
    """A PostHog that takes a moment for a question, and notes how many are open."""

    lock = threading.Lock()
    open = most_open = 0

    def do_POST(self) -> None:
        """Answer `select 1`."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self._count(1)
        time.sleep(0.02)
        self._count(-1)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"results": [[1]]}')

    @classmethod
    def _count(cls, change: int) -> None:
        with cls.lock:
            cls.open += change
            cls.most_open = max(cls.most_open, cls.open)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.mark.parametrize("most", [1, 2, 3])
def test_no_more_queries_are_under_way_than_allowed(most: int) -> None:
    """PostHog allows three a project, shared with its other users."""

    class Counted(Crowd):
        """One for each test."""

    with serving(Counted) as url, ThreadPoolExecutor(6) as pool:
        asker = Client(settings(base_url=url, max_concurrent_queries=most))
        for asked in [pool.submit(ask, asker) for _ in range(30)]:
            asked.result()
        asker.close()

    assert Counted.most_open == most


def test_an_answer_is_read_while_the_next_question_is_asked(sandbox: Sandbox) -> None:
    """PostHog is done with a query when it has answered: decoding holds nobody up."""
    asker = client(sandbox, Time(), max_concurrent_queries=1)
    both = threading.Barrier(2)
    question = Request(method="GET", path="/api/projects/1/events/")

    def parse(_: Response) -> None:
        both.wait(30)

    with ThreadPoolExecutor(2) as pool:
        for asked in [pool.submit(asker.call, question, parse) for _ in range(2)]:
            asked.result()


def test_several_threads_share_one_client(sandbox: Sandbox) -> None:
    """Each has its own connection, and the figures add up."""
    asker = client(sandbox, Time())
    ready = threading.Barrier(3)

    def both() -> None:
        ready.wait(30)
        for _ in range(10):
            ask(asker)

    with ThreadPoolExecutor(3) as pool:
        for future in [pool.submit(both) for _ in range(3)]:
            future.result()

    assert asker.traffic.requests == len(sandbox.requests()) == 30
