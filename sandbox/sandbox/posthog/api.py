"""PostHog's paths, and the control paths beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from chdb import ChdbError
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.posthog.behaviour import Behaviour
from sandbox.posthog.limits import Limits
from sandbox.posthog.query import QueryEndpoint
from sandbox.posthog.state import State
from sandbox.posthog.table import Table

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.requests import Request

    from sandbox.control import Control


def routes(data: Path, control: Control) -> list[Route]:
    """Open the table under `data`, and say which paths there are.

    It is emptied on the control's reset, closed when the sandbox stops.
    """
    state = State(control.open(Table(data / "clickhouse")))
    query = QueryEndpoint(state)

    async def sql(request: Request) -> Response:
        statement = (await request.json())["sql"]
        try:
            answer = await state.table.raw(statement)
        except ChdbError as exc:
            return JSONResponse({"error": str(exc)}, 400)
        return Response(
            answer or b'{"meta":[],"data":[],"rows":0}', media_type="application/json"
        )

    async def behaviour(request: Request) -> Response:
        if request.method == "PATCH":
            try:
                state.behaviour = state.behaviour.patched(await request.json())
            except msgspec.ValidationError as exc:
                return JSONResponse({"error": str(exc)}, 400)
        return Response(
            msgspec.json.encode(state.behaviour), media_type="application/json"
        )

    async def reset() -> None:
        await state.table.clear()
        state.behaviour = Behaviour()
        state.limits = Limits()
        query.forget()

    control.on_reset(reset)
    paths = []
    for scope in ("projects", "environments"):
        for slash in ("", "/"):  # PostHog takes both
            base = f"/api/{scope}/{{project}}"
            paths.append(
                Route(f"{base}/query{slash}", query.__call__, methods=["POST"])
            )
    return [
        *paths,
        Route("/sandbox/posthog/sql", sql, methods=["POST"]),
        Route("/sandbox/posthog/behaviour", behaviour, methods=["GET", "PATCH"]),
    ]
