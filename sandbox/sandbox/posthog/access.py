"""Who may ask for what: keys, scopes, projects. As PostHog words its refusals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.posthog.errors import ApiError, denied, not_found

if TYPE_CHECKING:
    from starlette.requests import Request

PROJECT = 1
FULL, NO_SCOPE, OTHER = "phx_sandbox", "phx_noscope", "phx_other"
CAPTURE_TOKEN = "phc_sandbox"  # noqa: S105 - opens the sandbox only


def authenticate(request: Request) -> str:
    """Read the key of a request.

    Raises:
        ApiError: 401; there is none, or PostHog does not know it.
    """
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        detail = "Authentication credentials were not provided."
        raise ApiError(401, "authentication_error", "not_authenticated", detail)
    if key.strip() not in {FULL, NO_SCOPE, OTHER}:
        detail = "Personal API key found in request Authorization header is invalid."
        raise ApiError(401, "authentication_error", "authentication_failed", detail)
    return key.strip()


def authorize(request: Request) -> str:
    """Let a request at the project in its path.

    Returns:
        The key.

    Raises:
        ApiError: 401, 403 or 404, in this order.
    """
    key = authenticate(request)
    project = request.path_params["project"]
    if project not in {str(PROJECT), "@current"}:
        msg = "Project not found."
        raise not_found(msg)
    if key == OTHER:
        detail = f"API key does not have access to the requested project: ID {PROJECT}."
        raise denied(detail)
    if key == NO_SCOPE:
        msg = "API key missing required scope 'query:read'"
        raise denied(msg)
    return key
