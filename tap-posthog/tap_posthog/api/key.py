"""What the API key may read, as PostHog says of it. Never lists projects.

`GET /api/personal_api_keys/@current/` needs no scope; servers before 2024 do not know
it. From posthog/api/personal_api_key.py and posthog/permissions.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tap_posthog.api.transport import Request
from tap_posthog.errors import TapError

if TYPE_CHECKING:
    from tap_posthog.api.client import Client
    from tap_posthog.api.transport import Response

ALL = "*"


@dataclass(frozen=True, slots=True)
class Key:
    """What a key may do. `scopes` is None where the server does not say."""

    scopes: frozenset[str] | None

    def may(self, scope: str) -> bool:
        """Whether it has a scope; one to write is one to read, too."""
        if self.scopes is None or ALL in self.scopes:
            return True
        return bool({scope, scope.replace(":read", ":write")} & self.scopes)


def key_of(client: Client) -> Key:
    """Ask what the key may do; where that cannot be learnt, all is tried."""
    try:
        said = _get(client, "/api/personal_api_keys/@current/")
    except TapError:
        return Key(None)
    scopes = said.get("scopes")
    return Key(frozenset(map(str, scopes)) if isinstance(scopes, list) else None)


def flag_calls_have_left(client: Client, project_id: str) -> bool:
    """Whether PostHog says that flag calls no longer go into this project's events.

    `flag_evaluations_mode` 2 of the project, from posthog/models/organization.py.
    """
    try:
        project = _get(client, f"/api/projects/{project_id}/")
    except TapError:
        return False
    return project.get("flag_evaluations_mode") == 2  # noqa: PLR2004 - as above


def _get(client: Client, path: str) -> dict[str, Any]:
    def read(response: Response) -> dict[str, Any]:
        answer = response.json()
        if not isinstance(answer, dict):
            msg = "the answer is no object"
            raise ValueError(msg)  # noqa: TRY004 - it is no answer
        return answer

    return client.call(Request(method="GET", path=path), read, alone=True)
