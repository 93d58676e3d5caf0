"""REST lists page as PostHog's do, and need the scopes that PostHog's need."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.rows import fill

if TYPE_CHECKING:
    from tests.support.sandbox import Sandbox

SCOPES = {
    "projects/1/feature_flags/": "feature_flag:read",
    "projects/1/feature_flags/1/": "feature_flag:read",
    "projects/1/experiments/": "experiment:read",
    "projects/1/surveys/": "survey:read",
    "projects/1/event_definitions/": "event_definition:read",
    "projects/1/property_definitions/": "property_definition:read",
    "projects/1/groups_types/": "group:read",
    "projects/1/": "project:read",
}


def walk(sandbox: Sandbox, path: str, **asked: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - passed on
    """Follow `next` to the end; give all results."""
    found: list[dict[str, Any]] = []
    page = sandbox.get(path, **asked).json()
    while True:
        found += page["results"]
        if page["next"] is None:
            return found
        page = sandbox.get(page["next"]).json()


def test_a_list_is_paged_by_next(sandbox: Sandbox) -> None:
    """The newest first; deleted ones are left out of it, and can be asked for."""
    flags = [
        {"id": n, "key": f"f{n}", "created_at": f"2026-01-0{n}T00:00:00Z"}
        for n in range(1, 8)
    ]
    flags[2]["deleted"] = True
    sandbox.put_list("feature_flags", flags)
    path = "projects/1/feature_flags/"
    first = sandbox.get(path, limit=4).json()
    last = sandbox.get(first["next"]).json()

    assert list(first) == ["count", "next", "previous", "results"]
    assert (first["count"], first["previous"], last["next"]) == (6, None, None)
    assert [each["id"] for each in first["results"] + last["results"]] == [
        7, 6, 5, 4, 2, 1,
    ]  # fmt: skip
    assert [each["id"] for each in walk(sandbox, path, limit=1, order="id")] == [
        1, 2, 4, 5, 6, 7,
    ]  # fmt: skip
    assert last["previous"].endswith("?limit=4")
    assert sandbox.get(f"{path}3/").json()["key"] == "f3"
    assert sandbox.get(f"{path}99/").status_code == 404


def test_archived_flags_come_only_when_they_are_asked_for(sandbox: Sandbox) -> None:
    """Two passes see all of them."""
    sandbox.put_list("feature_flags", [{"id": 1}, {"id": 2, "archived": True}])
    path = "projects/1/feature_flags/"

    assert [each["id"] for each in walk(sandbox, path)] == [1]
    assert [each["id"] for each in walk(sandbox, path, archived="true")] == [2]


def test_an_object_is_replaced_and_ends(sandbox: Sandbox) -> None:
    """As an edit and a hard delete."""
    sandbox.put_list("surveys", [{"id": "a", "name": "old"}, {"id": "b"}])
    sandbox.put_list("surveys", [{"id": "a", "name": "new"}, {"id": "b", "_gone": 1}])

    (survey,) = walk(sandbox, "projects/1/surveys/")
    assert survey == {"id": "a", "name": "new"}


def test_experiments_show_their_metrics_one_by_one_only(sandbox: Sandbox) -> None:
    """The list lost them in 2026."""
    whole = {"id": 1, "name": "e", "metrics": [{"kind": "mean"}], "saved_metrics": []}
    sandbox.put_list("experiments", [whole])

    assert walk(sandbox, "projects/1/experiments/") == [{"id": 1, "name": "e"}]
    assert sandbox.get("projects/1/experiments/1/").json() == whole


def test_definitions_are_read_from_the_events(sandbox: Sandbox) -> None:
    """One for each name; what is put replaces it, or takes it off."""
    fill(sandbox, 6, event="concat('e', toString(number % 3))")
    sandbox.put_list(
        "event_definitions",
        [
            {"id": "x", "name": "e0", "tags": ["t"], "verified": True},
            {"id": "y", "name": "e1", "deleted": True},
        ],
    )

    first, last = walk(sandbox, "projects/1/event_definitions/", limit=1)
    assert (first["name"], first["id"], first["tags"]) == ("e0", "x", ["t"])
    assert (last["name"], last["tags"]) == ("e2", [])
    assert last["last_seen_at"] == "2026-01-01T00:00:05.000000Z"


def test_properties_are_listed_by_type(sandbox: Sandbox) -> None:
    """Those of events unless it says otherwise; of groups, for each of the five."""
    odd = ("1", '"1"')
    texts = [
        f'{{"n": {n}, "t": "x", "b": true, "m": {odd[n]}, "nothing": null}}'
        for n in range(2)
    ]
    fill(sandbox, 2, properties=f"arrayElement({texts}, number + 1)")
    person = {"id": "00000000-0000-7000-8000-000000000001"}
    times = {"created_at": "2026-01-01T00:00:00Z"}
    sandbox.put("persons", [person | times | {"properties": {"email": "a@b.c"}}])
    sandbox.put("groups", [{"index": 1, "key": "k", "properties": {"seats": 3}}])
    path = "projects/1/property_definitions/"

    def shapes(**asked: Any) -> dict[str, str | None]:  # noqa: ANN401 - passed on
        return {
            each["name"]: each["property_type"] for each in walk(sandbox, path, **asked)
        }

    assert shapes() == {
        "b": "Boolean", "m": None, "n": "Numeric", "nothing": None, "t": "String",
    }  # fmt: skip
    assert shapes(type="person")["email"] == "String"
    assert shapes(type="group", group_type_index=1)["seats"] == "Numeric"
    assert "seats" not in shapes(type="group", group_type_index=0)
    assert shapes(type="session")["$session_duration"] == "Numeric"
    assert sandbox.get(path, type="group").status_code == 400
    assert sandbox.get(path, type="cohort").status_code == 400


def test_virtual_properties_end_the_last_page_and_every_page_past_it(
    sandbox: Sandbox,
) -> None:
    """They inflate the count, are no UUIDs, and are the same for each group type."""
    for index in (0, 1):
        sandbox.put("groups", [{"index": index, "key": "k", "properties": {"a": 1}}])
    path = "projects/1/property_definitions/"
    asked: dict[str, Any] = {"type": "group", "limit": 1}
    first = sandbox.get(path, group_type_index=0, **asked).json()
    past = sandbox.get(path, group_type_index=0, offset=9, **asked).json()
    other = sandbox.get(path, group_type_index=1, **asked).json()

    virtual = [each["id"] for each in first["results"][1:]]
    assert first["count"] == 1 + len(virtual)
    assert all(each.startswith("$builtin_") for each in virtual)
    assert [each["id"] for each in past["results"]] == virtual
    assert [each["id"] for each in other["results"][1:]] == virtual
    assert other["results"][0]["id"] != first["results"][0]["id"]


def test_definitions_of_a_huge_project_time_out(sandbox: Sandbox) -> None:
    """A 503 that says so, until the switch is turned back."""
    sandbox.behave(definitions_time_out=True)
    for kind in ("event", "property"):
        answer = sandbox.get(f"projects/1/{kind}_definitions/")
        assert answer.status_code == 503
        assert answer.json()["code"] == f"{kind}_definitions_timed_out"


def test_group_types_are_a_bare_list(sandbox: Sandbox) -> None:
    """No envelope, no pages."""
    rows = [{"group_type": f"t{n}", "group_type_index": n} for n in (1, 0)]
    sandbox.put("system.group_type_mappings", rows)

    found = sandbox.get("projects/1/groups_types/").json()
    assert [(each["group_type"], each["group_type_index"]) for each in found] == [
        ("t0", 0),
        ("t1", 1),
    ]


@pytest.mark.parametrize("path", SCOPES)
def test_each_list_needs_its_scope(sandbox: Sandbox, path: str) -> None:
    """Its absence is said in PostHog's words; to write implies to read."""
    scope = SCOPES[path]
    sandbox.put_list("feature_flags", [{"id": 1}])
    others = sorted({*SCOPES.values(), "query:read"} - {scope})
    sandbox.behave(
        keys={
            "phx_some": {"scopes": others},
            "phx_read": {"scopes": [scope]},
            "phx_write": {"scopes": [scope.replace(":read", ":write")]},
        }
    )
    refused = sandbox.get(path, key="phx_some")

    assert refused.status_code == 403
    assert refused.json()["code"] == "permission_denied"
    assert refused.json()["detail"] == f"API key missing required scope '{scope}'"
    for key in ("phx_read", "phx_write", "phx_sandbox"):
        assert sandbox.get(path, key=key).status_code == 200
    assert sandbox.get(path, key="phx_other").status_code == 403
    assert sandbox.get(path, key="phx_unknown").status_code == 401


