"""What ended the run at PostHog, and what the user can do about it. Pure.

Wordings are those of PostHog's `authentication.py`, `permissions.py` and
`routing.py` and of its error envelope (`type`, `code`, `detail`, `attr`).
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urljoin, urlsplit

from tap_posthog.errors import (
    AuthError,
    ConfigError,
    ForeignError,
    MissingEndpointError,
    PostHogError,
    ProjectError,
    QueryError,
    QuotaError,
    TapError,
)

if TYPE_CHECKING:
    from datetime import datetime

    from tap_posthog.api.transport import Response
    from tap_posthog.settings.settings import Settings

QUERY = "query:read"
SCOPE = re.compile(r"'(\w+:(?:read|write))'")  # the one that is lacking
SHOWN = 300  # characters of the server's own words
US, EU = "https://us.posthog.com", "https://eu.posthog.com"


def error_of(response: Response, path: str, settings: Settings) -> TapError:
    """Turn an answer that will not change into the line that the user needs.

    `path` is what was asked for, under `base_url`.
    """
    said = detail(response.body)
    if settings.api_key:
        said = said.replace(settings.api_key, "***")
    error = _error_of(response, said, path, settings)
    if isinstance(error, PostHogError):
        error.said = said
    return error


def _error_of(  # noqa: PLR0911 - a table of statuses
    response: Response, said: str, path: str, settings: Settings
) -> TapError:
    base_url, project_id = settings.base_url, settings.project_id
    if response.status in {300, 301, 302, 303, 307, 308}:
        return _redirected(response, base_url, path)
    if response.status < 300:  # noqa: PLR2004 - success, but not of what was asked
        return _unexpected(response, base_url)
    if is_foreign(response):
        return _foreign(response, base_url)
    match response.status:
        case 401:
            return AuthError(
                f"{base_url} does not know the API key (401). Check api_key. A key is "
                f"valid in one region only: {_other_region(base_url)}"
            )
        case 402:
            return QuotaError(
                f"PostHog's plan does not allow this (402): {said or 'quota used up'}. "
                "Check the organisation's billing page, or run again when the quota "
                "starts anew; nothing is lost"
            )
        case 403:
            return _forbidden(said, project_id)
        case 404:
            return _not_found(said, base_url, project_id)
        case _:
            return QueryError(
                f"PostHog refused the request ({response.status}): "
                f"{said or 'no reason given'}. Check include_events and exclude_events;"
                " if they are right, the server is not one that this tap knows"
            )


def is_page(response: Response) -> bool:
    """Whether it is a web page, which PostHog's API never answers with."""
    kind = response.headers.get("Content-Type", "").lower()
    start = response.body[:200].lstrip().lower()
    return "text/html" in kind or start.startswith((b"<!doctype html", b"<html"))


def is_foreign(response: Response) -> bool:
    """Whether somebody other than PostHog answered: it does not use its envelope."""
    if response.body.strip() in {b"", b"{}"}:
        return False
    known = {"type", "code", "detail", "error", "attr"}
    return is_page(response) or known.isdisjoint(_envelope(response.body))


def detail(body: bytes) -> str:
    """Take the server's own words out of its error envelope, on one line."""
    envelope = _envelope(body)
    words = envelope.get("detail") or envelope.get("error") or ""
    return " ".join(str(words).split())[:SHOWN].rstrip(".")


def code(body: bytes) -> str:
    """Take the name of the error out of its envelope."""
    return str(_envelope(body).get("code") or "")


def _envelope(body: bytes) -> dict[str, Any]:
    try:
        envelope = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return envelope if isinstance(envelope, dict) else {}


def _forbidden(said: str, project_id: str) -> AuthError:
    if "scope" in said:
        named = SCOPE.search(said)
        return AuthError(
            f"The API key lacks a scope (403): {said}. Edit the key in PostHog's "
            f"Settings > Personal API keys and give it {named[1] if named else QUERY}"
        )
    if "access" in said and "project" in said:
        return AuthError(
            f"The API key may not read project {project_id} (403): {said}. Check "
            "project_id, and which projects the key is restricted to"
        )
    return AuthError(
        f"PostHog refused the API key (403): {said or 'no reason given'}. Check the "
        "key's scopes and projects, and whether the organisation allows personal keys"
    )


def _not_found(said: str, base_url: str, project_id: str) -> ProjectError:
    if "project" in said.lower():
        return ProjectError(
            f"{base_url} has no project {project_id} that the API key can see (404). "
            "Check project_id (the number in the project's URL) and base_url"
        )
    return MissingEndpointError(
        f"{base_url} has no such endpoint (404). Check base_url; on an old self-hosted "
        "server set events_source to rest"
    )


