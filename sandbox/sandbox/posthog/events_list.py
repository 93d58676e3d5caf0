"""`GET /api/projects/:id/events/`: the deprecated list, with its documented defects.

Kept on purpose, from PostHog's legacy_events_query.py and events_query_runner.py:
the limit is clamped without a word; bounds are strict and there is no tie-breaker,
so `next` loses rows that share the last one's timestamp; newest first, the list
looks into short windows first and says `next: null` when such a window is used up;
instants without an offset are read in the project's timezone; quotes around text
values are lost. Filters on properties or actions, and `elements`, are not here.
"""

from __future__ import annotations

import asyncio
import json
import math
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlencode

import msgspec
from chdb import ChdbError
from starlette.responses import JSONResponse, Response

from sandbox.posthog import access, errors, instants
from sandbox.posthog.fields import text

if TYPE_CHECKING:
    from starlette.requests import Request

    from sandbox.posthog.state import State

DEFAULT_LIMIT = 100
_OFFSET_MAX = 50_000
_WINDOWS = [timedelta(minutes=m) for m in (1, 5, 15, 60, 6 * 60, 24 * 60)]
_AHEAD = timedelta(seconds=5)
_PERSON = ("email", "name", "username")
_EXACT = ("event", "distinct_id", "person_id")
_ABSENT = ("properties", "action_id")

_COLUMNS = (
    "events.uuid, events.distinct_id, events.properties, events.event,"
    " toUnixTimestamp64Micro(events.timestamp), events.elements_chain,"
    " events.person_properties"
)

Row = list[Any]


class _Page(NamedTuple):
    """Which rows are asked for; both bounds are strict."""

    where: list[str]
    after: datetime | None
    before: datetime
    limit: int
    offset: int
    newest_first: bool


class EventsList:
    """The list, and one event by its uuid."""

    def __init__(self, state: State) -> None:
        self._state = state

    async def get(self, request: Request) -> Response:
        """Answer one page."""
        key = access.authorize(request, self._state.behaviour)
        self._state.limits.throttle(key, self._state.behaviour)
        asked = request.query_params
        limit, offset = self._limit(asked.get("limit")), _offset(asked.get("offset"))
        if offset:
            await asyncio.sleep(1)  # PostHog does, so that nobody pages this way
        newest_first = _newest_first(asked.get("orderBy"))
        where = [
            f"events.{name} = {text(asked[name])}" for name in _EXACT if name in asked
        ]
        for name in _ABSENT:
            if name in asked:
                msg = f"The sandbox has no filter {name!r}"
                raise errors.invalid(msg, attr=name)
        before = self._bound(asked.get("before")) or self._now() + _AHEAD
        after = self._bound(asked.get("after"))
        page = _Page(where, after, before, limit, offset, newest_first)
        rows = await self._page(page, request.scope["sandbox.entry"])
        people = asked.get("include_person") in {"true", "1"}
        shown = [_shown(row, person=people) for row in rows[:limit]]
        request.scope["sandbox.entry"].update(rows=len(shown))
        more = len(rows) > limit
        body = {
            "next": _next(
                request, rows[limit - 1], "before" if newest_first else "after"
            )
            if more
            else None,
            "results": shown,
        }
        return Response(json.dumps(body), media_type="application/json")

    async def one(self, request: Request) -> Response:
        """Answer one event."""
        access.authorize(request, self._state.behaviour)
        try:
            found = await self._rows(
                [f"events.uuid = toUUID({text(request.path_params['uuid'])})"],
                "limit 1",
                request.scope["sandbox.entry"],
            )
        except errors.ApiError as exc:
            msg = "Invalid UUID"
            raise errors.invalid(msg, attr="id") from exc
        if not found:
            msg = "No events exist for event UUID."
            raise errors.not_found(msg)
        return JSONResponse(_shown(found[0], person=True))

    def _now(self) -> datetime:
        return self._state.behaviour.now()

    def _limit(self, asked: str | None) -> int:
        limit = int(asked) if asked and asked.isdigit() else DEFAULT_LIMIT
        return min(limit or DEFAULT_LIMIT, self._state.behaviour.events_list_max)

    def _bound(self, asked: str | None) -> datetime | None:
        if not asked:
            return None
        zone = self._state.behaviour.project_timezone
        bound = instants.bound(asked, zone, self._now())
        if bound is None:
            msg = f"Invalid date: {asked}"
            raise errors.invalid(msg)
        return bound

    async def _page(self, page: _Page, entry: dict[str, Any]) -> list[Row]:
        """Read a page's rows, and one more where there is one."""
        order = "desc" if page.newest_first else "asc"
        cut = f"limit {page.limit + 1} offset {page.offset}"
        tail = f"order by events.timestamp {order} {cut}"
        bounds = [*page.where, f"events.timestamp < {_literal(page.before)}"]
        for window in _WINDOWS if page.newest_first else ():
            start = page.before - window
            if page.after is not None and start <= page.after:
                break
            inside = [*bounds, f"events.timestamp > {_literal(start)}"]
            rows = await self._rows(inside, tail, entry)
            if len(rows) >= page.limit / 2:
                return rows
        if page.after is not None:
            bounds.append(f"events.timestamp > {_literal(page.after)}")
        return await self._rows(bounds, tail, entry)

    async def _rows(
        self, where: list[str], tail: str, entry: dict[str, Any]
    ) -> list[Row]:
        behaviour = self._state.behaviour
        conditions = " and ".join([await self._state.guard(), *where])
        source = self._state.shown_rows()
        sql = f"select {_COLUMNS} from {source} where {conditions} {tail}"  # noqa: S608 - values are escaped
        try:
            seconds = behaviour.execution_seconds
            answer = await self._state.table.ask(sql, seconds=seconds)
        except ChdbError as exc:
            raise errors.from_clickhouse(str(exc)) from None
        entry["rows_read"] = (entry["rows_read"] or 0) + answer.rows_read
        entry["bytes_read"] = (entry["bytes_read"] or 0) + answer.bytes_read
        rows: list[Row] = msgspec.json.decode(answer.data)
        return rows


