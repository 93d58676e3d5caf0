"""What a batch of events changes beside `events`: persons, ids, groups, copies.

What is stored about those that the batch names is read, changed, and written again.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec

from sandbox.posthog import instants
from sandbox.posthog.fields import text as quoted
from sandbox.posthog.persons import Mapping, Person, Persons, Properties, objects, text
from sandbox.posthog.schema.copies import AI_HEAVY

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sandbox.posthog.table import Table

MOST_GROUP_TYPES = 5
_OTHER_IDS = ("$anon_distinct_id", "alias")


@dataclass(slots=True)
class Ingestion:
    """The part of the data that one batch may change."""

    persons: Persons = field(default_factory=Persons)
    types: dict[str, int] = field(default_factory=dict)
    groups: dict[tuple[int, str], dict[str, Any]] = field(default_factory=dict)
    new: dict[str, list[dict[str, Any]]] = field(default_factory=dict)  # rows by table

    @classmethod
    async def load(
        cls, table: Table, events: Iterable[tuple[str, str, Properties]]
    ) -> Ingestion:
        """Read what is stored about the ids and groups of (event, id, properties)."""
        self, ids, groups = cls(), set(), set()
        merges = grouped = False
        for event, distinct_id, properties in events:
            others = {text(properties.get(name)) for name in _OTHER_IDS} - {""}
            ids |= {distinct_id} | others
            merges |= bool(others)
            grouped |= event == "$groupidentify" or "$groups" in properties
            if event == "$groupidentify":
                groups.add(text(properties.get("$group_key")))
        await self._load_persons(table, ids, merges=merges)
        if grouped:
            self.types = dict(
                await table.values(
                    "select group_type, group_type_index from group_type_mappings"
                    " final where team_id = 1"
                )
            )
        if groups:
            for index, key, created, properties in await table.values(
                "select index, key, toString(created_at), properties from groups final"  # noqa: S608 - quoted
                f" where team_id = 1 and key in ({_listed(groups)})"
            ):
                self.groups[index, key] = {
                    "created_at": created,
                    "properties": properties,
                }
        return self

    async def _load_persons(self, table: Table, ids: set[str], *, merges: bool) -> None:
        if not ids:
            return
        mine = f"distinct_id in ({_listed(ids)})"
        mapping = "person_distinct_id2 final where team_id = 1 and"
        if merges:  # all the ids of a person move
            theirs = f"select person_id from {mapping} {mine}"  # noqa: S608 - quoted
            mine = f"person_id in ({theirs}) or {mine}"
        sql = f"select distinct_id, person_id, version, is_deleted from {mapping}"  # noqa: S608 - quoted
        for distinct_id, person, version, deleted in await table.values(
            f"{sql} ({mine})"
        ):
            self.persons.of[distinct_id] = Mapping(person, version, bool(deleted))
        wanted = {mapping.person for mapping in self.persons.of.values()}
        for person, created, properties, known, seen, deleted, version in (
            await table.values(
                "select id, toUnixTimestamp64Milli(created_at), properties,"  # noqa: S608 - quoted
                " is_identified, toUnixTimestamp64Milli(last_seen_at), is_deleted,"
                f" version from person final where team_id = 1 and id in"
                f" ({_listed(wanted)})"
            )
            if wanted
            else []
        ):
            self.persons.by_id[person] = Person(
                person,
                _instant(created),
                objects(properties.encode()),
                is_identified=bool(known),
                last_seen_at=None if seen is None else _instant(seen),
                is_deleted=bool(deleted),
                version=version,
            )

    def learn(
        self, row: dict[str, Any], properties: Properties, at: datetime, now: datetime
    ) -> None:
        """Take in one event's row: complete it, and note what else it changes."""
        event = row["event"]
        row["person_id"], row["person_properties"] = self.persons.learn(
            event, row["distinct_id"], at, properties
        )
        for kind in objects(properties.get("$groups", b"{}")):
            self._type(kind, now)
        if event == "$groupidentify":
            self._group(properties, now)

    def _type(self, kind: str, now: datetime) -> int | None:
        """Give a group type its number; beyond five there are none."""
        if kind not in self.types:
            if len(self.types) == MOST_GROUP_TYPES:
                return None
            free = set(range(MOST_GROUP_TYPES)) - set(self.types.values())
            self.types[kind] = min(free)
            row = {"group_type": kind, "group_type_index": self.types[kind]}
            row["created_at"] = instants.clickhouse(now)
            self.add("group_type_mappings", row)
        return self.types[kind]

    def _group(self, properties: Properties, now: datetime) -> None:
        kind, key = (text(properties.get(f"$group_{it}")) for it in ("type", "key"))
        index = self._type(kind, now) if kind and key else None
        if index is None:
            return
        at = instants.clickhouse(now)
        known = self.groups.get((index, key), {"created_at": at, "properties": "{}"})
        made = objects(known["properties"].encode())
        made |= objects(properties.get("$group_set", b"{}"))
        known = {
            "created_at": known["created_at"],
            "properties": msgspec.json.encode(made).decode(),
        }
        self.groups[index, key] = known
        row = {"index": index, "key": key, "updated_at": at.partition(".")[0]}
        self.add("groups", {**row, **known})

    def copied(self, row: dict[str, Any], properties: Properties, mode: int) -> bool:
        """Write an event to the table that is its own, where it has one.

        Args:
            row: Its row in `events`; heavy AI properties are taken out of it.
            properties: What came.
            mode: How far the organisation's flag evaluations have moved.

        Returns:
            Whether it stays in `events`, too.
        """
        if row["event"].startswith("$"):  # or ClickHouse gives each copy its own
            row.setdefault("uuid", _instant_id(row["created_at"]))
        names = ("uuid", "event", "timestamp", "distinct_id", "person_id")
        shared = {name: row[name] for name in names if name in row}
        if row["event"].startswith("$ai_"):
            heavy = {
                column: text(properties[name]) or bytes(properties[name]).decode()
                for name, column in AI_HEAVY.items()
                if name in properties
            }
            if heavy:
                light = {
                    key: value
                    for key, value in properties.items()
                    if key not in AI_HEAVY
                }
                row["properties"] = msgspec.json.encode(light).decode()
            kept = {"properties": row["properties"]}
            self.add("ai_events", shared | heavy | kept)
        if row["event"] != "$feature_flag_called" or not mode:
            return True
        more = {"properties": row["properties"], "created_at": row["created_at"]}
        self.add("flag_evaluations", shared | more)
        return mode == 1

    def add(self, table: str, row: dict[str, Any]) -> None:
        """Note a row to write."""
        self.new.setdefault(table, []).append(row)

    async def write(self, table: Table) -> None:
        """Write what has changed."""
        people, ids = self.persons.rows()
        await table.insert(people, "person")
        await table.insert(ids, "person_distinct_id2")
        for name, rows in self.new.items():
            await table.insert(rows, name)


def _listed(values: Iterable[str]) -> str:
    return ", ".join(map(quoted, sorted(values)))


def _instant_id(at: str) -> str:
    """Make a version 7 UUID of an instant."""
    then = datetime.fromisoformat(at).replace(tzinfo=UTC)
    value = (
        round(then.timestamp() * 1000) << 80 | 0x7 << 76 | secrets.randbits(12) << 64
    )
    return str(UUID(int=value | 0b10 << 62 | secrets.randbits(62)))


def _instant(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
