"""Asking until there is an answer: limits, faults and refusals, over real sockets."""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from tap_posthog import errors, hogql
from tap_posthog.client import Client, Traffic
from tap_posthog.region import Region
from tap_posthog.sources.query import QuerySource
from tap_posthog.transport import Request
from tap_posthog.waits import Waits
from tests.support.raw import RawServer
from tests.tap.running import config, run_here, settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.support.raw import Talk
    from tests.support.sandbox import Sandbox

SELECT = "select 1"
ALL, DAY = Region(), timedelta(days=1)
EXTENT = b'[[0, 1, "2026-11-21T10:00:00Z", "2026-11-21T10:00:00Z"]]'


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
        source._post(SELECT, lambda body: (body, None), divisible=True)  # noqa: SLF001 - the question does not matter

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


LONG_AGO = "Sat, 21 Nov 2020 12:00:00 GMT"


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("header", "slept"),
    [
        pytest.param(b"Retry-After: 0", [1, 2, 4], id="zero"),
        pytest.param(b"Retry-After: -5", [1, 2, 4], id="negative"),
        pytest.param(b"Retry-After: " + LONG_AGO.encode(), [1, 2, 4], id="past"),
        pytest.param(b"Retry-After: \xb2", [1, 2, 4], id="superscript"),
        pytest.param(
            b"Retry-After: Sat, 21 Nov 99999 12:00:00 GMT", [1, 2, 4], id="huge-year"
        ),
        pytest.param(b"Retry-After: soon", [1, 2, 4], id="nonsense"),
        pytest.param(b"Retry-After: 1.5", [1.5, 2, 4], id="decimals"),
        pytest.param(b"Retry-After: 30.0", [30, 30, 30], id="whole-decimals"),
        pytest.param(
            b"Retry-After: 5\r\nRetry-After: 20", [20, 20, 20], id="two-headers"
        ),
        pytest.param(
            b"Date: Sat, 21 Nov 2026 13:00:00 GMT\r\nRetry-After: "
            b"Sat, 21 Nov 2026 13:00:09 GMT",
            [9, 9, 9],
            id="by-its-own-clock",
        ),
        pytest.param(
            b"Date: Sat, 21 Nov 99999 13:00:00 GMT\r\nRetry-After: 7",
            [7, 7, 7],
            id="date-of-a-huge-year",
        ),
    ],
)
def test_a_wait_is_as_long_as_asked_and_as_the_back_off(
    status: int, header: bytes, slept: list[float]
) -> None:
    """Whatever Retry-After says: the longer of two counts, nonsense is no wish."""
    refused = b"HTTP/1.1 %d No\r\nContent-Length: 0\r\n%b\r\n\r\n" % (status, header)

    def play(talk: Talk) -> None:
        for said in (refused, refused, refused, ANSWER):
            talk.read()
            talk.send(said)

    moment = Time()
    with RawServer(play) as server:
        asker = fake(server.url, moment)
        ask(asker)
        asker.close()

    assert moment.slept == slept


ANSWER = b'HTTP/1.1 200 OK\r\nContent-Length: 18\r\n\r\n{"results": [[1]]}'
BUSY = b"HTTP/1.1 503 Busy\r\nRetry-After: 600\r\nContent-Length: 0\r\n\r\n"
LIMIT = b"HTTP/1.1 429 Slow\r\nRetry-After: 600\r\nContent-Length: 0\r\n\r\n"
DENIED = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"


def fake(url: str, moment: Time, **more: object) -> Client:
    """Make a client of some server, that waits in no time."""
    given = {"base_url": url, "request_timeout_seconds": 20, **more}
    return Client(settings(**given), clock=moment, sleep=moment.sleep, rng=lambda: 1.0)


def parsed(body: bytes) -> bytes:
    """Take any body."""
    return body


QUESTION = Request(method="POST", path="/one/", body=b"{}")


def playing(*acts: bytes | None) -> Callable[[Talk], None]:
    """Play one act for each request, over all connections; None: say nothing."""
    left = list(acts)

    def play(talk: Talk) -> None:
        while talk.read():
            act = left.pop(0) if left else ANSWER
            if act is None:
                talk.hang()
            else:
                talk.send(act)

    return play


