"""No secret in any output, on any path: canaries are set, and looked for everywhere."""

from __future__ import annotations

import base64
import json
import socket
from typing import TYPE_CHECKING

import pytest

from tests.support import certificate
from tests.support.receiver import Receiver, Reply
from tests.target.process import Ended, run, singer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PATH = "pathcanary"
QUERY = "querycanary"
HEADER = "headercanary"
SIGNING = base64.b64encode(b"signingcanary-signingcanary").decode()
BODY = "recordcanary"
ECHO = f"no /hooks/{PATH}?k={QUERY} for {HEADER} whsec_{SIGNING}".encode()


def secret_config(url: str) -> dict[str, object]:
    """Return a configuration in which every secret is a canary."""
    return {
        "webhook_url": f"{url}/hooks/{PATH}?k={QUERY}",
        "headers": {"Authorization": f"Bearer {HEADER}"},
        "signing_secret": f"whsec_{SIGNING}",
        "max_retry_seconds": 0,
        "timeout_seconds": 1,
    }


def assert_nothing_shows(ended: Ended, *files: Path) -> None:
    """Look for each canary in all that was written."""
    texts = [ended.stdout.decode(), ended.stderr]
    for canary in (PATH, QUERY, HEADER, SIGNING):
        texts += [file.read_text() for file in files if file.exists()]
        assert [canary in text for text in texts] == [False] * len(texts), ended.stderr
    assert BODY not in ended.stderr
    assert "Traceback" not in ended.stderr


FAILURES = [
    pytest.param(Reply(status, body=ECHO), id=str(status))
    for status in (400, 401, 403, 404, 410, 413, 418, 500)
] + [
    pytest.param(
        Reply(308, {"Location": f"https://elsewhere.example/{PATH}"}, ECHO),
        id="redirect",
    ),
    pytest.param(Reply(429, {"Retry-After": "9999"}, ECHO), id="429"),
    pytest.param("reset", id="reset"),
    pytest.param("accept-cut", id="cut"),
    pytest.param("hang:5", id="hang"),
    pytest.param(Reply(200, {"Bad\x00Header": PATH}, ECHO), id="bad-header"),
]


@pytest.mark.parametrize("reply", FAILURES)
def test_no_failure_shows_a_secret(tmp_path: Path, reply: Reply | str) -> None:
    """Whatever the receiver does or echoes, at debug level, no canary comes out."""
    with Receiver(judge=lambda _request: reply) as receiver:
        config = secret_config(f"http://127.0.0.1:{receiver.port}")
        given = singer(range(3), pad=BODY)
        ended = run(tmp_path, config, given, env={"LOGLEVEL": "DEBUG"})

    assert_nothing_shows(ended)
    assert (ended.code, bool(ended.error)) in {(1, True), (0, False)}


def test_dead_letters_show_no_secret(tmp_path: Path) -> None:
    """What a receiver echoes is kept with a refused record, its secrets are not."""
    letters = tmp_path / "letters.jsonl"
    echo = Reply(400, body=ECHO)
    with Receiver(judge=lambda r: echo if b'"id": 2' in r.body else None) as receiver:
        config = secret_config(f"http://127.0.0.1:{receiver.port}") | {
            "on_rejected": "dead_letter",
            "dead_letter_path": str(letters),
        }
        given = singer(range(5), pad=BODY)
        ended = run(tmp_path, config, given, env={"LOGLEVEL": "DEBUG"})

    assert_nothing_shows(ended, letters)
    assert ended.code == 0, ended.stderr
    assert [json.loads(x)["record"]["id"] for x in letters.read_text().split("\n")[:-1]]


@pytest.fixture
def untrusted(tmp_path: Path) -> Iterator[Receiver]:
    """Give a receiver whose certificate nobody has signed."""
    context, _ = certificate.make(tmp_path)
    with Receiver(tls=context) as receiver:
        yield receiver


def test_no_trouble_with_a_connection_shows_a_secret(
    tmp_path: Path, untrusted: Receiver
) -> None:
    """Neither a refused connection, nor an unknown host, nor a bad certificate does."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        closed = server.getsockname()[1]
    for url in (
        f"http://127.0.0.1:{closed}",
        "http://no-such-host.invalid",
        f"https://127.0.0.1:{untrusted.port}",
    ):
        given = singer(range(3), pad=BODY)
        ended = run(tmp_path, secret_config(url), given, env={"LOGLEVEL": "DEBUG"})

        assert_nothing_shows(ended)
        assert (ended.code, bool(ended.error)) == (1, True)
        assert ended.states == []
