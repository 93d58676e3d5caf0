"""One request of either program, against servers that misbehave."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tests.network.attempts import PROGRAMS, SECRET
from tests.support import certificate
from tests.support.raw import RawServer

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable
    from pathlib import Path

    from tests.network.attempts import Attempt
    from tests.support.raw import Play, Talk

    Program = Callable[..., Attempt]

both = pytest.mark.parametrize("program", PROGRAMS, ids=["tap", "target"])
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
TUNNELLED = b"HTTP/1.1 200 Connection established\r\n\r\n"
# Neither program may need as long as this for what has a deadline of one second.
LATE = 20


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, Path]:
    """Make a certificate for 127.0.0.1 that nobody trusts, and its authority's file."""
    return certificate.make(tmp_path_factory.mktemp("tls"))


def answering(*parts: bytes) -> Play:
    """Answer each request on a connection with the next part, then close."""

    def play(talk: Talk) -> None:
        for part in parts:
            talk.read()
            talk.send(part)

    return play


def after(start: bytes, dripped: bytes) -> Play:
    """Answer at once with the start, then drip the rest for ever."""

    def play(talk: Talk) -> None:
        talk.read()
        talk.send(start)
        talk.drip(dripped)

    return play


@both
@pytest.mark.parametrize(
    "play",
    [
        pytest.param(lambda talk: talk.hang(), id="nothing"),
        pytest.param(after(b"", b"H"), id="status-line"),
        pytest.param(after(b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n"), id="head"),
        pytest.param(after(b"HTTP/1.1 200 OK\r\nX-A: ", b"b"), id="one-header"),
        pytest.param(after(OK.replace(b": 2", b": 9999"), b"x"), id="body"),
        pytest.param(after(CHUNKED, b"1\r\nx\r\n"), id="chunks"),
        pytest.param(after(CHUNKED, b"0"), id="size-of-a-chunk"),
        pytest.param(after(CHUNKED + b"0\r\n", b"X-A: b\r\n"), id="trailers"),
        pytest.param(after(b"HTTP/1.1 200 OK\r\n\r\n", b"x"), id="until-it-closes"),
        pytest.param(after(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"), id="hints"),
        pytest.param(
            after(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", b"x"), id="closing"
        ),
    ],
)
def test_a_request_ends_at_its_deadline_whatever_drips(
    program: Program, play: Play
) -> None:
    """The time that was set is for all of a request, its answer included."""
    with RawServer(play) as server, closing(program(server.url, 1)) as attempt:
        began = time.monotonic()
        came = attempt()
        took = time.monotonic() - began

    assert came.what == "time-out"
    assert 0.9 < took < LATE


@both
@pytest.mark.parametrize("drips", [False, True])
def test_a_handshake_ends_at_the_deadline(program: Program, drips: bool) -> None:  # noqa: FBT001 - a parameter
    """A server that accepts and then says nothing, or little, holds no request up."""

    def play(talk: Talk) -> None:
        if drips:  # a TLS record that has no end
            talk.send(b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc")
            talk.drip(b"\x00")
        talk.hang()

    with RawServer(play) as server:
        url = server.url.replace("http:", "https:")
        with closing(program(url, 1)) as attempt:
            began = time.monotonic()
            came = attempt()
            took = time.monotonic() - began

    assert came.what == "time-out"
    assert took < LATE


@both
@pytest.mark.parametrize("start", [b"", TUNNELLED])
def test_a_proxy_that_drips_holds_no_request_up(
    program: Program, start: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither in its answer to CONNECT nor in the handshake behind it."""
    with RawServer(after(start, b"H")) as proxy:
        use_proxy(monkeypatch, https_proxy=proxy.url)
        with closing(program("https://posthog.example", 1)) as attempt:
            began = time.monotonic()
            came = attempt()
            took = time.monotonic() - began

    assert came.what in {"time-out", "proxy", "TLS", "connection broken"}
    assert took < LATE


def use_proxy(monkeypatch: pytest.MonkeyPatch, **variables: str) -> None:
    """Set the environment's proxies, and no others."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        for each in (name, name.upper()):
            monkeypatch.delenv(each, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


@both
def test_a_resolver_that_hangs_holds_no_request_up(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Looking up the name is part of the request's time, too."""
    asked = threading.Event()

    def slow(*_: object, **__: object) -> Any:  # noqa: ANN401
        asked.wait(60)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    with closing(program("http://posthog.example", 1)) as attempt:
        began = time.monotonic()
        came = attempt()
        took = time.monotonic() - began
    asked.set()

    assert came.what == "time-out"
    assert took < LATE


@both
def test_each_address_of_a_name_is_tried(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As long as there is time, one that is down is no reason to fail."""
    real = socket.getaddrinfo
    with (
        socket.create_server(("127.0.0.1", 0)) as closed,
        RawServer(answering(OK)) as server,
    ):
        port = closed.getsockname()[1]
        closed.close()

        def several(_host: str, wanted: int, **more: Any) -> Any:  # noqa: ANN401
            return [
                *real("127.0.0.1", port, **more),
                *real("127.0.0.1", wanted, **more),
            ]

        monkeypatch.setattr(socket, "getaddrinfo", several)
        with closing(program(f"http://posthog.example:{server.port}")) as attempt:
            assert attempt().what == "200"


@both
def test_an_address_of_ipv6_is_reached(program: Program) -> None:
    """Brackets around the host are part of the URL, not of the address."""
    with (
        RawServer(answering(OK), host="::1") as server,
        closing(program(server.url)) as attempt,
    ):
        assert attempt().what == "200"

    assert b"Host: [::1]:%d\r\n" % server.port in server.heads[0]


HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n"
PROCESSING = b"HTTP/1.1 102 Processing\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
RESUME = b"HTTP/1.1 104 Upload Resumption Supported\r\nX: y\r\n\r\n"


@both
@pytest.mark.parametrize(
    "interim",
    [
        pytest.param(CONTINUE, id="100"),
        pytest.param(PROCESSING, id="102"),
        pytest.param(HINTS, id="103"),
        pytest.param(RESUME, id="104"),
        pytest.param(b"HTTP/1.1 199 \r\n\r\n", id="unknown"),
        pytest.param(CONTINUE + HINTS + HINTS + PROCESSING, id="several"),
        pytest.param(PROCESSING * 500, id="many"),
    ],
)
def test_interim_answers_are_read_over(program: Program, interim: bytes) -> None:
    """What counts is the answer behind them, and the connection is kept."""
    refused = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"
    parts = (interim + OK, OK, interim + refused)
    with (
        RawServer(answering(*parts)) as server,
        closing(program(server.url)) as attempt,
    ):
        assert [attempt().what for _ in parts] == ["200", "200", "403"]

    assert len(server.talks) == 1


@both
@pytest.mark.parametrize(
    ("sent", "what"),
    [
        pytest.param(b"", "connection broken", id="nothing"),
        pytest.param(b"HTTP/1.1 20", "connection broken", id="status-line"),
        pytest.param(b"garbage\r\n\r\n", "connection broken", id="no-http"),
        pytest.param(b"HTTP/1.1 103 \r\n\r\n", "connection broken", id="only-hints"),
        pytest.param(OK[:-1], "answer cut off", id="body"),
        pytest.param(
            OK.replace(b": 2", b": 99999"), "answer cut off", id="length-too-large"
        ),
        pytest.param(CHUNKED, "answer cut off", id="before-a-chunk"),
        pytest.param(CHUNKED + b"5", "answer cut off", id="in-a-size"),
        pytest.param(CHUNKED + b"5\r\nab", "answer cut off", id="in-a-chunk"),
        pytest.param(CHUNKED + b"2\r\n{}\r\n", "answer cut off", id="between-chunks"),
        pytest.param(CHUNKED + b"zz\r\n{}\r\n", "answer cut off", id="size-no-number"),
        pytest.param(CHUNKED + b"-2\r\n{}\r\n", "answer cut off", id="size-negative"),
    ],
)
def test_an_answer_that_ends_early_is_none(
    program: Program, sent: bytes, what: str
) -> None:
    """Wherever it was cut, it is asked for again and nothing is made of it."""
    with RawServer(answering(sent)) as server, closing(program(server.url)) as attempt:
        came = attempt()

    assert (came.what, came.final) == (what, False)


@both
def test_bytes_behind_an_answer_are_not_the_next_one(program: Program) -> None:
    """A Content-Length that is too small costs the connection, and no answer."""
    parts = (OK + b"HTTP/1.1 500 Evil\r\nContent-Length: 0\r\n\r\n", OK)
    with (
        RawServer(answering(*parts)) as server,
        closing(program(server.url)) as attempt,
    ):
        found = []
        for _ in range(2):
            found.append(attempt().what)
            time.sleep(0.2)  # until the rest is there

    assert found == ["200", "200"]


@both
@pytest.mark.parametrize("phase", ["head", "body", "handshake", "lookup"])
def test_an_abort_ends_a_request_at_once(
    program: Program, phase: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From another thread, whatever it waits for; and no other request begins."""
    there, done = threading.Event(), threading.Event()

    def play(talk: Talk) -> None:
        if phase != "handshake":
            talk.read()
        if phase == "body":
            talk.send(OK.replace(b": 2", b": 99"))
        there.set()
        talk.hang()

    if phase == "lookup":

        def slow(*_: object, **__: object) -> Any:  # noqa: ANN401
            there.set()
            done.wait(60)
            return []

        monkeypatch.setattr(socket, "getaddrinfo", slow)
    with RawServer(play) as server:
        url = server.url.replace("http:", "https:" if phase == "handshake" else "http:")
        with closing(program(url, 50)) as attempt:

            def abort() -> None:
                there.wait(60)
                time.sleep(0.3)
                attempt.abort()

            thread = threading.Thread(target=abort)
            thread.start()
            began = time.monotonic()
            attempt()
            took = time.monotonic() - began
            thread.join()
            again = time.monotonic()
            attempt()
            done.set()

    assert took < LATE
    assert time.monotonic() - again < LATE


HEADS = st.sampled_from(
    [b"HTTP/1.1 200 OK\r\n", b"HTTP/1.0 200\r\n", b"HTTP/1.1 429 No\r\n", b"HTTP/9 1 "]
)
LINES = st.sampled_from(
    [
        b"Content-Length: 5\r\n",
        b"Content-Length: 5, 7\r\n",
        b"Content-Length: -1\r\n",
        b"Content-Length: \xb2\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Content-Encoding: gzip\r\n",
        b"Content-Encoding: deflate, br\r\n",
        b"Retry-After: \xb2\r\n",
        b"Date: Sat, 21 Nov 99999 12:00:00 GMT\r\n",
        b"Connection: close\r\n",
        b"Connection: keep-alive, close\r\n",
        b"Set-Cookie: a=b; expires=Sat, 99 Foo 99999\r\n",
        b"Location: https://[canary\r\n",
        b"Content-Type: \xff\x00\r\n",
        b"no colon\r\n",
        b" folded: x\r\n",
        b": empty\r\n",
    ]
)


@both
@hypothesis_settings(max_examples=60)
@given(
    head=HEADS,
    lines=st.lists(LINES, max_size=6),
    end=st.sampled_from([b"\r\n", b"\n", b""]),
    body=st.binary(max_size=40),
)
def test_no_answer_breaks_a_transport(
    program: Program, head: bytes, lines: list[bytes], end: bytes, body: bytes
) -> None:
    """Whatever a server writes, it is an answer, or a failure that has a name."""
    sent = head + b"".join(lines) + end + body
    with RawServer(answering(sent)) as server, closing(program(server.url)) as attempt:
        came = attempt()

    assert came.what
    assert SECRET not in came.words
