"""`POST /api/projects/:id/query/`: one HogQL query, asked and answered as PostHog's."""

from __future__ import annotations

import asyncio
import gzip
from collections import OrderedDict
from datetime import datetime, timedelta
from hashlib import md5
from typing import TYPE_CHECKING, Any

import msgspec
from chdb import ChdbError
from starlette.responses import Response

from sandbox.posthog import access, errors, rendering
from sandbox.posthog.fields import name
from sandbox.posthog.hogql import to_clickhouse
from sandbox.posthog.schema.catalogue import Catalogue
from sandbox.posthog.scopes import Rules

if TYPE_CHECKING:
    from starlette.requests import Request

    from sandbox.posthog.hogql import Printed
    from sandbox.posthog.state import State

_FRESH = timedelta(hours=6)  # the "day" threshold that PostHog has for HogQL
_KEPT = 32 * 2**20  # bytes of answers, the newest ones
_TOP = {
    "query", "refresh", "client_query_id", "name", "filters_override",
    "variables_override", "async",
}  # fmt: skip
_QUERY = {
    "kind", "query", "values", "variables", "filters", "modifiers", "name",
    "explain", "response", "tags", "version",
}  # fmt: skip


class Result(msgspec.Struct):
    """An answer, kept as it will be said again; `results` is JSON already."""

    results: bytes
    types: list[list[str]]
    columns: list[str]
    rows: int
    rows_read: int
    bytes_read: int
    at: datetime
    warnings: list[dict[str, Any]] | None
    limit: int | None
    more: bool | None


