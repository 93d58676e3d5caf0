"""What PostHog means by a refusal, and what the user can do about it. Pure.

Wordings are those of PostHog's `authentication.py`, `permissions.py` and
`routing.py` and of its error envelope (`type`, `code`, `detail`, `attr`).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from tap_posthog.errors import (
    AuthError,
    ConfigError,
    MissingEndpointError,
    ProjectError,
    QueryError,
    QuotaError,
    TapError,
)

if TYPE_CHECKING:
    from tap_posthog.transport import Answer

SHOWN = 300  # characters of the server's own words
US, EU = "https://us.posthog.com", "https://eu.posthog.com"


def refusal(
    answer: Answer, *, base_url: str, project_id: str, api_key: str
) -> TapError:
    """Turn an answer that will not change into the line that the user needs."""
    said = detail(answer.body).replace(api_key, "***")
    match answer.status:
        case 300 | 301 | 302 | 303 | 307 | 308:
            return _redirected(answer, base_url)
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
                f"PostHog refused the request ({answer.status}): "
                f"{said or 'no reason given'}. Check include_events and exclude_events;"
                " if they are right, the server is not one that this tap knows"
            )


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
        return AuthError(
            f"The API key lacks a scope (403): {said}. Edit the key in PostHog's "
            "Settings > Personal API keys and give it query:read"
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


def _redirected(answer: Answer, base_url: str) -> ConfigError:
    target = urlsplit(urljoin(base_url, answer.headers.get("Location", "")))
    there = f"{target.scheme}://{target.hostname}" if target.hostname else "elsewhere"
    if target.port:
        there = f"{there}:{target.port}"
    return ConfigError(
        f"base_url: {base_url} redirects to {there} ({answer.status}), and the API key "
        "is not sent there; set base_url to the address that answers itself"
    )


def _other_region(base_url: str) -> str:
    if base_url == US:
        return f"if your project is in the EU, set base_url to {EU}"
    if base_url == EU:
        return f"if your project is in the US, set base_url to {US}"
    return "check that base_url is where the key was made"
