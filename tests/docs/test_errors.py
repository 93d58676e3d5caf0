"""What a user can get wrong about an account, a webhook or a file ends in one line.

Each row is one mistake, made with a real process. The settings' and the files' own
mistakes are in the tests of each program; here is what needs a network or both.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.support import certificate
from tests.support.receiver import Receiver, Reply
from tests.tap import running as tap
from tests.target import process as target

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.receiver import Request
    from tests.support.sandbox import Sandbox

CLOSED = "http://127.0.0.1:9"  # discard: nobody listens there
PROXY = {"http_proxy": CLOSED, "no_proxy": ""}


@pytest.fixture
def untrusted(tmp_path: Path) -> Iterator[tuple[Receiver, Path]]:
    """Give a server whose certificate nobody trusts, and its authority's file."""
    context, authority = certificate.make(tmp_path)
    with Receiver(tls=context) as receiver:
        yield receiver, authority


def lines(err: str) -> list[str]:
    """Return what is neither routine nor a metric, without time and level."""
    assert "Traceback" not in err
    return [
        re.sub(r"^\S+ \S+ \| (ERROR|WARNING) +\| [\w.-]+ +\| ", "", line)
        for line in err.splitlines()
        if "| INFO" not in line
    ]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        pytest.param(
            {"base_url": "https://eu.i.posthog.com"},
            'base_url: got "https://eu.i.posthog.com", which does not serve the API '
            "(use https://eu.posthog.com), takes https://us.posthog.com, "
            "https://eu.posthog.com or your own server's URL",
            id="ingestion-host",
        ),
        pytest.param(
            {"start_at": "yesterday"},
            'start_at: got "yesterday", which would be another time in each run, '
            "takes a date or time such as "
            '"2022-08-05T12:00:00" (UTC, or with an offset)',
            id="bad-date",
        ),
        pytest.param(
            {"start_at": "2999-01-01"},
            "start_at: 2999-01-01T00:00:00.000000Z is in the future, so no event would "
            "be sent; give a time that has passed",
            id="start-in-the-future",
        ),
        pytest.param(
            {"start_at": "2026-02-01", "end_at": "2026-01-01"},
            "end_at: 2026-01-01T00:00:00.000000Z is not after start_at, "
            "2026-02-01T00:00:00.000000Z, so no event would be sent",
            id="end-before-start",
        ),
    ],
)
def test_a_wrong_setting_is_told_by_the_command(
    tmp_path: Path, given: dict[str, Any], says: str
) -> None:
    """One line names the key, what it got and what it takes, and nothing is asked."""
    config = {"api_key": tap.API_KEY, "project_id": "1", "base_url": CLOSED}
    outcome = tap.run(tmp_path, config | given)

    assert (outcome.status, lines(outcome.err)) == (1, [says])


def test_an_old_server_is_told(sandbox: Sandbox, tmp_path: Path) -> None:
    """With `query` the one line names the setting that helps."""
    sandbox.behave(query_endpoint=False)
    outcome = tap.run(tmp_path, tap.config(sandbox, events_source="query"))

    says = (
        f"{sandbox.url} has no such endpoint (404). Check base_url; on an old "
        "self-hosted server set events_source to rest"
    )
    assert (outcome.status, lines(outcome.err)) == (1, [says])


def test_an_old_server_is_read_with_a_warning(sandbox: Sandbox, tmp_path: Path) -> None:
    """With `auto` a warning says what that API lacks."""
    sandbox.behave(query_endpoint=False)
    outcome = tap.run(tmp_path, tap.config(sandbox))

    says = (
        f"{sandbox.url} has no query endpoint: reading the deprecated events list, "
        "which shows no created_at"
    )
    assert (outcome.status, lines(outcome.err)) == (0, [says])


def test_the_taps_proxy_is_named(tmp_path: Path) -> None:
    """A proxy that is not there is told as such."""
    config = {
        "api_key": tap.API_KEY,
        "project_id": "1",
        "base_url": "http://posthog.example",
        "max_wait_seconds": 0,
    }
    outcome = tap.run(tmp_path, config, env=PROXY)

    says = (
        "http://posthog.example cannot be reached: the proxy that http_proxy names did "
        "not connect. Check base_url, the network and the proxy settings"
    )
    assert (outcome.status, lines(outcome.err)) == (1, [says])


def test_the_servers_certificate_is_named(
    tmp_path: Path, untrusted: tuple[Receiver, Path]
) -> None:
    """A certificate of one's own is told with the variable that helps."""
    url = f"https://127.0.0.1:{untrusted[0].port}"
    config = {"api_key": tap.API_KEY, "project_id": "1", "base_url": url}
    outcome = tap.run(tmp_path, config)

    says = (
        f"{url}: the server's certificate is not trusted. Check base_url; for a "
        "certificate of your own set REQUESTS_CA_BUNDLE to its file"
    )
    assert (outcome.status, lines(outcome.err)) == (1, [says])


