"""The paths of the lists, of the project, and of the key that asks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from starlette.responses import JSONResponse, Response

from sandbox.posthog import access
from sandbox.posthog.errors import denied
from sandbox.posthog.lists import objects
from sandbox.posthog.lists.definitions import event_definitions, property_definitions
from sandbox.posthog.lists.paging import Page

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

    from sandbox.posthog.state import State

    Endpoint = Callable[[Request], Awaitable[Response]]
    Answer = Callable[[State, Request], Awaitable[Any]]

_PROJECT = "/api/projects/{project}"


class ListsApi:
    """The endpoints."""

    def __init__(self, state: State) -> None:
        self._state = state

    def paths(self) -> list[tuple[str, Endpoint]]:
        """Say which paths there are; all are GET."""
        made: list[tuple[str, Endpoint]] = [
            ("/api/projects", self.projects),
            (_PROJECT, self.project),
            (f"{_PROJECT}/groups_types", self._answer(objects.group_types)),
            (f"{_PROJECT}/event_definitions", self._answer(event_definitions)),
            (f"{_PROJECT}/property_definitions", self._answer(property_definitions)),
            ("/api/personal_api_keys", self.refuse),
            ("/api/personal_api_keys/{id}", self.key),
        ]
        for kind in objects.LISTS:
            made += [
                (f"{_PROJECT}/{kind}", self._of(kind, objects.listed)),
                (f"{_PROJECT}/{kind}/{{id}}", self._of(kind, objects.one)),
            ]
        return made

    def _answer(self, answer: Answer) -> Endpoint:
        async def endpoint(request: Request) -> Response:
            body = await answer(self._state, request)
            rows = body if isinstance(body, list) else body.get("results", [body])
            request.scope["sandbox.entry"].update(rows=len(rows))
            return _json(body)

        return endpoint

    def _of(
        self,
        kind: str,
        answer: Callable[[State, str, Request], Awaitable[dict[str, Any]]],
    ) -> Endpoint:
        async def bound(state: State, request: Request) -> dict[str, Any]:
            return await answer(state, kind, request)

        return self._answer(bound)

    async def projects(self, request: Request) -> Response:
        """Answer the list of projects, which keys of one project may not have."""
        access.above_projects(request, self._state.behaviour, "project:read")
        names = ("id", "uuid", "organization", "name", "timezone", "api_token")
        whole = self._project()
        page = [{name: whole[name] for name in names}]
        return _json(Page.of(request).envelope(request, 1, page))

    async def project(self, request: Request) -> Response:
        """Answer the project, with the secrets that PostHog shows there."""
        access.authorize(request, self._state.behaviour, "project:read")
        return _json(self._project())

    def _project(self) -> dict[str, Any]:
        return {
            "id": access.PROJECT,
            "uuid": "019dd000-0000-0000-0000-000000000001",
            "organization": access.ORGANIZATION,
            "name": "Sandbox",
            "timezone": self._state.behaviour.project_timezone,
            "api_token": access.CAPTURE_TOKEN,
            "secret_api_token": access.SECRET_TOKEN,
            "event_retention_months": 84,
            "events_retention_enforced": False,
            "flag_evaluations_mode": self._state.behaviour.flag_evaluations_mode,
        }

    async def key(self, request: Request) -> Response:
        """Say what the key may do that asks."""
        if request.path_params["id"] != "@current":
            await self.refuse(request)
        if not self._state.behaviour.current_key_endpoint:  # an old server
            return JSONResponse({"detail": "Not found."}, 404)
        name = access.authenticate(request, self._state.behaviour)
        key = access.keys(self._state.behaviour)[name]
        return _json(
            {
                "id": f"key-{name}",
                "label": "Sandbox",
                "value": None,
                "mask_value": f"{name[:4]}...{name[-4:]}",
                "created_at": "2026-01-01T00:00:00.000000Z",
                "last_used_at": None,
                "last_rolled_at": None,
                "user_id": 1,
                "scopes": key.scopes,
                "scoped_teams": key.scoped_teams,
                "scoped_organizations": key.scoped_organizations,
            }
        )

    async def refuse(self, request: Request) -> Response:
        """Refuse what no key may do."""
        access.authenticate(request, self._state.behaviour)
        msg = "This action does not support Personal API Key access"
        raise denied(msg)


def _json(body: object) -> Response:
    return Response(msgspec.json.encode(body), media_type="application/json")