def test_a_query_that_times_out_twice_is_too_much() -> None:
    """Once may be bad luck; twice in a row less is asked for, as after a 504."""
    moment = Time()
    with RawServer(playing(None, None)) as server:
        asker = fake(server.url, moment, request_timeout_seconds=2)
        with pytest.raises(errors.TooHeavyError, match="request_timeout_seconds"):
            asker.call(QUESTION, parsed)
        assert moment.slept == [1]
        assert asker.call(QUESTION, parsed)  # and a smaller one goes on
        asker.close()


@pytest.mark.parametrize(
    ("acts", "divisible", "slept"),
    [
        pytest.param([None, BUSY, None], True, [1, 600, 4], id="not-in-a-row"),
        pytest.param([None, None, None], False, [1, 2, 4], id="cannot-be-cut"),
        pytest.param([None, b"", None], True, [1, 2, 4], id="broken-in-between"),
    ],
)
def test_a_time_out_is_tried_again(
    acts: list[bytes | None],
    divisible: bool,  # noqa: FBT001 - a parameter
    slept: list[float],
) -> None:
    """Where less cannot be asked for, or other things went wrong in between."""
    moment = Time()

    def play(talk: Talk) -> None:
        while acts and talk.read():
            if (act := acts.pop(0)) is None:
                talk.hang()
            elif not act:
                return
            else:
                talk.send(act)
        while talk.read():
            talk.send(ANSWER)

    with RawServer(play) as server:
        asker = fake(server.url, moment, request_timeout_seconds=2)
        assert asker.call(QUESTION, parsed, divisible=divisible)
        asker.close()

    assert moment.slept == slept


@pytest.mark.parametrize(
    "first",
    [
        pytest.param(BUSY, id="waits-for-a-fault"),
        pytest.param(LIMIT, id="waits-for-a-limit"),
        pytest.param(None, id="in-flight"),
        pytest.param(ANSWER[:-5], id="in-the-middle-of-an-answer"),
    ],
)
def test_the_first_cause_is_what_everybody_hears(first: bytes | None) -> None:
    """A page that waits ends at once when another is refused, with that refusal."""
    there = threading.Event()

    def play(talk: Talk) -> None:
        while head := talk.read():
            if head.startswith(b"POST /two/"):
                talk.send(DENIED)
                continue
            talk.send(first or b"")
            there.set()
            if first not in {BUSY, LIMIT}:
                talk.hang()

    began = time.monotonic()
    with RawServer(play) as server, ThreadPoolExecutor(2) as pool:
        asker = Client(settings(base_url=server.url, max_concurrent_queries=2))
        waiting = pool.submit(asker.call, QUESTION, parsed)
        there.wait(60)
        time.sleep(0.2)
        # A limit holds the other one too: it was on its way before.
        two = Request(method="POST", path="/two/", body=b"{}")
        if first == LIMIT:
            asker.stop(errors.AuthError("does not know the API key (401)"))
        else:
            refused = pool.submit(asker.call, two, parsed)
            assert isinstance(refused.exception(60), errors.AuthError)
        cause = waiting.exception(60)
        asker.close()

    assert isinstance(cause, errors.AuthError)
    assert "does not know the API key (401)" in str(cause)
    assert time.monotonic() - began < 50


def test_a_bug_in_one_thread_does_not_keep_the_others_waiting() -> None:
    """Whatever ends a run ends its waits."""

    class OopsError(Exception):
        pass

    def broken(_: bytes) -> None:
        raise OopsError

    def play(talk: Talk) -> None:
        while head := talk.read():
            talk.send(ANSWER if head.startswith(b"POST /two/") else BUSY)

    with RawServer(play) as server, ThreadPoolExecutor(2) as pool:
        asker = Client(settings(base_url=server.url))
        waiting = pool.submit(asker.call, QUESTION, parsed)
        while not asker.traffic.waits:
            time.sleep(0.01)
        with pytest.raises(OopsError):
            asker.call(Request(method="POST", path="/two/", body=b"{}"), broken)

        assert isinstance(waiting.exception(60), OopsError)
        asker.close()


