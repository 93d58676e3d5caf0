"""PostHog's paths, and the control paths beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from chdb import ChdbError
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.posthog import access, capture
from sandbox.posthog.behaviour import Behaviour
from sandbox.posthog.events_list import EventsList
from sandbox.posthog.limits import Limits
from sandbox.posthog.query import QueryEndpoint
from sandbox.posthog.state import State
from sandbox.posthog.table import Table

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from starlette.requests import Request

    from sandbox.control import Control

    Endpoint = Callable[[Request], Awaitable[Response]]


class Statement(msgspec.Struct, forbid_unknown_fields=True):
    """What the control path for SQL takes."""

    sql: str


def routes(data: Path, control: Control) -> list[Route]:
    """Open the table under `data`, and say which paths there are.

    It is emptied on the control's reset, closed when the sandbox stops.
    """
    state = State(control.open(Table(data / "clickhouse")))
    query, events = QueryEndpoint(state), EventsList(state)
    taken = capture.CaptureEndpoint(state)

    async def sql(request: Request) -> Response:
        try:
            statement = msgspec.json.decode(await request.body(), type=Statement).sql
            answer = await state.table.raw(statement)
        except (ChdbError, ValueError) as exc:  # msgspec's and Unicode's are such
            return JSONResponse({"error": str(exc)}, 400)
        return Response(
            answer or b'{"meta":[],"data":[],"rows":0}', media_type="application/json"
        )

    async def behaviour(request: Request) -> Response:
        if request.method == "PATCH":
            try:
                state.behaviour = state.behaviour.patched(await request.body())
            except ValueError as exc:  # msgspec's and Unicode's are such
                return JSONResponse({"error": str(exc)}, 400)
        return Response(
            msgspec.json.encode(state.behaviour), media_type="application/json"
        )

    async def reset() -> None:
        await state.table.clear()
        state.behaviour = Behaviour()
        state.limits = Limits()
        query.forget()
        taken.forget()

    async def projects(request: Request) -> Response:
        access.authenticate(request)
        project = {
            "id": access.PROJECT,
            "name": "Sandbox",
            "timezone": state.behaviour.project_timezone,
        }
        page = {"count": 1, "next": None, "previous": None, "results": [project]}
        return JSONResponse(page)

    control.on_reset(reset)
    return [
        *_both("/api/projects/{project}/query", query.__call__, "POST"),
        *_both("/api/projects/{project}/events", events.get, "GET"),
        *_both("/api/projects/{project}/events/{uuid}", events.one, "GET"),
        *_both("/api/projects", projects, "GET"),
        *(route for at in capture.PATHS for route in _both(at, taken.__call__, "POST")),
        Route("/sandbox/posthog/sql", sql, methods=["POST"]),
        Route("/sandbox/posthog/behaviour", behaviour, methods=["GET", "PATCH"]),
    ]


def _both(path: str, endpoint: Endpoint, method: str) -> list[Route]:
    """Open a path with and without its last slash, as PostHog does; no redirect."""
    return [Route(path + slash, endpoint, methods=[method]) for slash in ("/", "")]
