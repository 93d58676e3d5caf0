"""Capture: what PostHog's clients send becomes rows. Whose they are: ingestion.

`/batch/`, `/i/v0/e/`, `/e/`, `/capture/`: one event, a list, or a batch of them.
"""

from __future__ import annotations

import asyncio
import zlib
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec
from starlette.responses import JSONResponse, Response

from sandbox.posthog import access, instants
from sandbox.posthog.errors import ApiError
from sandbox.posthog.ingestion import Ingestion
from sandbox.posthog.persons import Properties, text

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
    """The endpoint; batches are taken in one after the other, as of one partition."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._turn = asyncio.Lock()

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
        taken = [
            made
            for event in batch.batch
            if (made := _row(event, batch.sent_at, now)) is not None
        ]
        async with self._turn:
            rows = await self._ingest(taken, now)
        request.scope["sandbox.entry"].update(rows=len(rows))
        return JSONResponse({"status": "Ok"})

    async def _ingest(
        self, taken: list[tuple[dict[str, Any], Properties, datetime]], now: datetime
    ) -> list[dict[str, Any]]:
        """Store events, and all that they change; return the rows of `events`."""
        table, mode = self._state.table, self._state.behaviour.flag_evaluations_mode
        named = ((row["event"], row["distinct_id"], its) for row, its, _ in taken)
        changed = await Ingestion.load(table, named)
        rows = []
        for row, properties, at in taken:
            changed.learn(row, properties, at, now)
            if changed.copied(row, properties, mode):
                rows.append(row)
        await changed.write(table)
        await table.insert(rows)
        return rows


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
    event: Event, sent_at: object, now: datetime
) -> tuple[dict[str, Any], Properties, datetime] | None:
    """Make the row of one event; None for what PostHog drops without a word.

    With it come its properties, and when it happened.
    """
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
    row = {
        "event": event.event,
        "distinct_id": str(distinct_id),
        "properties": stored.decode(),
        "timestamp": _milliseconds(happened),
        "created_at": _milliseconds(now),
        "elements_chain": text(properties.get("$elements_chain")),
        "$session_id": text(properties.get("$session_id")),
        "$window_id": text(properties.get("$window_id")),
    }
    if event.uuid is not None:
        row["uuid"] = event.uuid
    return row, properties, happened


def _is_uuid(value: str | None) -> bool:
    try:
        return value is None or bool(UUID(value))
    except ValueError:
        return False


def _milliseconds(instant: datetime) -> str:
    """Write an instant as PostHog's ingestion does: no finer than milliseconds."""
    return instants.clickhouse(instant)[:-3]
