"""The sandbox as one ASGI application: both sides, faults, the journal, control."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.faults import Faults, Plan
from sandbox.journal import Journal
from sandbox.posthog import api as posthog
from sandbox.posthog.errors import ApiError

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.requests import Request
    from starlette.types import ASGIApp

    from sandbox.control import Control

Side = Literal["both", "posthog", "patterns"]


def build(data: Path, control: Control, side: Side = "both") -> ASGIApp:
    """Put the sandbox together over a folder for its data."""
    routes = []
    if side in {"both", "posthog"}:
        routes += posthog.routes(data, control)
    if side in {"both", "patterns"}:
        from sandbox.patterns import api as patterns  # noqa: PLC0415 - DuckDB only where it is used

        routes += patterns.routes(data, control)

    async def requests(request: Request) -> Response:
        if request.method == "DELETE":
            journal.entries.clear()
        return JSONResponse(journal.entries)

    async def set_faults(request: Request) -> Response:
        plan = Plan()
        if request.method == "PUT":
            try:
                plan = msgspec.json.decode(await request.body(), type=Plan)
            except ValueError as exc:  # msgspec's and Unicode's are such
                return JSONResponse({"error": str(exc)}, 400)
        faults.set(plan)
        return Response(msgspec.json.encode(plan), media_type="application/json")

    async def reset(_: Request) -> Response:
        await control.reset()
        faults.set(Plan())
        journal.entries.clear()
        return JSONResponse({})

    routes += [
        Route("/sandbox/posthog/requests", requests, methods=["GET", "DELETE"]),
        Route("/sandbox/faults", set_faults, methods=["PUT", "DELETE"]),
        Route("/sandbox/reset", reset, methods=["POST"]),
    ]
    app = Starlette(
        routes=routes, exception_handlers={ApiError: _said, ClientDisconnect: _gone}
    )
    app.router.redirect_slashes = False  # PostHog takes both spellings, see its routes
    faults = Faults(app)
    journal = Journal(faults)
    return journal


def _said(_: Request, exc: Exception) -> Response:
    if not isinstance(exc, ApiError):
        raise exc
    return exc.response()


def _gone(_: Request, __: Exception) -> Response:
    """Answer nobody: whoever asked died in the middle of a request."""
    return Response(status_code=499)
