"""The lists of settings objects: feature flags, experiments, surveys, group types.

An object is kept as the JSON that PostHog answers with, under its kind and its id.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from sandbox.posthog import access
from sandbox.posthog.errors import not_found
from sandbox.posthog.fields import text
from sandbox.posthog.lists.paging import Page
from sandbox.posthog.schema.table_types import Stored

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

    from sandbox.posthog.state import State

OBJECTS = Stored(
    name="list_objects",
    key="kind, id",
    columns="""
kind String
id String
body JSON default '{}'
""",
)
# Which scope a list needs, and what it leaves out of each object.
LISTS: Mapping[str, tuple[str, frozenset[str]]] = {
    "feature_flags": ("feature_flag:read", frozenset()),
    "experiments": (
        "experiment:read",
        frozenset({"metrics", "metrics_secondary", "saved_metrics"}),
    ),
    "surveys": ("survey:read", frozenset()),
}
KINDS = frozenset({*LISTS, "event_definitions", "property_definitions"})

Object = dict[str, Any]


async def objects(state: State, kind: str) -> list[Object]:
    """Give the objects of a kind, in the order of their ids."""
    rows = await state.table.values(
        f"select body from list_objects final where team_id = {access.PROJECT}"  # noqa: S608 - quoted
        f" and kind = {text(kind)} order by toInt64OrZero(id), id"
    )
    return [msgspec.json.decode(body, type=Object) for (body,) in rows]


async def put(state: State, kind: str, given: list[Object]) -> None:
    """Keep objects; one with the id of an older one replaces it, or ends it."""
    rows = [
        {
            "kind": kind,
            "id": str(each["id"]),
            "body": msgspec.json.encode(each).decode(),
            "_gone": int(bool(each.get("_gone"))),
        }
        for each in given
    ]
    await state.table.insert(rows, OBJECTS.name)


async def listed(state: State, kind: str, request: Request) -> Object:
    """Answer a page of a list."""
    _authorize(state, kind, request)
    found = [each for each in await objects(state, kind) if not each.get("deleted")]
    if kind == "feature_flags":  # archived ones only where they are asked for
        archived = request.query_params.get("archived", "false").lower() == "true"
        found = [each for each in found if bool(each.get("archived")) == archived]
    # by descending id among equals, so that a walk is stable
    found.reverse()
    found.sort(key=lambda each: str(each.get("created_at", "")), reverse=True)
    if request.query_params.get("order") == "id":
        found.sort(key=lambda each: each["id"])
    page, (_, without) = Page.of(request), LISTS[kind]
    shown = [
        {name: value for name, value in each.items() if name not in without}
        for each in found[page.offset : page.offset + page.limit]
    ]
    return page.envelope(request, len(found), shown)


async def one(state: State, kind: str, request: Request) -> Object:
    """Answer one object, whole; a deleted one, too.

    Raises:
        ApiError: There is none with this id.
    """
    _authorize(state, kind, request)
    asked = request.path_params["id"]
    for each in await objects(state, kind):
        if str(each["id"]) == asked:
            return each
    msg = "Not found."
    raise not_found(msg)


async def group_types(state: State, request: Request) -> list[Object]:
    """Answer the types of groups: a bare list, with no envelope around it."""
    key = access.authorize(request, state.behaviour, "group:read")
    state.limits.throttle(key, state.behaviour)
    rows = await state.table.values(
        "select group_type, group_type_index, formatDateTime(created_at, '%FT%T.%fZ')"
        " from group_type_mappings final where team_id = 1 order by group_type_index"
    )
    return [
        {
            "group_type": name,
            "group_type_index": index,
            "name_singular": None,
            "name_plural": None,
            "detail_dashboard": None,
            "default_columns": None,
            "created_at": created,
        }
        for name, index, created in rows
    ]


def _authorize(state: State, kind: str, request: Request) -> None:
    scope, _ = LISTS[kind]
    key = access.authorize(request, state.behaviour, scope)
    state.limits.throttle(key, state.behaviour)