@pytest.mark.parametrize(
    ("status", "says"),
    [
        pytest.param(
            404,
            "The webhook answered 404 Not Found. Check webhook_url: there is no "
            "webhook at this address.",
            id="wrong-url",
        ),
        pytest.param(
            410,
            "The webhook answered 410 Gone. The webhook was removed: make a new one "
            "and set webhook_url to it.",
            id="gone",
        ),
        pytest.param(
            401,
            "The webhook answered 401 Unauthorized. Check webhook_url, and headers if "
            "the receiver wants a token.",
            id="no-token",
        ),
        pytest.param(
            302,
            "The webhook answered 302 Found, which leads to https://elsewhere.example. "
            "Redirects are never followed: set webhook_url to the address that it "
            "leads to.",
            id="moved",
        ),
    ],
)
def test_a_wrong_webhook_is_one_line(tmp_path: Path, status: int, says: str) -> None:
    """It says what the address answered, and where to look; no state comes out."""
    headers = {"Location": "https://elsewhere.example/canary"} if status == 302 else {}
    with Receiver(judge=lambda _: Reply(status, headers)) as receiver:
        ended = target.run(
            tmp_path, {"webhook_url": receiver.url}, target.singer(range(3))
        )

    assert (ended.code, ended.states) == (1, [])
    assert lines(ended.stderr) == [says]


def test_the_receivers_certificate_is_named(
    tmp_path: Path, untrusted: tuple[Receiver, Path]
) -> None:
    """A private authority is told with the variable that helps, and it does help."""
    receiver, authority = untrusted
    config = {"webhook_url": f"https://127.0.0.1:{receiver.port}/canary"}
    given = target.singer(range(3))
    refused = target.run(tmp_path, config, given)
    helped = target.run(
        tmp_path, config, given, env={"REQUESTS_CA_BUNDLE": str(authority)}
    )

    (line,) = lines(refused.stderr)
    assert (refused.code, refused.states) == (1, [])
    assert line.startswith("The webhook's certificate is not trusted: ")
    assert line.endswith(
        " Check webhook_url; for a private authority set REQUESTS_CA_BUNDLE."
    )
    assert (helped.code, helped.states) == (0, [{"upto": 2}])


def test_the_targets_proxy_is_named(tmp_path: Path) -> None:
    """A proxy that is not there is told as such, when retrying has not helped."""
    config = {"webhook_url": "http://hooks.invalid/canary", "max_retry_seconds": 0}
    ended = target.run(tmp_path, config, target.singer(range(3)), env=PROXY)

    assert (ended.code, ended.states) == (1, [])
    assert ended.error.startswith("The connection to the webhook failed (proxy).")
    assert ended.error.endswith(
        "Run again when the receiver is back: it resumes at the last state."
    )
    assert "canary" not in ended.stderr


def test_a_full_disk_under_the_dead_letters_is_one_line(tmp_path: Path) -> None:
    """A refused record that cannot be put aside stops the run; its state stays."""

    def judge(request: Request) -> Reply:
        return Reply(422 if {"id": 1, "pad": ""} in request.records else 200)

    with Receiver(judge=judge) as receiver:
        config = {
            "webhook_url": receiver.url,
            "batch_size_rows": 1,
            "max_parallel_requests": 1,
            "on_rejected": "dead_letter",
            "dead_letter_path": "/dev/full",
        }
        ended = target.run(tmp_path, config, target.singer(range(3), every=1))

    assert (ended.code, ended.states) == (1, [{"upto": 0}])
    says = (
        "/dev/full cannot be written (No space left on device). Make room or set "
        "another dead_letter_path, then run again."
    )
    assert lines(ended.stderr) == [says]


def test_a_single_record_that_is_too_large_is_a_refused_one(tmp_path: Path) -> None:
    """413 for one record alone stops the run, or is a dead letter."""

    def judge(request: Request) -> Reply:
        return Reply(413 if {"id": 1, "pad": ""} in request.records else 200)

    letters = tmp_path / "letters.jsonl"
    with Receiver(judge=judge) as receiver:
        config = {"webhook_url": receiver.url}
        kept = config | {"on_rejected": "dead_letter", "dead_letter_path": str(letters)}
        stopped = target.run(tmp_path, config, target.singer(range(8)))
        went_on = target.run(tmp_path, kept, target.singer(range(8)))

    assert (stopped.code, stopped.states) == (1, [])
    assert "refused 1 of 8 records of a batch of stream 's' with 413" in stopped.error
    assert (went_on.code, went_on.states) == (0, [{"upto": 7}])
    assert [
        json.loads(line)["status"] for line in letters.read_text().splitlines()
    ] == [413]
