"""Paths beside PostHog's own: SQL, rows by the table, switches."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from chdb import ChdbError
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.posthog.lists import objects as lists
from sandbox.posthog.schema.catalogue import TABLES

if TYPE_CHECKING:
    from starlette.requests import Request

    from sandbox.posthog.state import State


class Statement(msgspec.Struct, forbid_unknown_fields=True):
    """What the control path for SQL takes."""

    sql: str


class ControlApi:
    """The endpoints; each answers 400 with one line for what it cannot do."""

    def __init__(self, state: State) -> None:
        self._state = state

    def routes(self) -> list[Route]:
        """Say which paths there are."""
        return [
            Route("/sandbox/posthog/sql", self.sql, methods=["POST"]),
            Route("/sandbox/posthog/tables/{table}", self.rows, methods=["PUT"]),
            Route("/sandbox/posthog/lists/{kind}", self.objects, methods=["PUT"]),
            Route(
                "/sandbox/posthog/behaviour", self.behaviour, methods=["GET", "PATCH"]
            ),
        ]

    async def sql(self, request: Request) -> Response:
        """Run any statement of ClickHouse's."""
        try:
            statement = msgspec.json.decode(await request.body(), type=Statement).sql
            answer = await self._state.table.raw(statement)
        except (ChdbError, ValueError) as exc:  # msgspec's and Unicode's are such
            return JSONResponse({"error": str(exc)}, 400)
        return Response(
            answer or b'{"meta":[],"data":[],"rows":0}', media_type="application/json"
        )

    async def rows(self, request: Request) -> Response:
        """Put rows into a table that HogQL names; newer ones replace older ones."""
        table = TABLES.get(request.path_params["table"])
        if table is None:
            return JSONResponse({"error": "there is no such table"}, 404)
        try:
            lines = (await request.body()).decode()
            await self._state.table.put(lines, table.stored.name)
        except (ChdbError, ValueError) as exc:  # Unicode's are such
            return JSONResponse({"error": str(exc)}, 400)
        return JSONResponse({})

    async def objects(self, request: Request) -> Response:
        """Put objects into a REST list; the same id replaces, `_gone` ends one."""
        kind = request.path_params["kind"]
        if kind not in lists.KINDS:
            return JSONResponse({"error": "there is no such list"}, 404)
        try:
            given = msgspec.json.decode(await request.body(), type=list[lists.Object])
            await lists.put(self._state, kind, given)
        except (KeyError, ValueError) as exc:  # msgspec's and Unicode's are such
            return JSONResponse({"error": f"no list of objects with id: {exc}"}, 400)
        return JSONResponse({})

    async def behaviour(self, request: Request) -> Response:
        """Show the switches, or turn some."""
        state = self._state
        if request.method == "PATCH":
            try:
                state.behaviour = state.behaviour.patched(await request.body())
            except ValueError as exc:  # msgspec's and Unicode's are such
                return JSONResponse({"error": str(exc)}, 400)
        return Response(
            msgspec.json.encode(state.behaviour), media_type="application/json"
        )
