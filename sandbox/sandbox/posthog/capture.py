"""Capture: what PostHog's clients send becomes rows. Which row is whose: persons.

`/batch/`, `/i/v0/e/`, `/e/`, `/capture/`: one event, a list, or a batch of them.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec
from starlette.responses import JSONResponse, Response

from sandbox.posthog import access, instants
from sandbox.posthog.errors import ApiError
from sandbox.posthog.persons import Persons, Properties, text

if TYPE_CHECKING:
    from datetime import datetime

    from starlette.requests import Request

    from sandbox.posthog.state import State

PATHS = ("/batch", "/i/v0/e", "/e", "/capture")
LARGEST = 1024 * 1024  # bytes of one event; a larger one is dropped, with a warning
_GZIP = b"\x1f\x8b"
_NOTHING = msgspec.Raw()
_LIFTED = ("$set", "$set_once")  # may stand beside the properties; stored in them


class Event(msgspec.Struct, rename={"set": "$set", "set_once": "$set_once"}):
    """An event as clients send it; `properties` stays the text that came."""

    event: str | None = None
    distinct_id: str | int | float | None = None
    uuid: str | None = None
    timestamp: Any = None
    offset: float | None = None
    sent_at: Any = None
    api_key: str | None = None
    token: str | None = None
    properties: msgspec.Raw = _NOTHING
    set: msgspec.Raw = _NOTHING
    set_once: msgspec.Raw = _NOTHING


class Batch(msgspec.Struct):
    """Many events under one token."""

    batch: list[Event]
    api_key: str | None = None
    token: str | None = None
    sent_at: Any = None


class CaptureEndpoint:
    """The endpoint, and what it knows of persons."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._persons: Persons | None = None

    def forget(self) -> None:
        """Drop what is known of persons."""
        self._persons = None

    async def __call__(self, request: Request) -> Response:
        """Take events in."""
        now = self._state.behaviour.now()
        batch = _batch(_plain(await request.body()))
        if access.CAPTURE_TOKEN not in {batch.api_key, batch.token}:
            detail = (
                "Project API key invalid. You can find your project API key in your "
                "PostHog project settings."
            )
            raise ApiError(401, "authentication_error", "invalid_api_key", detail)
        if self._persons is None:
            self._persons = await Persons.load(self._state.table)
        rows = [
            row
            for event in batch.batch
            if (row := _row(event, batch.sent_at, now, self._persons)) is not None
        ]
        await self._state.table.insert(rows)
        request.scope["sandbox.entry"].update(rows=len(rows))
        return JSONResponse({"status": "Ok"})


def _plain(body: bytes) -> bytes:
    """Unpack what is packed; clients do not always say so."""
    if not body.startswith(_GZIP):
        return body
    try:
        return zlib.decompress(body, wbits=31)
    except zlib.error as exc:
        raise _unreadable(exc) from None


def _batch(body: bytes) -> Batch:
    try:
        sent = msgspec.json.decode(body, type=list[Event] | dict[str, msgspec.Raw])
        if isinstance(sent, dict) and "batch" in sent:
            return msgspec.json.decode(body, type=Batch)
        events = sent if isinstance(sent, list) else [_one(body)]
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise _unreadable(exc) from None
    first = events[0] if events else Event()
    inside = text(_properties(first).get("token"))
    return Batch(events, first.api_key, first.token or inside, first.sent_at)


def _one(body: bytes) -> Event:
    return msgspec.json.decode(body, type=Event)


def _unreadable(exc: Exception) -> ApiError:
    detail = f"Malformed request data: {exc}"
    return ApiError(400, "validation_error", "invalid_payload", detail)


def _properties(event: Event) -> Properties:
    try:
        return msgspec.json.decode(event.properties or b"{}", type=Properties)
    except msgspec.ValidationError:  # null, say
        return {}


def _row(
    event: Event, sent_at: object, now: datetime, persons: Persons
) -> dict[str, Any] | None:
    """Make the row of one event; None for what PostHog drops without a word."""
    properties = _properties(event)
    distinct_id = event.distinct_id or text(properties.get("distinct_id"))
    if not event.event or not distinct_id or not _is_uuid(event.uuid):
        return None
    stored = bytes(event.properties) if properties else b"{}"
    for key, value in zip(_LIFTED, (event.set, event.set_once), strict=True):
        if value and key not in properties:
            properties[key] = value
            comma = b"," if stored != b"{}" else b""
            stored = stored.rstrip()[:-1] + comma + f'"{key}":'.encode() + value + b"}"
    if len(stored) > LARGEST:
        return None
    ignore = properties.get("$ignore_sent_at")
    happened = instants.captured(
        {
            "timestamp": event.timestamp,
            "offset": event.offset,
            "ignore_sent_at": ignore is not None and bytes(ignore) == b"true",
        },
        sent_at or event.sent_at,
        now,
    )
    distinct_id = str(distinct_id)
    persons.learn(event.event, distinct_id, properties)
    person = persons.of(distinct_id)
    row = {
        "event": event.event,
        "distinct_id": distinct_id,
        "properties": stored.decode(),
        "timestamp": _milliseconds(happened),
        "created_at": _milliseconds(now),
        "person_id": person,
        "person_properties": persons.properties_of(person),
        "elements_chain": text(properties.get("$elements_chain")),
        "$session_id": text(properties.get("$session_id")),
        "$window_id": text(properties.get("$window_id")),
    }
    return row if event.uuid is None else row | {"uuid": event.uuid}


def _is_uuid(value: str | None) -> bool:
    try:
        return value is None or bool(UUID(value))
    except ValueError:
        return False


def _milliseconds(instant: datetime) -> str:
    """Write an instant as PostHog's ingestion does: no finer than milliseconds."""
    return instants.clickhouse(instant)[:-3]