def test_a_key_says_what_it_may_do(sandbox: Sandbox) -> None:
    """It needs no scope for that; nothing else of keys is open to keys."""
    key = {"scopes": ["query:read"], "scoped_teams": [1]}
    sandbox.behave(keys={"phx_mine": key})
    mine = sandbox.get("personal_api_keys/@current/", key="phx_mine").json()

    assert {name: mine[name] for name in key} == key
    assert mine["scoped_organizations"] == []
    assert "phx_mine" not in json.dumps(mine["mask_value"])
    assert sandbox.get("personal_api_keys/@current/").json()["scopes"] == ["*"]
    refused = sandbox.get("personal_api_keys/")
    assert refused.status_code == 403
    assert "does not support Personal API Key access" in refused.json()["detail"]
    sandbox.behave(current_key_endpoint=False)
    assert sandbox.get("personal_api_keys/@current/").status_code == 404


def test_a_key_of_one_project_may_not_list_projects(sandbox: Sandbox) -> None:
    """It is good for that project all the same."""
    sandbox.behave(keys={"phx_mine": {"scopes": ["*"], "scoped_teams": [1]}})
    refused = sandbox.get("projects/", key="phx_mine")

    assert refused.status_code == 403
    assert refused.json()["detail"] == (
        "API keys with scoped projects are only supported on project-based endpoints."
    )
    assert sandbox.get("projects/1/", key="phx_mine").json()["id"] == 1
    assert sandbox.post_query("select 1", key="phx_mine").status_code == 200
