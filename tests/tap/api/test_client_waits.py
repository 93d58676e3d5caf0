"""How the client waits, gives up and stops, at servers that a script plays."""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from tap_posthog import errors
from tap_posthog.api.client import Client
from tap_posthog.api.retry import Waits
from tap_posthog.api.transport import Request, Response
from tap_posthog.events.query import questions
from tap_posthog.events.query.endpoint import QuerySource
from tap_posthog.events.region import Region
from tap_posthog.progress import Traffic
from tests.support.raw import RawServer
from tests.tap.api.test_client import Time, ask
from tests.tap.running import config, run_here, settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.raw import Talk
    from tests.support.sandbox import Sandbox

ALL, DAY = Region(), timedelta(days=1)
EXTENT = b'[[0, 1, "2026-11-21T10:00:00Z", "2026-11-21T10:00:00Z"]]'
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


def parsed(response: Response) -> bytes:
    """Take any body."""
    return response.body


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

    def broken(_: Response) -> None:
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
        pytest.param(questions.Clock(), b"[]", id="no-clock"),
        pytest.param(questions.Clock(), b"[[]]", id="no-time"),
        pytest.param(questions.Clock(), b'[["soon"]]', id="no-instant"),
        pytest.param(questions.Clock(), b"[[null]]", id="null"),
        pytest.param(questions.Clock(), b'[{"now": 1}]', id="objects"),
        pytest.param(questions.Clock(), b"[[1], [2]]", id="two-clocks"),
        pytest.param(questions.Distinct(ALL), b"[]", id="no-count"),
        pytest.param(questions.Distinct(ALL), b"[[true]]", id="no-number"),
        pytest.param(questions.Hours(ALL, DAY), b"[[[[1]]]]", id="no-pair"),
        pytest.param(questions.Hours(ALL, DAY), b"[]", id="no-hours"),
        pytest.param(questions.Histogram(ALL, DAY, 9), b"[[1]]", id="no-rows"),
        pytest.param(questions.Extent((ALL,)), b"[[0, 1, null, null]]", id="no-ends"),
        pytest.param(questions.Extent((ALL,), DAY), EXTENT, id="no-now"),
    ],
)
def test_an_odd_answer_to_a_small_question_is_asked_for_again(
    question: questions.Question, odd: bytes
) -> None:
    """It is not PostHog's: no traceback, and nothing is made of it."""
    good = {
        "Clock": b'[["2026-11-21T10:00:00Z"]]',
        "Distinct": b"[[3]]",
        "Hours": b"[[[[1, 2], [3, 4]]]]",
        "Histogram": b"[[5, 6]]",
        "Extent": EXTENT.replace(b"]]", b', "2026-11-21T10:00:00Z", "more"]]'),
    }[type(question).__name__]
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
