"""Persons, their ids and their groups are made from events, as PostHog makes them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import requests

from tests.support.sandbox import PROJECT_TOKEN, Sandbox

if TYPE_CHECKING:
    from collections.abc import Mapping

AT = "2026-05-01T10:20:30Z"
NOW = "2026-05-01T12:00:00Z"


@pytest.fixture(autouse=True)
def frozen(sandbox: Sandbox) -> None:
    """Stop the server's clock."""
    sandbox.behave(frozen_at=NOW)


def capture(
    sandbox: Sandbox, distinct_id: str, event: str = "e", at: str = AT, **more: object
) -> None:
    """Send one event; `more` are its properties, `$` written as `_S`."""
    properties = {key.replace("_S", "$"): value for key, value in more.items()}
    sent = {"event": event, "distinct_id": distinct_id, "timestamp": at}
    body = {"api_key": PROJECT_TOKEN, "batch": [sent | {"properties": properties}]}
    requests.post(f"{sandbox.url}/batch/", json=body, timeout=60).raise_for_status()


def ids(sandbox: Sandbox) -> dict[str, tuple[str, int]]:
    """Give each id's person and version."""
    rows = sandbox.hogql(
        "select distinct_id, toString(argMax(person_id, version)) as p,"
        " max(version) as v from raw_person_distinct_ids"
        " group by distinct_id having argMax(is_deleted, version) = 0 limit 100"
    )
    return {distinct_id: (person, version) for distinct_id, person, version in rows}


def persons(sandbox: Sandbox) -> list[Mapping[str, Any]]:
    """Give the persons that there are, the oldest first."""
    names = ("id", "created_at", "properties", "is_identified", "last_seen_at")
    rows = sandbox.hogql(f"select * from persons order by created_at, id limit {99}")  # noqa: S608 - a number
    made = [dict(zip(names, row, strict=True)) for row in rows]
    return [each | {"properties": json.loads(each["properties"])} for each in made]


def test_an_event_makes_a_person(sandbox: Sandbox) -> None:
    """Its clock is the hour in which it was last seen; what is set once stays."""
    capture(sandbox, "a", _Sset={"plan": "free"}, _Sset_once={"first": 1})
    capture(
        sandbox, "a", at="2026-05-01T11:59:59Z", _Sset={"plan": "team"},
        _Sset_once={"first": 2},
    )  # fmt: skip

    (person,) = persons(sandbox)
    assert person["properties"] == {"plan": "team", "first": 1}
    assert person["created_at"] == AT
    assert person["last_seen_at"] == "2026-05-01T11:00:00Z"
    assert person["is_identified"] == 0
    assert ids(sandbox) == {"a": (person["id"], 0)}


def test_a_change_within_the_hour_moves_no_clock(sandbox: Sandbox) -> None:
    """The trap of `last_seen_at`: the properties differ, the hour does not."""
    capture(sandbox, "a")
    before = persons(sandbox)[0]["last_seen_at"]
    capture(sandbox, "a", at="2026-05-01T10:59:00Z", _Sset={"plan": "team"})

    assert persons(sandbox)[0]["last_seen_at"] == before
    assert persons(sandbox)[0]["properties"] == {"plan": "team"}


def test_a_merge_moves_the_ids_and_the_other_person_vanishes(sandbox: Sandbox) -> None:
    """Events of the past are another person's from then on; their columns are not."""
    capture(sandbox, "anon", at="2026-05-01T09:00:00Z", _Sset={"a": 1, "b": 1})
    capture(sandbox, "user", _Sset={"b": 2})
    lost, kept = persons(sandbox)
    capture(sandbox, "user", "$identify", _Sanon_distinct_id="anon")

    (person,) = persons(sandbox)
    assert person["id"] == kept["id"]
    assert person["properties"] == {"a": 1, "b": 2}
    assert person["created_at"] == lost["created_at"]
    assert person["is_identified"] == 1
    assert ids(sandbox) == {"anon": (kept["id"], 1), "user": (kept["id"], 0)}
    raw = "select is_deleted from raw_persons order by version desc limit 1 by id"
    assert sorted(sandbox.hogql(f"{raw} limit 9")) == [[0], [1]]
    whose = sandbox.hogql("select distinct person_id from events limit 9")
    assert whose == [[kept["id"]]]


