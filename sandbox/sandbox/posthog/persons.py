"""Whose event it is: distinct ids to persons, and what is set on them. Kept simple.

An event keeps the person that it was ingested with; PostHog's own merges of past
events are not played.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import md5
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

if TYPE_CHECKING:
    from sandbox.posthog.table import Table

_MERGES = {"$identify": "$anon_distinct_id", "$create_alias": "alias"}
_MERGES["$merge_dangerously"] = "alias"

Properties = dict[str, msgspec.Raw]


def first_person(distinct_id: str) -> str:
    """Say which person an id has before any merge; as the table's default does."""
    return str(UUID(bytes=md5(distinct_id.encode()).digest()))  # noqa: S324 - a name


@dataclass(slots=True)
class Persons:
    """The persons that differ from the table's defaults."""

    _of: dict[str, str] = field(default_factory=dict)
    _properties: dict[str, Properties] = field(default_factory=dict)

    @classmethod
    async def load(cls, table: Table) -> Persons:
        """Learn from the events of an earlier run."""
        persons = cls()
        for distinct_id, person, properties in await table.values(
            "select distinct_id, argMax(person_id, _timestamp),"
            " argMax(person_properties, _timestamp) from events"
            " where person_properties != '{}'"
            " or person_id != toUUID(UUIDNumToString(MD5(distinct_id)))"
            " group by distinct_id"
        ):
            persons._of[distinct_id] = person
            persons._properties[person] = _objects(properties.encode())
        return persons

    def of(self, distinct_id: str) -> str:
        """Say which person an id has now."""
        return self._of.get(distinct_id) or first_person(distinct_id)

    def properties_of(self, person: str) -> str:
        """Say what is set on a person, as JSON."""
        return msgspec.json.encode(self._properties.get(person, {})).decode()

    def learn(self, event: str, distinct_id: str, properties: Properties) -> None:
        """Take in what an event says about persons."""
        person = self.of(distinct_id)
        if other := text(properties.get(_MERGES.get(event, ""))):
            self._of[other] = person
        known = self._properties.get(person, {})
        once = _objects(properties.get("$set_once", b"{}"))
        always = _objects(properties.get("$set", b"{}"))
        if once or always:
            self._properties[person] = once | known | always


def text(raw: msgspec.Raw | None) -> str:
    """Read a value that should be a string; anything else is none."""
    value = msgspec.json.decode(raw) if raw else ""
    return value if isinstance(value, str) else ""


def _objects(raw: msgspec.Raw | bytes) -> Properties:
    try:
        return msgspec.json.decode(raw, type=Properties)
    except msgspec.ValidationError:
        return {}
