"""Faults on purpose are what a client really meets on its socket."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
import requests

if TYPE_CHECKING:
    from tests.support.sandbox import Sandbox

INSERT = "insert into events (event, properties) select 'e', repeat('x', 1000) from {}"


def ask(sandbox: Sandbox) -> int | str:
    """Ask once: the status, or the name of what the socket met."""
    try:
        return sandbox.post_query("select 1").status_code
    except requests.RequestException as exc:
        return type(exc).__name__


@pytest.mark.parametrize(
    ("action", "status", "retry_after"),
    [
        pytest.param("503", 503, None, id="503"),
        pytest.param("512", 512, None, id="512"),
        pytest.param("524", 524, None, id="524"),
        pytest.param("429", 429, None, id="429"),
        pytest.param("429:2", 429, "2", id="429-retry-after"),
    ],
)
def test_a_status_is_answered_instead(
    sandbox: Sandbox, action: str, status: int, retry_after: str | None
) -> None:
    """With Retry-After where the action names seconds."""
    sandbox.fault({"path": "query", "actions": [action]})

    answer = sandbox.post_query("select 1")

    assert answer.status_code == status
    assert answer.headers.get("Retry-After") == retry_after


def test_a_reset_is_a_reset(sandbox: Sandbox) -> None:
    """The client sees ECONNRESET, not an orderly end."""
    sandbox.fault({"path": "query", "actions": ["reset"]})

    with pytest.raises(requests.ConnectionError, match="reset by peer"):
        sandbox.post_query("select 1")

    assert sandbox.requests()[0]["status"] is None


def test_a_hang_holds_the_client_and_then_breaks(sandbox: Sandbox) -> None:
    """Nothing comes, until the connection is gone."""
    sandbox.fault({"path": "query", "actions": ["hang:0.5"]})
    started = time.monotonic()

    with pytest.raises(requests.ConnectionError):
        sandbox.post_query("select 1")

    assert time.monotonic() - started >= 0.5


def test_a_cut_answer_ends_half_way(sandbox: Sandbox) -> None:
    """The header says how long it should have been."""
    sandbox.sql(INSERT.format("numbers(100)"))
    sandbox.fault({"path": "query", "actions": ["cut"]})

    with pytest.raises(
        requests.exceptions.ChunkedEncodingError, match="IncompleteRead"
    ):
        sandbox.post_query("select properties from events")


def test_garbage_is_a_page_with_status_200(sandbox: Sandbox) -> None:
    """As a proxy in between answers."""
    sandbox.fault({"path": "query", "actions": ["garbage"]})

    answer = sandbox.post_query("select 1")

    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/html"


def test_slowness_comes_before_a_true_answer(sandbox: Sandbox) -> None:
    """The answer is whole, and late."""
    sandbox.fault({"path": "query", "actions": ["slow:0.5"]})
    started = time.monotonic()

    assert sandbox.hogql("select 1") == [[1]]
    assert time.monotonic() - started >= 0.5


def test_an_accepted_request_may_end_in_a_reset(sandbox: Sandbox) -> None:
    """What was asked for is done; the client cannot know."""
    sandbox.fault({"path": "batch", "actions": ["accept-reset"]})
    event = {"event": "e", "distinct_id": "d"}

    with pytest.raises(requests.ConnectionError, match="reset by peer"):
        requests.post(
            f"{sandbox.url}/batch/",
            json={"api_key": "phc_sandbox", "batch": [event]},
            timeout=60,
        )

    assert sandbox.sql("select count() from events") == [[1]]


def test_skip_and_times_choose_the_requests(sandbox: Sandbox) -> None:
    """The third and the fourth, and no more."""
    sandbox.fault({"path": "query", "skip": 2, "times": 2, "actions": ["500"]})

    assert [ask(sandbox) for _ in range(6)] == [200, 200, 500, 500, 200, 200]


def test_a_path_that_does_not_match_meets_no_fault(sandbox: Sandbox) -> None:
    """The path is a regular expression; control is never touched."""
    sandbox.fault({"path": "/api/app/", "actions": ["500"]}, {"path": "sandbox"})

    assert ask(sandbox) == 200
    assert sandbox.sql("select 1") == [[1]]


def test_the_same_seed_gives_the_same_faults(sandbox: Sandbox) -> None:
    """So that a failure can be played again."""
    rule = {"path": "query", "share": 0.5, "actions": ["500", "429:1", "reset"]}
    runs = []
    for seed in (1, 1, 2):
        sandbox.fault(rule, seed=seed)
        runs.append([ask(sandbox) for _ in range(20)])

    assert runs[0] == runs[1] != runs[2]
    assert set(runs[0]) == {200, 500, 429, "ConnectionError"}


def test_the_first_rule_that_draws_decides(sandbox: Sandbox) -> None:
    """A request meets one fault."""
    sandbox.fault(
        {"path": "query", "times": 1, "actions": ["500"]},
        {"path": "query", "times": 1, "actions": ["502"]},
    )

    assert [ask(sandbox) for _ in range(3)] == [500, 502, 200]


@pytest.mark.parametrize(
    "rule",
    [
        pytest.param({"path": "("}, id="expression"),
        pytest.param({"path": "", "actions": ["explode"]}, id="action"),
        pytest.param({"path": "", "often": 1}, id="key"),
    ],
)
def test_a_rule_that_means_nothing_is_refused(
    sandbox: Sandbox, rule: dict[str, object]
) -> None:
    """A test with a misspelt fault must not pass for the wrong reason."""
    with pytest.raises(AssertionError):
        sandbox.fault(rule)