def test_a_longer_limit_counts_for_who_already_waits() -> None:
    """Told to wait one second, and meanwhile another thread six: nobody asks before."""
    moment = Time()
    told = [6.0, 9.5, 4.0]

    def sleep(seconds: float) -> None:
        moment.sleep(seconds)
        if told:
            waits.close_until(told.pop(0))

    waits = Waits(Traffic(), clock=moment, sleep=sleep)
    waits.close_until(1.0)
    waits.until_open()

    assert moment.slept == [1.0, 5.0, 3.5]


@pytest.mark.parametrize(
    ("question", "odd"),
    [
        pytest.param(hogql.Clock(), b"[]", id="no-clock"),
        pytest.param(hogql.Clock(), b"[[]]", id="no-time"),
        pytest.param(hogql.Clock(), b'[["soon"]]', id="no-instant"),
        pytest.param(hogql.Clock(), b"[[null]]", id="null"),
        pytest.param(hogql.Clock(), b'[{"now": 1}]', id="objects"),
        pytest.param(hogql.Clock(), b"[[1], [2]]", id="two-clocks"),
        pytest.param(hogql.Distinct(ALL), b"[]", id="no-count"),
        pytest.param(hogql.Distinct(ALL), b"[[true]]", id="no-number"),
        pytest.param(hogql.Hours(ALL, DAY), b"[[[[1]]]]", id="no-pair"),
        pytest.param(hogql.Hours(ALL, DAY), b"[]", id="no-hours"),
        pytest.param(hogql.Histogram(ALL, DAY, 9), b"[[1]]", id="no-rows"),
        pytest.param(hogql.Extent((ALL,)), b"[[0, 1, null, null]]", id="no-ends"),
        pytest.param(hogql.Extent((ALL,), DAY), EXTENT, id="no-now"),
    ],
)
def test_an_odd_answer_to_a_small_question_is_asked_for_again(
    question: hogql.Question, odd: bytes
) -> None:
    """It is not PostHog's: no traceback, and nothing is made of it."""
    good = {
        "clock": b'[["2026-11-21T10:00:00Z"]]',
        "audit": b"[[3]]",
        "recheck": b"[[[[1, 2], [3, 4]]]]",
        "histogram": b"[[5, 6]]",
        "extent": EXTENT.replace(b"]]", b', "2026-11-21T10:00:00Z", "more"]]'),
    }[question.label]
    moment = Time()

    def body(results: bytes) -> bytes:
        sent = b'{"results": %b}' % results
        return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(sent), sent)

    with RawServer(playing(body(odd), body(odd), body(good))) as server:
        asker = fake(server.url, moment)
        found = QuerySource(asker, "1").ask(question)
        asker.close()

    assert found
    assert moment.slept == [1, 2]


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

    def parse(_: bytes) -> None:
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


@pytest.mark.parametrize(
    ("action", "times", "seconds"),
    [
        pytest.param("524", 6, 60, id="cloudflares-time"),
        pytest.param("hang:20", 2, 4, id="its-own-time"),
    ],
)
def test_what_is_too_slow_is_read_in_smaller_parts(
    sandbox: Sandbox,
    action: str,
    times: int,
    seconds: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A gateway's time limit and the tap's own one cost requests, and no event."""
    sandbox.sql(
        "insert into events (uuid, event, distinct_id, timestamp, created_at, "
        "properties) select generateUUIDv4(), 'e', 'u', toDateTime64('2026-01-01', 6) "
        "+ number, toDateTime64('2026-01-02', 6), '{}' from numbers(200)"
    )
    rule = {"path": "/query/", "skip": 1, "times": times, "actions": [action]}
    sandbox.fault(rule | {"share": 1})

    with caplog.at_level(logging.INFO, "tap-posthog"):
        outcome = run_here(config(sandbox, request_timeout_seconds=seconds))

    assert len(outcome.uuids) == len({*outcome.uuids}) == 200
    assert "in smaller parts" in caplog.text
    assert "waiting" not in caplog.text