def test_all_ids_of_the_person_that_vanishes_move(sandbox: Sandbox) -> None:
    """Not only the one that the event names."""
    capture(sandbox, "a")
    capture(sandbox, "a", "$create_alias", alias="b")
    capture(sandbox, "user")
    capture(sandbox, "user", "$merge_dangerously", alias="b")

    found = ids(sandbox)
    assert len({person for person, _ in found.values()}) == 1
    assert {key: version for key, (_, version) in found.items()} == {
        "a": 1,
        "b": 1,
        "user": 0,
    }


def test_a_person_who_is_identified_is_not_merged(sandbox: Sandbox) -> None:
    """Two accounts on one device stay two persons, unless somebody forces it."""
    for user in ("one", "two"):
        capture(sandbox, user)
        capture(sandbox, user, "$identify", _Sanon_distinct_id=f"anon-{user}")
    capture(sandbox, "one", "$identify", _Sanon_distinct_id="two")
    before = len(persons(sandbox))
    capture(sandbox, "one", "$merge_dangerously", alias="two")

    assert (before, len(persons(sandbox))) == (2, 1)


def test_an_event_without_profile_makes_no_person(sandbox: Sandbox) -> None:
    """It carries a person's id all the same."""
    capture(sandbox, "a", _Sprocess_person_profile=False)

    assert persons(sandbox) == []
    assert sandbox.hogql("select person_id is null from events") == [[0]]


def test_a_deleted_person_may_come_back(sandbox: Sandbox) -> None:
    """With a version above the one that said it is gone."""
    capture(sandbox, "a")
    (person,) = persons(sandbox)
    gone = {"id": person["id"], "is_deleted": 1, "version": 100}
    sandbox.put("raw_persons", [gone])
    before = persons(sandbox)
    capture(sandbox, "a")

    assert (before, len(persons(sandbox))) == ([], 1)


def test_groups_are_made_by_groupidentify(sandbox: Sandbox) -> None:
    """A type has a number of its own; properties are added to what is there."""
    for key, more in (("acme", {"a": 1, "b": 1}), ("acme", {"b": 2}), ("ltd", {})):
        capture(
            sandbox, "a", "$groupidentify", _Sgroup_type="company",
            _Sgroup_key=key, _Sgroup_set=more,
        )  # fmt: skip
    capture(sandbox, "a", _Sgroups={"project": "p", "company": "acme"})
    for number in range(5):
        capture(sandbox, "a", _Sgroups={f"more-{number}": "x"})

    rows = sandbox.hogql(
        "select index, key, properties, updated_at from groups order by key limit 9"
    )
    assert rows == [[0, "acme", '{"a":1,"b":2}', NOW], [0, "ltd", "{}", NOW]]
    types = sandbox.sql(
        "select group_type from group_type_mappings order by group_type_index"
    )
    assert [row[0] for row in types] == ["company", "project"] + [
        f"more-{number}" for number in range(3)
    ]


def test_bulk_rows_are_there_within_seconds(sandbox: Sandbox) -> None:
    """A model puts what it likes, in HogQL's columns; the newest version wins."""
    person = "00000000-0000-7000-8000-{:012x}".format
    rows = [{"id": person(n), "created_at": AT} for n in range(20_000)]
    sandbox.put("persons", rows)
    sandbox.put(
        "raw_person_distinct_ids",
        [{"distinct_id": f"d{n}", "person_id": person(n), "version": 1} for n in (1,)],
    )
    sandbox.put("persons", [rows[7] | {"properties": {"x": 1}}])

    assert sandbox.hogql("select count() from persons") == [[20_000]]
    only = sandbox.hogql(
        "select id, properties.x from persons where properties.x = '1'"
    )
    assert only == [[person(7), "1"]]
