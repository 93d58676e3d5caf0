"""Whose event it is: distinct ids to persons, merges, and what is set on persons.

The rules are PostHog's (its handbook's person processing): a person is made by the
first event of an id; `$identify` and aliases make two persons one, where the one that
vanishes was not identified yet.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import md5
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec

from sandbox.posthog import instants

if TYPE_CHECKING:
    from datetime import datetime

_MERGES = {"$identify": "$anon_distinct_id", "$create_alias": "alias"}
_MERGES["$merge_dangerously"] = "alias"
_DELETION = 100  # how much a deleted person's version goes up

Properties = dict[str, msgspec.Raw]


def first_person(distinct_id: str) -> str:
    """Say which person an id has before any merge; as the table's default does."""
    return str(UUID(bytes=md5(distinct_id.encode()).digest()))  # noqa: S324 - a name


@dataclass(slots=True)
class Person:
    """One person, as stored; `changed` says whether it must be written again."""

    id: str
    created_at: datetime
    properties: Properties = field(default_factory=dict)
    is_identified: bool = False
    last_seen_at: datetime | None = None
    is_deleted: bool = False
    version: int = 0
    changed: bool = False

    def seen(self, at: datetime, *, make: Properties, once: Properties) -> None:
        """Take in one event: when it happened, what it sets, and sets if it is new."""
        properties = once | self.properties | make
        hour = at.replace(minute=0, second=0, microsecond=0)
        later = self.last_seen_at is None or hour > self.last_seen_at
        if later:
            self.last_seen_at = hour
        if later or properties != self.properties:
            self.properties = properties
            self.written()

    def written(self) -> None:
        """Count one write."""
        self.version += not self.changed or self.version > 0
        self.changed = True

    def row(self) -> dict[str, Any]:
        """Give the row to store."""
        seen = self.last_seen_at
        return {
            "id": self.id,
            "created_at": instants.clickhouse(self.created_at),
            "properties": self.text(),
            "is_identified": int(self.is_identified),
            "last_seen_at": instants.clickhouse(seen) if seen else None,
            "is_deleted": int(self.is_deleted),
            "version": self.version,
        }

    def text(self) -> str:
        """Give what is set on it, as JSON."""
        return msgspec.json.encode(self.properties).decode()


@dataclass(slots=True)
class Mapping:
    """Which person an id is; one that is deleted is only remembered for its version."""

    person: str
    version: int = 0
    is_deleted: bool = False
    changed: bool = False


@dataclass(slots=True)
class Persons:
    """The persons that one batch is about."""

    of: dict[str, Mapping] = field(default_factory=dict)
    by_id: dict[str, Person] = field(default_factory=dict)

    def person(self, distinct_id: str) -> Person | None:
        """Give the person of an id, if it has one."""
        mapping = self.of.get(distinct_id)
        if mapping is None or mapping.is_deleted:
            return None
        person = self.by_id.get(mapping.person)
        return None if person is None or person.is_deleted else person

    def learn(
        self, event: str, distinct_id: str, at: datetime, properties: Properties
    ) -> tuple[str, str]:
        """Take in what an event says.

        Returns:
            Whose it is, and what is set on that person, as JSON.
        """
        other = text(properties.get(_MERGES.get(event, "")))
        if other:
            force = event == "$merge_dangerously"
            self._merge(other, distinct_id, at, force=force)
        profile = properties.get("$process_person_profile")
        person = self.person(distinct_id)
        if profile is not None and bytes(profile) == b"false":
            if person is None:
                return first_person(distinct_id), "{}"
            return person.id, person.text()
        if person is None:
            person = self._make(distinct_id, at)
        once = objects(properties.get("$set_once", b"{}"))
        person.seen(at, make=objects(properties.get("$set", b"{}")), once=once)
        return person.id, person.text()

    def _make(self, distinct_id: str, at: datetime) -> Person:
        made = first_person(distinct_id)
        before = self.by_id.get(made)
        version = before.version + 1 if before else 0
        person = Person(made, at, version=version, changed=True)
        self.by_id[made] = person
        self._map(distinct_id, person)
        return person

    def _map(self, distinct_id: str, person: Person) -> None:
        before = self.of.get(distinct_id)
        version = before.version + 1 if before else 0
        self.of[distinct_id] = Mapping(person.id, version, changed=True)

    def _merge(self, other: str, into: str, at: datetime, *, force: bool) -> None:
        """Make two ids one person: that of `into`, where both have one."""
        lost, kept = self.person(other), self.person(into)
        if kept is None and lost is None:
            kept = self._make(into, at)
            self._map(other, kept)
        elif kept is None:
            kept = lost
            self._map(into, kept)  # type: ignore[arg-type]  # one of them is there
        elif lost is None:
            self._map(other, kept)
        elif lost is not kept:
            if lost.is_identified and not force:
                return
            kept.properties = lost.properties | kept.properties
            kept.created_at = min(kept.created_at, lost.created_at)
            lost.is_deleted, lost.changed = True, True
            lost.version += _DELETION
            for distinct_id, mapping in list(self.of.items()):
                if mapping.person == lost.id and not mapping.is_deleted:
                    self._map(distinct_id, kept)
        if kept is not None and not (kept.is_identified and lost is None):
            kept.is_identified = True
            kept.written()

    def rows(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Give what must be written: persons, and ids."""
        people = [person.row() for person in self.by_id.values() if person.changed]
        ids = [
            {
                "distinct_id": distinct_id,
                "person_id": mapping.person,
                "version": mapping.version,
            }
            for distinct_id, mapping in self.of.items()
            if mapping.changed
        ]
        return people, ids


def text(raw: msgspec.Raw | None) -> str:
    """Read a value that should be a string; anything else is none."""
    value = msgspec.json.decode(raw) if raw else ""
    return value if isinstance(value, str) else ""


def objects(raw: msgspec.Raw | bytes) -> Properties:
    """Read a value that should be an object; anything else is an empty one."""
    try:
        return msgspec.json.decode(raw, type=Properties)
    except msgspec.ValidationError:
        return {}
