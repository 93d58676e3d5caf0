"""The control paths answer what makes no sense, and go on."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
import requests
from starlette.applications import Starlette
from starlette.routing import Route

from sandbox.journal import Journal
from tests.support.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import Message


@pytest.fixture(scope="module")
def both() -> Iterator[Sandbox]:
    """Start both sides once."""
    with Sandbox("both") as sandbox:
        yield sandbox


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        pytest.param("PUT", "faults", b'{"rules": [{"path": "("}]}', id="expression"),
        pytest.param("PUT", "faults", b'{"rules": [{"actions": ["6"]}]}', id="action"),
        pytest.param("PUT", "faults", b'{"rules": [{"actions": ["hang:x"]}]}', id="s"),
        pytest.param("PUT", "faults", b"nonsense", id="faults-no-json"),
        pytest.param("POST", "posthog/sql", b"nonsense", id="sql-no-json"),
        pytest.param("POST", "posthog/sql", b"[]", id="sql-no-object"),
        pytest.param("POST", "posthog/sql", b"{}", id="sql-without-sql"),
        pytest.param("POST", "posthog/sql", b'{"sql": 1}', id="sql-no-text"),
        pytest.param("POST", "posthog/sql", b'{"sql": "\xff"}', id="sql-no-utf-8"),
        pytest.param("POST", "posthog/sql", b'{"sql": "selec 1"}', id="sql-wrong"),
        pytest.param("PATCH", "posthog/behaviour", b"nonsense", id="switch-no-json"),
        pytest.param("PATCH", "posthog/behaviour", b"[1]", id="switch-no-object"),
        pytest.param("PATCH", "posthog/behaviour", b'{"a": 1}', id="no-such-switch"),
        pytest.param(
            "PATCH", "posthog/behaviour", b'{"project_timezone": "A/B"}', id="timezone"
        ),
        pytest.param(
            "PATCH", "posthog/behaviour", b'{"clock_offset_seconds": 1e99}', id="clock"
        ),
        pytest.param("POST", "patterns/sql", b"\xff", id="patterns-no-utf-8"),
        pytest.param("POST", "patterns/sql", b"[]", id="patterns-no-object"),
    ],
)
def test_a_bad_control_request_is_a_400_and_nothing_else(
    both: Sandbox, method: str, path: str, body: bytes
) -> None:
    """It says what is wrong, and the next request on that connection is answered."""
    with requests.Session() as session:
        bad = session.request(
            method, f"{both.url}/sandbox/{path}", data=body, timeout=60
        )
        good = session.get(f"{both.url}/sandbox/posthog/behaviour", timeout=60)

    assert bad.status_code == 400
    assert bad.json()["error"]
    assert good.status_code == 200


def test_a_defect_of_the_sandbox_leaves_the_connection() -> None:
    """A 500 that nobody foresaw is noted, and not raised to the server."""
    sent: list[Message] = []

    async def broken(_: Request) -> Response:
        msg = "a defect"
        raise RuntimeError(msg)

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "http.request", "body": b""}

    journal = Journal(Starlette(routes=[Route("/x", broken)]))
    scope = {"type": "http", "method": "GET", "path": "/x", "headers": []}

    asyncio.run(journal(scope, receive, send))

    assert sent[0]["status"] == journal.entries[0]["status"] == 500


def test_rows_can_be_deleted(sandbox: Sandbox) -> None:
    """A deletion is carried out at once, though nothing else is merged."""
    for event in ("a", "a", "b"):
        sandbox.sql(f"insert into events (event) values ('{event}')")  # noqa: S608 - a test's own

    sandbox.sql("alter table events delete where event = 'a'")

    assert sandbox.sql("select event from events") == [["b"]]
