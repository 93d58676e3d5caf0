"""PostHog's paths, and the control paths beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.routing import Route

from sandbox.exports.api import ExportsApi
from sandbox.posthog import capture
from sandbox.posthog.behaviour import Behaviour
from sandbox.posthog.control_api import ControlApi
from sandbox.posthog.events_list import EventsList
from sandbox.posthog.limits import Limits
from sandbox.posthog.lists.api import ListsApi
from sandbox.posthog.lists.objects import OBJECTS
from sandbox.posthog.query import QueryEndpoint
from sandbox.posthog.schema.catalogue import STORED
from sandbox.posthog.state import State
from sandbox.posthog.table import Table

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from starlette.requests import Request
    from starlette.responses import Response

    from sandbox.control import Control

    Endpoint = Callable[[Request], Awaitable[Response]]


def routes(data: Path, control: Control) -> list[Route]:
    """Open the table under `data`, and say which paths there are.

    It is emptied on the control's reset, closed when the sandbox stops.
    """
    state = State(control.open(Table(data / "clickhouse", (*STORED, OBJECTS))))
    query, events = QueryEndpoint(state), EventsList(state)
    taken, exports = capture.CaptureEndpoint(state), ExportsApi(state)

    async def reset() -> None:
        await state.table.clear()
        state.behaviour = Behaviour()
        state.limits = Limits()
        query.forget()
        exports.forget()

    control.on_reset(reset)
    return [
        *_both("/api/projects/{project}/query", query.__call__, "POST"),
        *_both("/api/projects/{project}/events", events.get, "GET"),
        *_both("/api/projects/{project}/events/{uuid}", events.one, "GET"),
        *(
            route
            for at, endpoint in ListsApi(state).paths()
            for route in _both(at, endpoint, "GET")
        ),
        *(route for at in capture.PATHS for route in _both(at, taken.__call__, "POST")),
        *exports.routes(),
        *ControlApi(state).routes(),
    ]


def _both(path: str, endpoint: Endpoint, method: str) -> list[Route]:
    """Open a path with and without its last slash, as PostHog does; no redirect."""
    return [Route(path + slash, endpoint, methods=[method]) for slash in ("/", "")]