def _foreign(response: Response, base_url: str) -> TapError:
    """Say who may have answered; neither the key nor a filter is to blame."""
    status = response.status
    what = "a web page" if is_page(response) else "words that are not PostHog's"
    line = f"{base_url} answered {status} with {what}: "
    if status == 404:  # noqa: PLR2004 - an old server's page for an unknown path, too
        return MissingEndpointError(
            f"{line}there is no PostHog, or no query endpoint, at that address. Check "
            "base_url; on an old self-hosted server set events_source to rest"
        )
    return ForeignError(
        f"{line}a firewall, a proxy or a login page stands before PostHog. Check "
        f"base_url, then ask who runs that network to let {_host(base_url)}'s API "
        "through from this machine"
    )


def _unexpected(response: Response, base_url: str) -> TapError:
    if response.status == 202:  # noqa: PLR2004 - as above
        return QueryError(
            f"{base_url} took the query to answer it later (202), though the tap asked "
            "for the answer itself (force_blocking). That server is not one that this "
            "tap knows: upgrade it, or set events_source to rest"
        )
    return QueryError(
        f"{base_url} answered {response.status} where PostHog answers a query with "
        "200. Check base_url: what is there is not PostHog's API"
    )


def _redirected(response: Response, base_url: str, path: str) -> ConfigError:
    """Name where a redirect leads, without what may be a secret in it."""
    place = _location(response, base_url + path)
    if place is None:
        return ConfigError(
            f"base_url: {base_url} answers with a redirect ({response.status}) that "
            "leads nowhere; set base_url to the address that answers itself"
        )
    target, asked = place, urlsplit(base_url + path)
    if (target.scheme, target.netloc) != (asked.scheme, asked.netloc):
        there = f"{target.scheme}://{_host(target.geturl())}"
        return ConfigError(
            f"base_url: {base_url} redirects to {there} ({response.status}), and the "
            "API key is not sent there; set base_url to the address that answers itself"
        )
    shown = target.path[:SHOWN]
    if target.path.endswith(path) and target.path != asked.path:
        prefix = f"{target.scheme}://{target.netloc}{target.path.removesuffix(path)}"
        advice = f"set base_url to {prefix}"
    elif target.path == asked.path:
        advice = "what is there is not PostHog's API, or a login stands before it"
    else:
        advice = "check base_url: a login page or another application may be there"
    return ConfigError(
        f"base_url: {base_url} redirects from {path} to {shown} on the same host "
        f"({response.status}), and redirects are not followed; {advice}"
    )


def _location(response: Response, asked: str) -> SplitResult | None:
    location = response.headers.get("Location", "")
    try:
        target = urlsplit(urljoin(asked, location))
        _ = target.port  # raises for one that is no number
    except ValueError:
        return None
    return target if location and target.hostname else None


def _host(url: str) -> str:
    parts = urlsplit(url)
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    return f"{host}:{parts.port}" if parts.port else host


def _other_region(base_url: str) -> str:
    if base_url == US:
        return f"if your project is in the EU, set base_url to {EU}"
    if base_url == EU:
        return f"if your project is in the US, set base_url to {US}"
    return "check that base_url is where the key was made"


# Where no good answer came at all.


def not_reached(where: str, reason: str) -> str:
    """Say that no answer at that address ever made sense."""
    return (
        f"{where} cannot be reached: {reason}. Check base_url, the network and the "
        "proxy settings"
    )


def gave_up(where: str, reason: str, spent: float, then: datetime, most: int) -> str:
    """Say that limits or faults would last longer than they may."""
    return (
        f"No answer from {where} after {spent:,.0f} s: {reason}. The next try would be "
        f"at {then:%Y-%m-%d %H:%M} UTC, beyond max_wait_seconds ({most}). Run again "
        "after that; it goes on from the last state"
    )


def test_later(where: str, reason: str, wait: float, then: datetime) -> str:
    """Say that `--test` met a limit that is longer than a test may take."""
    return (
        f"{where} answers, but asks to wait {wait:,.0f} s: {reason}. Test again after "
        f"{then:%Y-%m-%d %H:%M} UTC"
    )


def test_failed(where: str, reason: str) -> str:
    """Say that `--test` met faults for as long as a test may take."""
    return (
        f"No good answer from {where} in the time of a test: {reason}. Check "
        "base_url and PostHog's status page, then test again"
    )


def too_heavy(status: int, said: str) -> str:
    """Say that one question was too much."""
    return (
        f"One query was too much for PostHog ({status}): {said or 'no reason given'}. "
        "Lower page_size, or run again at a quieter time; it goes on from the last "
        "state"
    )


def too_slow(seconds: int, times: int) -> str:
    """Say that one question took too long, several times."""
    return (
        f"One query was not answered within request_timeout_seconds ({seconds}), "
        f"{times} times in a row. Raise request_timeout_seconds or lower page_size, or "
        "run again at a quieter time; it goes on from the last state"
    )
