"""The shapes a record can be given: event, connector, activity; and which to leave out.

JSON text in, JSON text out: values are moved, never made, so no number is rounded.
"""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from target_patterns_webhook.raw_json import MalformedError, members

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from target_patterns_webhook.settings.settings import Settings

EVENT_COLUMNS = ("uuid", "event", "distinct_id", "timestamp", "properties")

Raw = msgspec.Raw
ABSENT = Raw()
NULL = Raw(b"null")


class Event(msgspec.Struct, gc=False):
    """The columns of an event that have a place in either shape."""

    uuid: Raw = NULL
    event: Raw = NULL
    distinct_id: Raw = NULL
    timestamp: Raw = NULL
    properties: Raw = NULL
    team_id: Raw = NULL


class ConnectorProperties(msgspec.Struct, gc=False):
    """The properties that the Connector app posts beside ``properties``."""

    ip: Raw = msgspec.field(default=NULL, name="$ip")
    set: Raw = msgspec.field(default=ABSENT, name="$set")
    set_once: Raw = msgspec.field(default=ABSENT, name="$set_once")


class ActivityProperties(msgspec.Struct, gc=False):
    """The properties that tell who was there, and where."""

    device_id: Raw = msgspec.field(default=NULL, name="$device_id")
    is_identified: Raw = msgspec.field(default=NULL, name="$is_identified")
    has_person: Raw = msgspec.field(default=NULL, name="$process_person_profile")
    current_url: Raw = msgspec.field(default=NULL, name="$current_url")


class EventName(msgspec.Struct, gc=False):
    """The one column that decides whether an event is sent."""

    event: Raw = NULL


def missing_columns(columns: Collection[str]) -> tuple[str, ...]:
    """Return which of an event's columns a stream does not have."""
    return tuple(name for name in EVENT_COLUMNS if name not in columns)


def shape_for(
    settings: Settings, columns: Collection[str]
) -> Callable[[bytes], bytes | None] | None:
    """Return what turns a stream's record into what is sent; None where nothing does.

    ``columns`` are the stream's. The function returns None for a record that
    ``allowed_event_types`` leaves out. A stream without an event's columns passes.
    """
    shape: Callable[[bytes], bytes] | None = None
    if not missing_columns(columns):
        if settings.record_format == "connector":
            shape = connector(settings.project_id)
        elif settings.record_format == "activity":
            shape = activity(settings.revenue_property)
    allowed = settings.allowed_event_types
    if allowed is None or "event" not in columns:
        return shape
    return _only(allowed, shape)


def _only(
    allowed: frozenset[str], shape: Callable[[bytes], bytes] | None
) -> Callable[[bytes], bytes | None]:
    def keep(record: bytes) -> bytes | None:
        name = bytes(_take(EventName, record).event)
        if name[:1] != b'"':
            return None
        plain = b"\\" not in name
        if (name[1:-1].decode() if plain else json.loads(name)) not in allowed:
            return None
        return shape(record) if shape else record

    return keep


def connector(project_id: int | None) -> Callable[[bytes], bytes]:
    """Return what makes an event what PostHog's Patterns Connector app posts for it.

    A record that has a ``team_id`` of its own keeps it.
    """
    project = NULL if project_id is None else Raw(b"%d" % project_id)

    def row(record: bytes) -> bytes:
        event = _take(Event, record)
        properties = _properties(ConnectorProperties, event)
        text = b'{"uuid":%b,"event":%b,"distinct_id":%b,"timestamp":%b,' % (
            bytes(event.uuid),
            bytes(event.event),
            bytes(event.distinct_id),
            bytes(event.timestamp),
        )
        text += b'"properties":%b,"team_id":%b,"ip":%b' % (
            bytes(event.properties),
            bytes(project if event.team_id == NULL else event.team_id),
            bytes(properties.ip),
        )
        if properties.set != ABSENT:
            text += b',"$set":%b' % bytes(properties.set)
        if properties.set_once != ABSENT:
            text += b',"$set_once":%b' % bytes(properties.set_once)
        return text + b"}"

    return row


@cache
def activity(revenue_property: str) -> Callable[[bytes], bytes]:
    """Return what makes an event a row of the Activity Schema 2.0.

    A run has one such property, and may have very many SCHEMA messages: so it is made
    once, with the decoder behind it.
    """
    revenue = msgspec.defstruct(
        "Revenue",
        [("amount", Raw, msgspec.field(default=NULL, name=revenue_property))],
        gc=False,
    )

    def row(record: bytes) -> bytes:
        event = _take(Event, record)
        properties = _properties(ActivityProperties, event)
        amount = bytes(_properties(revenue, event).amount)  # type: ignore[attr-defined]  # defstruct made it
        customer = event.distinct_id if _identified(event, properties) else NULL
        device = properties.device_id
        return (
            b'{"activity_id":%b,"ts":%b,"customer":%b,"anonymous_customer_id":%b,'
            b'"activity":%b,"feature_json":%b,"revenue_impact":%b,"link":%b}'
        ) % (
            bytes(event.uuid),
            bytes(event.timestamp),
            bytes(customer),
            bytes(event.distinct_id if device == NULL else device),
            bytes(event.event),
            bytes(event.properties),
            amount if amount[:1] in b"-0123456789" else b"null",
            bytes(properties.current_url),
        )

    return row


def _identified(event: Event, properties: ActivityProperties) -> bool:
    """Say whether distinct_id is the name of a person, by what PostHog's clients set.

    posthog-js says so itself. Where it does not: an event without a person profile is
    anonymous, so is one whose distinct_id is its device's; servers name their users.
    Source: https://posthog.com/docs/data/anonymous-vs-identified-events
    """
    told = bytes(properties.is_identified)
    if told in {b"true", b"false"}:
        return told == b"true"
    if bytes(properties.has_person) == b"false":
        return False
    return event.distinct_id != properties.device_id


class Moment(msgspec.Struct, gc=False):
    """The one column that tells where in time a stream is."""

    timestamp: str | None = None


def moment(record: bytes) -> str:
    """Return a record's ``timestamp``, empty where it has none that is text."""
    try:
        return msgspec.json.decode(record, type=Moment).timestamp or ""
    except (msgspec.MsgspecError, RecursionError):
        return ""


T = TypeVar("T", bound=msgspec.Struct)
_decoders: dict[type, Any] = {}


def _take(kind: type[T], text: bytes | Raw) -> T:
    """Take an object's members as text, those only that ``kind`` names."""
    decoder = _decoders.get(kind)
    if decoder is None:
        decoder = _decoders[kind] = msgspec.json.Decoder(kind)
    try:
        taken: T = decoder.decode(text)
    except (msgspec.MsgspecError, RecursionError):
        found = members(bytes(text))
        fields = msgspec.structs.fields(kind)
        taken = kind(
            **{
                f.name: Raw(found[f.encode_name])
                for f in fields
                if f.encode_name in found
            }
        )
    return taken


def _properties(kind: type[T], event: Event) -> T:
    """Take the properties that ``kind`` names; none where they are no object."""
    if bytes(memoryview(event.properties)[:1]) != b"{":
        return kind()
    try:
        return _take(kind, event.properties)
    except MalformedError:
        return kind()
