"""The lists of definitions: which events and properties there are. Read from the data.

What is put under the same name replaces what the data say, or takes it off.
"""

from __future__ import annotations

from hashlib import md5
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sandbox.posthog import access
from sandbox.posthog.errors import ApiError, invalid
from sandbox.posthog.lists.objects import objects
from sandbox.posthog.lists.paging import Page, choice
from sandbox.posthog.schema.activity import SESSION

if TYPE_CHECKING:
    from starlette.requests import Request

    from sandbox.posthog.state import State

TYPES = ("event", "person", "group", "session")
_MOST_GROUPS = 5
# Properties that PostHog works out. Their ids are no UUIDs, the same in each project.
_VIRTUAL = {
    "person": ("initial_channel_type", "initial_referring_domain_type", "revenue"),
    "group": ("revenue", "mrr"),
}
_NUMBERS = {"Int64", "UInt64", "Double"}  # what ClickHouse calls JSON's

Object = dict[str, Any]


async def event_definitions(state: State, request: Request) -> Object:
    """Answer a page of events."""
    _allow(state, request, "event_definition")
    rows = await state.table.values(
        "select event, formatDateTime(min(created_at), '%FT%T.%fZ'),"  # noqa: S608 - our own condition
        " formatDateTime(max(timestamp), '%FT%T.%fZ') from events"
        f" where {await state.guard()} group by event order by event"
    )
    found = [
        {
            "id": _id("event", name),
            "name": name,
            "created_at": created,
            "last_seen_at": seen,
            "last_updated_at": created,
            "tags": [],
            "is_action": False,
            "action_id": None,
            "is_calculating": False,
            "last_calculated_at": None,
            "created_by": None,
            "post_to_slack": False,
            "default_columns": [],
            "media_preview_urls": [],
        }
        for name, created, seen in rows
    ]
    found = _replaced(found, await objects(state, "event_definitions"))
    page = Page.of(request)
    part = found[page.offset : page.offset + page.limit]
    return page.envelope(request, len(found), part)


async def property_definitions(state: State, request: Request) -> Object:
    """Answer a page of one type's properties; the virtual ones end the last page."""
    _allow(state, request, "property_definition")
    kind = choice(request, "type", TYPES, "event")
    index = _group_index(request) if kind == "group" else None
    found: list[Object] = [
        {
            "id": _id(kind, f"{index}/{name}" if kind == "group" else name),
            "name": name,
            "is_numerical": shape == "Numeric",
            "property_type": shape,
            "tags": [],
            "is_seen_on_filtered_events": None,
        }
        for name, shape in await _properties(state, kind, index)
    ]
    stored = [
        each
        for each in await objects(state, "property_definitions")
        if each.get("type", "event") == kind and each.get("group_type_index") == index
    ]
    for each in stored:
        each.pop("type", None)
        each.pop("group_type_index", None)
    found = _replaced(found, stored)
    virtual = [_virtual(name) for name in _VIRTUAL.get(kind, ())]
    page = Page.of(request)
    part = found[page.offset : page.offset + page.limit]
    if page.offset + page.limit >= len(found):
        part += virtual  # a page past the end has them again
    return page.envelope(request, len(found), part) | {
        "count": len(found) + len(virtual)
    }


async def _properties(
    state: State, kind: str, index: int | None
) -> list[tuple[str, str | None]]:
    """Give names and shapes, by name."""
    if kind == "session":
        return [
            (name, _session_shape(column))
            for name, column in SESSION.kinds().items()
            if name.startswith("$")
        ]
    source = {
        "event": f"events where {await state.guard()}",
        "person": "person final where team_id = 1 and is_deleted = 0",
        "group": f"groups final where team_id = 1 and index = {index}",
    }[kind]
    rows = await state.table.values(
        "select pair.1 as name, groupUniqArray(toString(JSONType(pair.2))) from"  # noqa: S608 - our own condition
        " (select arrayJoin(JSONExtractKeysAndValuesRaw(properties)) as pair"
        f" from {source}) group by name order by name"
    )
    return [(name, _shape(set(kinds) - {"Null"})) for name, kinds in rows]


def _shape(kinds: set[str]) -> str | None:
    if kinds and kinds <= _NUMBERS:
        return "Numeric"
    return {"Bool": "Boolean", "String": "String"}.get(
        kinds.pop() if len(kinds) == 1 else ""
    )


def _session_shape(kind: str) -> str:
    for start, shape in (
        ("DateTime", "DateTime"),
        ("Bool", "Boolean"),
        ("Nullable(UInt8", "Boolean"),
        ("Int", "Numeric"),
        ("UInt", "Numeric"),
    ):
        if kind.startswith(start):
            return shape
    return "String"


def _virtual(name: str) -> Object:
    return {
        "id": f"$builtin_virt_{name}",
        "name": f"$virt_{name}",
        "is_numerical": name in {"revenue", "mrr"},
        "property_type": "Numeric" if name in {"revenue", "mrr"} else "String",
        "tags": [],
        "is_seen_on_filtered_events": None,
    }


def _group_index(request: Request) -> int:
    given = request.query_params.get("group_type_index", "")
    if not given.isdecimal() or int(given) >= _MOST_GROUPS:
        detail = "group_type_index must be an integer from 0 to 4 for type group"
        raise invalid(detail, attr="group_type_index")
    return int(given)


def _id(kind: str, name: str) -> str:
    return str(UUID(bytes=md5(f"{kind}/{name}".encode()).digest()))  # noqa: S324 - a name


def _replaced(found: list[Object], stored: list[Object]) -> list[Object]:
    by_name = {each["name"]: each for each in found}
    for each in stored:
        if each.get("deleted"):
            by_name.pop(each["name"], None)
        else:
            by_name[each["name"]] = by_name.get(each["name"], {}) | each
    return [by_name[name] for name in sorted(by_name)]


def _allow(state: State, request: Request, resource: str) -> None:
    """Let a request in, unless the count of a huge taxonomy has no time to end."""
    key = access.authorize(request, state.behaviour, f"{resource}:read")
    state.limits.throttle(key, state.behaviour)
    if state.behaviour.definitions_time_out:
        what = f"{resource.replace('_', ' ')}s"
        detail = f"Listing {what} took too long. Please try again."
        code = f"{resource}s_timed_out"
        raise ApiError(503, "server_error", code, detail)
