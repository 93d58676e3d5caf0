"""Patterns over HTTP: the webhook, questions about its table, and the page.

How a body is taken apart is `intake`'s, how records reach the disk is `table`'s.
"""

from __future__ import annotations

import asyncio
import os
import zlib
from datetime import UTC, datetime
from importlib import resources
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from sandbox.patterns import stats
from sandbox.patterns.intake import BodyError, split
from sandbox.patterns.table import Delivery, Table, TableError

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.requests import Request

    from sandbox.control import Control

IDS = """
select count(*) as "rows", count(distinct uuid) as "distinct",
    count(distinct request_id) as requests, min(received_at) as first_received_at,
    max(received_at) as last_received_at
from webhook where webhook = $1
"""


def routes(data: Path, control: Control) -> list[Route]:
    """Open the table under `data`, and say which paths there are.

    It is emptied on the control's reset, closed when the sandbox stops. Raises
    TableError where it cannot be opened: another process has it.
    """
    table = control.open(Table(data / "patterns.duckdb"))

    async def reset() -> None:
        await asyncio.to_thread(table.forget)

    control.on_reset(reset)
    here = Patterns(table, data)
    return [
        Route("/", here.page),
        Route("/api/app/webhooks/{webhook}", here.receive, methods=["POST"]),
        Route("/sandbox/patterns/stats", here.stats),
        Route("/sandbox/patterns/sql", here.sql, methods=["POST"]),
        Route("/sandbox/patterns/{webhook}/ids", here.ids),
    ]


class Patterns:
    """The webhook node, and what can be asked of it."""

    def __init__(self, table: Table, data: Path) -> None:
        self.table = table
        self.data = data

    async def receive(self, request: Request) -> Response:
        """Answer 200 when every record of the body is committed, else 400 or 500."""
        received_at = _now()
        try:
            records = split(_plain(await request.body(), request))
        except BodyError as exc:
            return _json({"status": "error", "error": str(exc)}, 400)
        delivery = Delivery(
            webhook=request.path_params["webhook"],
            request_id=request.headers.get("idempotency-key"),
            received_at=received_at,
            records=records,
        )
        try:
            count = await asyncio.wrap_future(self.table.append(delivery))
        except TableError as exc:
            return _json({"status": "error", "error": str(exc)}, 500)
        return _json({"status": "ok", "records": count})

    async def sql(self, request: Request) -> Response:
        """Answer `{"sql": ...}` with `{"columns": [...], "rows": [[...]]}`."""
        try:
            asked = msgspec.json.decode(await request.body(), type=dict[str, Any])
            sql = str(asked["sql"])
            answer = await asyncio.to_thread(self.table.ask, sql)
        except (ValueError, KeyError):  # msgspec's and Unicode's are such
            return _json({"error": 'The body must be {"sql": "select ..."}'}, 400)
        except TableError as exc:
            return _json({"error": str(exc)}, 400)
        return _json(answer)

    async def ids(self, request: Request) -> Response:
        """Count a webhook's rows, and how many of them are distinct by uuid."""
        webhook = request.path_params["webhook"]
        answer = await asyncio.to_thread(self.table.ask, IDS, [webhook])
        row = dict(zip(answer["columns"], answer["rows"][0], strict=True))
        return _json({"webhook": webhook, **row})

    async def stats(self, request: Request) -> Response:
        """Answer what the page shows, and whose process this is."""
        only = request.query_params.get("webhook")
        figures = await asyncio.to_thread(stats.figures, self.table.ask, _now(), only)
        data = str(self.data.resolve())
        return _json({"pid": os.getpid(), "data": data, **figures})

    async def page(self, _request: Request) -> Response:
        """Answer the page. It has no part outside of itself."""
        text = resources.files("sandbox.patterns").joinpath("page.html").read_text()
        return HTMLResponse(text, headers={"Cache-Control": "no-store"})


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


def _plain(body: bytes, request: Request) -> bytes:
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding == "identity":
        return body
    if encoding != "gzip":
        msg = f"Content-Encoding {encoding} is not taken; gzip is"
        raise BodyError(msg)
    try:
        stream = zlib.decompressobj(wbits=31)
        plain = stream.decompress(body)
    except zlib.error:
        stream = None
    if stream is None or not stream.eof or stream.unused_data:
        msg = "the body is not the gzip that Content-Encoding says"
        raise BodyError(msg)
    return plain


def _json(value: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, media_type="application/json")
