"""What an answer means and how long to wait: tables, no I/O."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_posthog.refusals import refusal
from tap_posthog.retry import LONGEST_WAIT, Verdict, backoff, judge
from tap_posthog.transport import Answer

KEY = "phx_CANARY"


@pytest.mark.parametrize(
    ("verdict", "statuses"),
    [
        (Verdict.READ, [200]),
        (Verdict.WAIT, [429]),
        (Verdict.SHRINK, [504, 512, 513]),
        (Verdict.RETRY, [408, 500, 502, 503, 520, 522, 524, 599]),
        (
            Verdict.STOP,
            [201, 202, 204, 301, 302, 307, 308, 400, 401, 402, 403, 404, 405, 410, 422],
        ),
    ],
)
def test_each_status_has_one_meaning(verdict: Verdict, statuses: list[int]) -> None:
    """Limits wait, faults are tried again, time-outs shrink, the rest stops."""
    assert [judge(status) for status in statuses] == [verdict] * len(statuses)


def test_too_much_at_once_is_a_fault_where_less_cannot_be_asked_for() -> None:
    """PostHog says it as 504, 512, 513, or as a 400 with a code of its own."""
    assert judge(400, "too_many_bytes") is Verdict.SHRINK
    assert judge(400, "too_many_bytes", divisible=False) is Verdict.STOP
    assert judge(513, divisible=False) is Verdict.RETRY


@given(st.integers(1, 10_000), st.floats(0, 1))
def test_backoff_has_full_jitter_and_a_bound(attempt: int, chance: float) -> None:
    """A wait lies between nothing and a bound that doubles up to a minute."""
    bound = backoff(attempt, lambda: 1.0)

    assert bound == min(LONGEST_WAIT, 2 ** (attempt - 1))
    assert backoff(attempt, lambda: chance) == bound * chance


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        (401, b"{}", "https://us.posthog.com does not know the API key (401)"),
        (401, b"{}", "if your project is in the EU, set base_url to"),
        (402, b'{"detail": "quota exceeded"}', "plan does not allow this (402): quota"),
        (
            403,
            b'{"detail": "API key missing required scope \'query:read\'"}',
            "lacks a scope (403)",
        ),
        (
            403,
            b'{"detail": "API key does not have access to the requested project: 7"}',
            "may not read project 7 (403)",
        ),
        (403, b"<html>", "refused the API key (403): no reason given"),
        (404, b'{"detail": "Project not found."}', "no project 7 that the API key"),
        (404, b"<html>", "has no such endpoint (404)"),
        (400, b'{"detail": "Unable to resolve field: x."}', "Unable to resolve field"),
        (418, b"\xff", "refused the request (418)"),
    ],
)
def test_a_refusal_says_what_to_do(status: int, body: bytes, says: str) -> None:
    """Each is one line, with the server's own words where it has some."""
    said = str(_refusal(Answer(status, {}, body)))

    assert says in said
    assert "\n" not in said


def test_a_redirect_names_the_address_without_its_path() -> None:
    """The key is not sent to where a redirect leads, so the user is told of it."""
    there = {"Location": "https://eu.posthog.com/login?next=CANARY"}

    said = str(_refusal(Answer(302, there, b"")))

    assert "redirects to https://eu.posthog.com (302)" in said
    assert "CANARY" not in said


def test_a_key_that_the_server_repeats_is_not_shown() -> None:
    """Some servers put the credential into their error."""
    body = b'{"detail": "invalid key phx_CANARY"}'

    assert "CANARY" not in str(_refusal(Answer(400, {}, body)))


def _refusal(answer: Answer) -> Exception:
    return refusal(
        answer, base_url="https://us.posthog.com", project_id="7", api_key=KEY
    )