def _literal(instant: datetime) -> str:
    return f"toDateTime64('{instants.clickhouse(instant)}', 6, 'UTC')"


def _offset(asked: str | None) -> int:
    offset = int(asked) if asked and asked.isdigit() else 0
    if offset > _OFFSET_MAX:
        detail = f"Offset is deprecated. Max supported offset value is {_OFFSET_MAX}"
        raise errors.invalid(detail, attr="offset")
    return offset


def _newest_first(order_by: str | None) -> bool:
    try:
        return not order_by or json.loads(order_by) == ["-timestamp"]
    except ValueError as exc:  # PostHog does not catch it either
        raise errors.failed(500, "A server error occurred.") from exc


def _iso(micros: int) -> str:
    whole, rest = divmod(micros, 1_000_000)
    return datetime.fromtimestamp(whole, UTC).replace(microsecond=rest).isoformat()


def _next(request: Request, last: Row, moved: str) -> str:
    """Say where the next page is: this URL with one bound moved to the last row."""
    asked = dict(request.query_params) | {moved: _iso(last[4])}
    return f"{request.url.replace(query=urlencode(asked))}"


def _shown(row: Row, *, person: bool) -> dict[str, Any]:
    uuid, distinct_id, properties, event, micros, chain, person_properties = row
    return {
        "id": uuid,
        "distinct_id": distinct_id,
        "properties": {
            key: value.strip('"') if isinstance(value, str) else value
            for key, value in _parsed(properties).items()
        },
        "event": event,
        "timestamp": _iso(micros),
        "person": _person(distinct_id, person_properties) if person else None,
        "elements": [],
        "elements_chain": chain,
    }


def _person(distinct_id: str, properties: str) -> dict[str, Any]:
    known = _parsed(properties)
    return {
        "is_identified": bool(known),
        "distinct_ids": [distinct_id],
        "properties": {key: known[key] for key in _PERSON if key in known},
    }


def _parsed(properties: str) -> dict[str, Any]:
    """Read JSON as PostHog's Python does: what is no number in JSON is null."""
    try:
        return msgspec.json.decode(properties, type=dict[str, Any])
    except msgspec.DecodeError:
        lenient = json.loads(properties, parse_constant=lambda _: None)
        finite: dict[str, Any] = _finite(lenient)
        return finite


def _finite(value: Any) -> Any:  # noqa: ANN401 - any JSON
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list) else value
