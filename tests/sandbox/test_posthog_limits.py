"""PostHog's keys, quotas and limits, each with the answer that a client meets."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
import requests

if TYPE_CHECKING:
    from tests.support.sandbox import Sandbox

MANY = """
insert into events (event, distinct_id, timestamp)
select 'e', toString(number), toDateTime64('2026-01-01 00:00:00', 6, 'UTC') + number
from numbers(300000)
"""


@pytest.mark.parametrize(
    ("key", "project", "status", "kind", "detail"),
    [
        pytest.param(
            "phx_wrong", "1", 401, "authentication_error", "is invalid", id="unknown"
        ),
        pytest.param(
            "phc_sandbox", "1", 401, "authentication_error", "is invalid", id="token"
        ),
        pytest.param(
            "phx_noscope",
            "1",
            403,
            "authentication_error",
            "missing required scope 'query:read'",
            id="scope",
        ),
        pytest.param(
            "phx_other",
            "1",
            403,
            "authentication_error",
            "does not have access to the requested project: ID 1",
            id="other-project",
        ),
        pytest.param(
            "phx_sandbox",
            "7",
            404,
            "invalid_request",
            "Project not found",
            id="project",
        ),
        pytest.param(
            "phx_sandbox", "a", 404, "invalid_request", "Project not found", id="no-id"
        ),
    ],
)
def test_who_may_not_ask_is_told_why(  # noqa: PLR0913, PLR0917 - a table
    sandbox: Sandbox, key: str, project: str, status: int, kind: str, detail: str
) -> None:
    """The query endpoint and the events list say the same."""
    query = sandbox.post_query("select 1", key=key, project=project)
    listed = requests.get(
        f"{sandbox.url}/api/projects/{project}/events/",
        headers={"Authorization": f"Bearer {key}"},
        timeout=60,
    )

    for answer in (query, listed):
        assert answer.status_code == status
        assert answer.json()["type"] == kind
        assert detail in answer.json()["detail"]


def test_a_request_without_a_key_is_a_401(sandbox: Sandbox) -> None:
    """It says that there is none, not that it is wrong."""
    answer = requests.post(f"{sandbox.url}/api/projects/1/query/", json={}, timeout=60)

    assert answer.status_code == 401
    assert answer.json()["code"] == "not_authenticated"


def test_an_organisation_without_quota_gets_402(sandbox: Sandbox) -> None:
    """Waiting does not help there."""
    sandbox.behave(org_quota_exceeded=True)

    answer = sandbox.post_query("select 1")

    assert answer.status_code == 402
    assert answer.json()["code"] == "api_queries_quota_exceeded"


@pytest.mark.parametrize("span", ["per_minute", "per_hour"])
@pytest.mark.parametrize("header", [True, False])
def test_one_request_too_many_is_a_429(
    sandbox: Sandbox,
    span: str,
    header: bool,  # noqa: FBT001 - a table
) -> None:
    """It says how long to wait, in words and, unless switched off, in a header."""
    sandbox.behave(**{span: 2}, retry_after=header)
    statuses = [sandbox.post_query("select 1").status_code for _ in range(2)]

    refused = sandbox.post_query("select 1")

    assert statuses == [200, 200]
    assert refused.status_code == 429
    body = refused.json()
    assert (body["type"], body["code"]) == ("throttled_error", "throttled")
    wait = int(body["detail"].split("available in ")[1].split()[0])
    assert 0 < wait <= {"per_minute": 60, "per_hour": 3600}[span]
    assert refused.headers.get("Retry-After") == (str(wait) if header else None)


def test_the_read_budget_is_debited_by_the_bytes_read(sandbox: Sandbox) -> None:
    """What is used up comes back with time, and the header says when."""
    sandbox.sql(MANY)
    query = "select count() from events where distinct_id != '' limit 1"
    sandbox.behave(read_budget_bytes=1_000_000, read_budget_refill_per_second=1_000_000)

    first = sandbox.post_query(query)
    refused = sandbox.post_query(query)
    wait = int(refused.headers["Retry-After"])
    read = sandbox.requests()[0]["bytes_read"]
    time.sleep(wait)
    again = sandbox.post_query(query)

    assert first.json()["results"] == [[300000]]
    assert refused.status_code == 429
    assert "read budget" in refused.json()["detail"]
    assert wait <= read // 1_000_000 + 1
    assert again.status_code == 200


def test_three_queries_run_at_once_and_a_fourth_waits(sandbox: Sandbox) -> None:
    """Who waits too long gets a 429 without Retry-After."""
    sandbox.behave(latency_seconds=3, queue_seconds=0.3)
    with ThreadPoolExecutor(4) as crew:
        answers = list(crew.map(sandbox.post_query, ["select 1"] * 4))
    sandbox.behave(queue_seconds=30, latency_seconds=0.2)
    with ThreadPoolExecutor(4) as crew:
        patient = list(crew.map(sandbox.post_query, ["select 1"] * 4))

    refused = [answer for answer in answers if answer.status_code == 429]
    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 429]
    assert "Too many queries are running right now" in refused[0].json()["detail"]
    assert "Retry-After" not in refused[0].headers
    assert [answer.status_code for answer in patient] == [200] * 4
    assert max(entry["in_flight"] for entry in sandbox.requests()) == 4


def test_a_query_that_takes_too_long_is_a_504(sandbox: Sandbox) -> None:
    """ClickHouse itself gives it up."""
    sandbox.sql(MANY)
    sandbox.behave(execution_seconds=0.001)

    answer = sandbox.post_query(
        "select uniqExact(concat(distinct_id, toString(uuid))) from events limit 1"
    )

    assert answer.status_code == 504
    assert answer.json()["type"] == "server_error"
    assert answer.json()["detail"].startswith("Query has hit the max execution time")


def test_a_query_that_reads_too_many_rows_is_a_504(sandbox: Sandbox) -> None:
    """The same answer, without depending on how fast the machine is."""
    sandbox.sql(MANY)
    sandbox.behave(execution_rows=200_000)
    query = "select count() from events where {} limit 1"

    whole = sandbox.post_query(query.format("distinct_id != ''"))
    part = sandbox.post_query(query.format("timestamp < '2026-01-02 00:00:00'"))

    assert whole.status_code == 504
    assert part.json()["results"] == [[86400]]


def test_the_requests_made_are_known(sandbox: Sandbox) -> None:
    """With the rows and bytes that ClickHouse read, and what came of it."""
    sandbox.sql(MANY)
    sandbox.post_query("select event from events limit 5")
    sandbox.post_query("select nothing from events")

    good, bad = sandbox.requests()

    assert good["path"] == "/api/projects/1/query/"
    assert (good["method"], good["status"], good["rows"]) == ("POST", 200, 5)
    assert good["hogql"] == "select event from events limit 5"
    assert good["rows_read"] > 0
    assert good["bytes_read"] > 0
    assert good["seconds"] > 0
    assert (bad["status"], bad["rows"]) == (400, None)
    sandbox.forget_requests()
    assert sandbox.requests() == []


@pytest.mark.parametrize(
    "patch",
    [
        pytest.param({"speed": 1}, id="unknown"),
        pytest.param({"limit_max": "many"}, id="type"),
        pytest.param({"project_timezone": "Mars/Olympus"}, id="zone"),
    ],
)
def test_a_switch_that_is_not_there_is_refused(
    sandbox: Sandbox, patch: dict[str, object]
) -> None:
    """A test that turns the wrong switch must not pass for the wrong reason."""
    with pytest.raises(AssertionError):
        sandbox.behave(**patch)


def test_reset_forgets_everything(sandbox: Sandbox) -> None:
    """The next test finds nothing of this one."""
    sandbox.sql(MANY)
    sandbox.behave(limit_max=1, per_minute=1)
    sandbox.fault({"path": "query"})
    sandbox.post_query("select 1")

    sandbox.reset()

    assert sandbox.requests() == []
    assert sandbox.hogql("select count() from events limit 1") == [[0]]
    assert sandbox.post_query("select 1").status_code == 200
