"""Who may ask for what: keys, scopes, projects. As PostHog words its refusals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.posthog.behaviour import Key
from sandbox.posthog.errors import ApiError, denied, not_found

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

    from sandbox.posthog.behaviour import Behaviour

PROJECT = 1
ORGANIZATION = "019dd000-0000-0000-0000-00000000000a"
FULL, NO_SCOPE, OTHER = "phx_sandbox", "phx_noscope", "phx_other"
CAPTURE_TOKEN = "phc_sandbox"  # noqa: S105 - opens the sandbox only
SECRET_TOKEN = "phs_sandbox_secret"  # noqa: S105 - as above
_KEYS = {
    FULL: Key(scopes=["*"]),
    NO_SCOPE: Key(scopes=["user:read"]),
    OTHER: Key(scopes=["*"], scoped_teams=[PROJECT + 1]),
}


def keys(behaviour: Behaviour) -> Mapping[str, Key]:
    """Give the keys that there are."""
    return _KEYS | behaviour.keys


def authenticate(request: Request, behaviour: Behaviour) -> str:
    """Read the key of a request.

    Raises:
        ApiError: 401; there is none, or PostHog does not know it.
    """
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        detail = "Authentication credentials were not provided."
        raise ApiError(401, "authentication_error", "not_authenticated", detail)
    if key.strip() not in keys(behaviour):
        detail = "Personal API key found in request Authorization header is invalid."
        raise ApiError(401, "authentication_error", "authentication_failed", detail)
    return key.strip()


def authorize(request: Request, behaviour: Behaviour, scope: str = "query:read") -> str:
    """Let a request at the project in its path.

    Args:
        request: What is asked.
        behaviour: Which keys there are.
        scope: What its key must be allowed.

    Returns:
        The key.

    Raises:
        ApiError: 401, 403 or 404, in this order.
    """
    key = authenticate(request, behaviour)
    project = request.path_params["project"]
    if project not in {str(PROJECT), "@current"}:
        msg = "Project not found."
        raise not_found(msg)
    known = keys(behaviour)[key]
    if known.scoped_teams and PROJECT not in known.scoped_teams:
        detail = f"API key does not have access to the requested project: ID {PROJECT}."
        raise denied(detail)
    if known.scoped_organizations and ORGANIZATION not in known.scoped_organizations:
        detail = (
            "API key does not have access to the requested organization: ID"
            f" {ORGANIZATION}."
        )
        raise denied(detail)
    _within(known, scope)
    return key


def above_projects(request: Request, behaviour: Behaviour, scope: str) -> str:
    """Let a request at what is above the projects.

    Raises:
        ApiError: 401 or 403; also a key that is good for some projects only.
    """
    key = authenticate(request, behaviour)
    known = keys(behaviour)[key]
    if known.scoped_teams:
        msg = (
            "API keys with scoped projects are only supported on project-based"
            " endpoints."
        )
        raise denied(msg)
    _within(known, scope)
    return key


def _within(key: Key, scope: str) -> None:
    """Look for a scope; writing implies reading."""
    writing = scope.removesuffix(":read") + ":write"
    if not {"*", scope, writing} & set(key.scopes):
        msg = f"API key missing required scope '{scope}'"
        raise denied(msg)
