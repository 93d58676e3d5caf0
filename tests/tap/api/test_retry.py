"""What an answer means and how long to wait: tables, no I/O."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_posthog.api.api_errors import error_of
from tap_posthog.api.retry import LONGEST_WAIT, Verdict, backoff, judge
from tap_posthog.api.transport import Response
from tests.tap.running import settings

KEY = "phx_CANARY"


@pytest.mark.parametrize(
    ("verdict", "statuses"),
    [
        (Verdict.READ, [200]),
        (Verdict.WAIT, [429]),
        (Verdict.SHRINK, [504, 512, 513, 524]),
        (Verdict.RETRY, [408, 500, 502, 503, 520, 521, 522, 523, 525, 599]),
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
    assert judge(524, divisible=False) is Verdict.RETRY


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
        (403, b"", "refused the API key (403): no reason given"),
        (404, b'{"detail": "Project not found."}', "no project 7 that the API key"),
        (404, b'{"detail": "Endpoint not found."}', "has no such endpoint (404)"),
        (400, b'{"detail": "Unable to resolve field: x."}', "Unable to resolve field"),
        (418, b"", "refused the request (418)"),
    ],
)
def test_a_refusal_says_what_to_do(status: int, body: bytes, says: str) -> None:
    """Each is one line, with the server's own words where it has some."""
    said = str(_error_of(Response(status, {}, body)))

    assert says in said
    assert "\n" not in said


PAGE = b"<!DOCTYPE html><html><title>Access denied</title></html>"
HTML = {"Content-Type": "text/html; charset=UTF-8"}


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 451])
@pytest.mark.parametrize(
    ("headers", "body", "what"),
    [
        pytest.param(HTML, PAGE, "a web page", id="page"),
        pytest.param({}, b"  " + PAGE, "a web page", id="page-without-type"),
        pytest.param(HTML, b"<h1>No</h1>", "a web page", id="type-alone"),
        pytest.param({}, b"error code: 1020", "words that are not", id="cloudflare"),
        pytest.param({}, b'{"message": "Forbidden"}', "words that are not", id="aws"),
        pytest.param({}, b"RBAC: access denied", "words that are not", id="envoy"),
        pytest.param({}, b"\xff\xfe", "words that are not", id="bytes"),
    ],
)
def test_a_firewalls_word_is_not_taken_for_posthogs(
    status: int, headers: dict[str, str], body: bytes, what: str
) -> None:
    """Neither the key nor a filter is blamed, and the host is named."""
    said = str(_error_of(Response(status, headers, body)))

    assert said.startswith(f"https://us.posthog.com answered {status} with {what}")
    assert "Check base_url" in said
    for blamed in ("api_key", "key's", "include_events", "billing"):
        assert blamed not in said


def test_a_query_that_is_answered_later_is_said_truly() -> None:
    """A 202 is no refusal: the server did not understand what was asked for."""
    assert "took the query to answer it later (202)" in str(
        _error_of(Response(202, {}, b'{"query_status": {}}'))
    )
    assert "answered 204 where PostHog" in str(_error_of(Response(204, {}, b"")))


@pytest.mark.parametrize(
    ("location", "says"),
    [
        pytest.param(
            "https://eu.posthog.com/login?next=CANARY",
            "redirects to https://eu.posthog.com (308), and the API key is not sent",
            id="another-host",
        ),
        pytest.param(
            "http://us.posthog.com/api/projects/7/query/",
            "redirects to http://us.posthog.com (308)",
            id="another-scheme",
        ),
        pytest.param(
            "https://us.posthog.com:8443/",
            "redirects to https://us.posthog.com:8443 (308)",
            id="another-port",
        ),
        pytest.param(
            "https://user:CANARY@eu.posthog.com/",
            "redirects to https://eu.posthog.com (308)",
            id="with-a-password",
        ),
        pytest.param(
            "//[2001:db8::1]:8000/",
            "redirects to https://[2001:db8::1]:8000 (308)",
            id="ipv6",
        ),
        pytest.param(
            "/api/environments/7/query/?token=CANARY",
            "redirects from /api/projects/7/query/ to /api/environments/7/query/ on "
            "the same host (308)",
            id="another-path",
        ),
        pytest.param(
            "/posthog/api/projects/7/query/",
            "set base_url to https://us.posthog.com/posthog",
            id="behind-a-prefix",
        ),
        pytest.param("/login?next=CANARY", "to /login on the same host", id="login"),
        pytest.param(
            "?again=CANARY", "to /api/projects/7/query/ on the same host", id="itself"
        ),
        pytest.param("", "leads nowhere", id="nowhere"),
        pytest.param("https://[CANARY", "leads nowhere", id="broken"),
        pytest.param("https://host:CANARY/", "leads nowhere", id="broken-port"),
    ],
)
def test_a_redirect_names_where_it_leads(location: str, says: str) -> None:
    """The host, or on the same host the path; nothing of it that may be a secret."""
    said = str(_error_of(Response(308, {"Location": location}, b"")))

    assert says in said
    assert "CANARY" not in said


def test_a_key_that_the_server_repeats_is_not_shown() -> None:
    """Some servers put the credential into their error."""
    body = b'{"detail": "invalid key phx_CANARY"}'

    assert "CANARY" not in str(_error_of(Response(400, {}, body)))


def _error_of(answer: Response) -> Exception:
    given = replace(settings(), project_id="7", api_key=KEY)
    return error_of(answer, "/api/projects/7/query/", given)