class QueryEndpoint:
    """The endpoint and the answers that it keeps."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._kept: OrderedDict[str, Result] = OrderedDict()

    def forget(self) -> None:
        """Drop the answers kept."""
        self._kept.clear()

    async def __call__(self, request: Request) -> Response:
        """Answer a request."""
        behaviour = self._state.behaviour
        if not behaviour.query_endpoint:  # an old self-hosted server
            msg = "Endpoint not found."
            raise errors.not_found(msg)
        key = access.authorize(request, behaviour)
        self._state.limits.throttle(key, behaviour)
        body = _body(await request.body())
        query = body["query"]
        entry = request.scope["sandbox.entry"]
        entry["hogql"] = query["query"]
        if behaviour.org_quota_exceeded:
            code = "api_queries_quota_exceeded"
            raise errors.ApiError(402, "server_error", code, errors.NO_QUOTA)
        kept, result = await self._result(query, body.get("refresh", "blocking"))
        entry.update(rows=result.rows)
        if not kept:
            entry.update(rows_read=result.rows_read, bytes_read=result.bytes_read)
        packed = behaviour.compress and _takes_gzip(request)
        return await _response(query, result, kept=kept, packed=packed)

    async def _result(self, query: dict[str, Any], refresh: str) -> tuple[bool, Result]:
        """Give a kept answer where PostHog would, else ask."""
        behaviour = self._state.behaviour
        convert = (query.get("modifiers") or {}).get("convertToProjectTimezone")
        guard = await self._state.guard()
        tables = Catalogue(behaviour, guard)
        rules = Rules(
            now=behaviour.now(),
            timezone="UTC" if convert is False else behaviour.project_timezone,
            limit_max=behaviour.limit_max,
            guard=guard,
            rows_from=self._state.shown_rows(),
            person=await self._state.person_of_event(),
            tables=tables,
            values=query.get("values") or {},
        )
        key = repr((query["query"], rules.timezone, sorted(rules.values.items())))
        kept = self._kept.get(key)
        if kept and refresh != "force_blocking" and rules.now - kept.at < _FRESH:
            return True, kept
        printed = to_clickhouse(query["query"], rules)
        self._state.limits.afford(behaviour)
        async with self._state.limits.slot(behaviour):
            await asyncio.sleep(behaviour.latency_seconds)
            result = await self._ask(printed, rules)
        self._kept[key] = result
        self._kept.move_to_end(key)
        while sum(len(kept.results) for kept in self._kept.values()) > _KEPT:
            self._kept.popitem(last=False)
        return False, result

    async def _ask(self, printed: Printed, rules: Rules) -> Result:
        table, behaviour = self._state.table, self._state.behaviour
        try:
            described = await table.values(f"describe table ({printed.sql})")
            types = [row[1] for row in described]
            answer = await table.ask(
                _rendered(printed, types), seconds=behaviour.execution_seconds
            )
        except ChdbError as exc:
            raise errors.from_clickhouse(str(exc)) from None
        self._state.limits.spend(answer.bytes_read, behaviour)
        most = behaviour.execution_rows
        if most is not None and answer.rows_read > most:
            raise errors.failed(504, errors.TOO_SLOW)
        data, rows, more = answer.data, answer.rows, None
        if not printed.limited:
            more = rows > printed.limit
            if more:
                shown = msgspec.json.decode(data, type=list[msgspec.Raw])
                data = msgspec.json.encode(shown[: printed.limit])
                rows = printed.limit
        return Result(
            results=data,
            types=[list(pair) for pair in zip(printed.columns, types, strict=True)],
            columns=printed.columns,
            rows=rows,
            rows_read=answer.rows_read,
            bytes_read=answer.bytes_read,
            at=rules.now,
            warnings=rules.tables.warnings(),
            limit=None if printed.limited else printed.limit,
            more=more,
        )


def _rendered(printed: Printed, types: list[str]) -> str:
    """Have ClickHouse print the values as PostHog shows them."""
    if not any(map(rendering.needs, types)):
        return printed.sql
    columns = (
        rendering.shown(name(inner), kind)
        for inner, kind in zip(printed.inner, types, strict=True)
    )
    return f"select {', '.join(columns)} from ({printed.sql})"  # noqa: S608 - printed from a checked tree


def _body(raw: bytes) -> dict[str, Any]:
    """Read and check what was sent, as strictly as PostHog's pydantic model."""
    try:
        body: Any = msgspec.json.decode(raw)
    except ValueError as exc:
        detail = f"JSON parse error - {exc}"
        raise errors.ApiError(400, "validation_error", "parse_error", detail) from None
    query = body.get("query") if isinstance(body, dict) else None
    if not isinstance(query, dict):
        msg = "This field is required."
        raise errors.invalid(msg, attr="query")
    for given, known, where in ((body, _TOP, ""), (query, _QUERY, "query.")):
        for key in given:
            if key not in known:
                detail = f"Extra inputs are not permitted: {where}{key}"
                raise errors.invalid(detail, attr=f"{where}{key}")
    if query.get("kind") != "HogQLQuery":
        detail = f"The sandbox has no query of kind {query.get('kind')!r}"
        raise errors.invalid(detail, attr="query.kind")
    if not isinstance(query.get("query"), str):
        msg = "Input should be a valid string"
        raise errors.invalid(msg, attr="query.query")
    refresh = body.get("refresh", "blocking")
    if refresh not in ("blocking", "force_blocking"):
        msg = f"The sandbox has no refresh {refresh!r}"
        raise errors.invalid(msg, attr="refresh")
    checked: dict[str, Any] = body
    return checked


def _takes_gzip(request: Request) -> bool:
    """Say whether PostHog would compress: only where the project is a number."""
    numeric: bool = request.path_params["project"].isdigit()
    return numeric and "gzip" in request.headers.get("accept-encoding", "")


async def _response(
    query: dict[str, Any], result: Result, *, kept: bool, packed: bool
) -> Response:
    """Put an answer into PostHog's envelope."""
    envelope = {
        "cache_key": f"cache_{md5(query['query'].encode()).hexdigest()}",  # noqa: S324 - a name
        "is_cached": kept,
        "last_refresh": result.at,
        "cache_target_age": result.at + _FRESH,
        "next_allowed_client_refresh": result.at + timedelta(minutes=3),
        "query": query,
        "hogql": query["query"],
        "columns": result.columns,
        "types": result.types,
        "hasMore": result.more,
        "limit": result.limit,
        "offset": None if result.limit is None else 0,
        "error": None,
        "warnings": result.warnings,
        "timings": None,
        "modifiers": query.get("modifiers") or {},
        "results": msgspec.Raw(result.results),
    }
    body = msgspec.json.encode(envelope)
    headers = {"Vary": "Accept-Encoding"}
    if packed:
        body = await asyncio.to_thread(gzip.compress, body, 1, mtime=0)
        headers["Content-Encoding"] = "gzip"
    return Response(body, headers=headers, media_type="application/json")
