"""A state as others hand it in: merged, wrapped, of another project, of other settings.

What each run must send is known from the table itself.
"""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any, cast

import pytest
from meltano.core.utils import merge as _merge

from tap_posthog.cli.files import bookmarks_of, checked_catalog, checked_state
from tap_posthog.errors import StateError
from tap_posthog.tap import KEYS
from tests.tap.running import Outcome, config, run, run_here
from tests.tap.test_scenarios import assert_each_once, insert, run_on, stored

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.sandbox import Sandbox

merge = cast("Callable[[Any, Any], dict[str, Any]]", _merge)

LATER = "now64(6) - 600 - number"
OURS: dict[str, Any] = {
    "bookmarks": {"events": {"replication_key_value": "2026-11-21T10:00:00Z"}}
}


def named(sandbox: Sandbox, name: str, count: int, timestamp: str) -> None:
    """Put events of one name into the table."""
    sandbox.sql(
        "insert into events (uuid, event, distinct_id, timestamp, created_at) "  # noqa: S608 - the test's own
        f"select generateUUIDv4(number), '{name}', 'u', {timestamp} as timestamp, "
        f"timestamp from numbers({count})"
    )


def test_late_events_arrive_after_a_full_refresh_that_failed(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    """Meltano merges what a failed `--full-refresh` wrote over the old state."""
    asked = config(sandbox, recheck_hours=0)  # it would find them, for a day
    insert(sandbox, 20, "now64(6) - 86400 * 6 - number")
    first = run_here(asked)
    insert(sandbox, 3, "now64(6) - 86400 * 6 - 100 - number", "now64(6)")
    sandbox.fault({"path": "/query/", "skip": 1, "actions": ["500"]})
    failed = run(tmp_path, asked | {"max_wait_seconds": 0})
    sandbox.fault()

    state: dict[str, Any] = first.states[-1]
    for written in failed.states:
        state = merge(written, state)
    second = run_here(asked, state=state)
    third = run_here(asked, state=second.states[-1])

    assert failed.status == 1
    assert_each_once(sandbox, first, second, third)


def test_a_merged_state_does_not_send_an_interrupted_late_pass_again(
    sandbox: Sandbox,
) -> None:
    """`meltano run --merge-state` keeps every key that a new state does not replace."""
    insert(sandbox, 20, "now64(6) - 86400 - number")
    first = run_on(sandbox)
    insert(sandbox, 20, "now64(6) - 90000 - number", "now64(6)")
    cut = [
        state for state in run_on(sandbox, first, page_size=7).states if _late(state)
    ]

    kept: dict[str, Any] = cut[0]
    sent = []
    for _ in range(3):
        again = run_here(config(sandbox), state=json.loads(json.dumps(kept)))
        sent.append(len(again.uuids))
        for written in again.states:
            kept = merge(written, kept)

    assert sent == [13, 0, 0]


def _late(state: dict[str, Any]) -> Any:  # noqa: ANN401 - an object in a list, or null
    return state["bookmarks"]["events"]["late"]


SINCE = {"start_at": "2026-01-01T00:00:20Z"}


@pytest.mark.parametrize(
    ("before", "after", "more"),
    [
        pytest.param(
            {"include_events": ["signup"]},
            {"include_events": ["signup", "paid"]},
            {"paid"},
            id="a-name-more",
        ),
        pytest.param(
            {"include_events": ["signup"]}, {}, {"paid", "seen"}, id="no-names-any-more"
        ),
        pytest.param(
            {"exclude_events": ["paid", "seen"]},
            {"exclude_events": ["seen"]},
            {"paid"},
            id="a-name-less-left-out",
        ),
        pytest.param(SINCE, {}, {"signup", "paid", "seen"}, id="start-removed"),
        pytest.param(
            SINCE,
            {"start_at": "2026-01-01T00:00:10Z"},
            {"signup", "paid", "seen"},
            id="start-moved-back",
        ),
        pytest.param(
            {"include_events": ["paid"], **SINCE},
            {"include_events": ["paid", "seen"]},
            {"paid", "seen"},
            id="both",
        ),
    ],
)
def test_a_changed_filter_reads_what_it_adds_and_nothing_twice(
    sandbox: Sandbox,
    caplog: pytest.LogCaptureFixture,
    before: dict[str, Any],
    after: dict[str, Any],
    more: set[str],
) -> None:
    """Names that are added, a `start_at` that is moved back: all of it comes, once."""
    for name in ("signup", "paid", "seen"):
        named(sandbox, name, 12, "toDateTime64('2026-01-01', 6, 'UTC') + number * 3")
    first = run_on(sandbox, **before, page_size=7)

    with caplog.at_level("INFO", "tap-posthog"):
        second = run_on(sandbox, first, **after, page_size=7)
    third = run_on(sandbox, second, **after)

    straight = run_here(config(sandbox, **after))
    assert not set(first.uuids) & set(second.uuids)
    assert set(straight.uuids) <= {*first.uuids, *second.uuids}
    assert {each["event"] for each in second.records} == more
    assert third.uuids == []
    assert "is read first" in caplog.text
    assert "were not visible" not in caplog.text
    scope = second.states[-1]["bookmarks"]["events"]["scope"]
    assert scope["include_events"] == (sorted(after.get("include_events", ())) or None)


def test_a_widening_that_was_killed_goes_on_where_it_was(sandbox: Sandbox) -> None:
    """Each state on the way is a place from which the next run goes on."""
    for name in ("signup", "paid"):
        named(sandbox, name, 40, "toDateTime64('2026-01-01', 6, 'UTC') + number * 3")
    first = run_on(sandbox, include_events="signup")
    whole = run_on(sandbox, first, page_size=10)
    cut = whole.states[1]

    rest = run_here(config(sandbox), state=cut)

    after = cut["bookmarks"]["events"]["widening"][0]["after"]
    sent = [each["uuid"] for each in whole.records if _key(each) <= tuple(after)]
    assert 0 < len(sent) < 40
    assert sorted([*sent, *rest.uuids]) == sorted(whole.uuids)


def _key(record: dict[str, Any]) -> tuple[str, str]:
    return record["timestamp"], record["uuid"]


def test_a_narrower_filter_reads_nothing_behind_the_bookmark(sandbox: Sandbox) -> None:
    """A name that is left out for a while and comes back is read from its beginning."""
    for name in ("signup", "paid"):
        named(sandbox, name, 10, LATER)
    first = run_on(sandbox)
    second = run_on(sandbox, first, include_events="signup")
    third = run_on(sandbox, second)

    assert len(first.uuids) == 20
    assert second.uuids == []
    assert {each["event"] for each in third.records} == {"paid"}
    assert len(third.uuids) == 10


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"project_id": "2"}, "The state is of project 1, but project_id is 2"),
        ({"base_url": "http://127.0.0.1:1"}, "scope.base_url = "),
        ({"base_url": "http://127.0.0.1:1/posthog"}, "Use a state of that server"),
    ],
)
def test_a_state_of_another_project_or_host_stops_the_run(
    sandbox: Sandbox, given: dict[str, Any], says: str
) -> None:
    """Its bookmark would skip all that lies before it. Nothing is asked."""
    insert(sandbox, 3)
    first = run_on(sandbox)
    sandbox.forget_requests()

    with pytest.raises(StateError, match=says):
        run_here(config(sandbox) | given, state=first.states[-1])

    assert sandbox.requests() == []


@pytest.mark.parametrize(
    "wrapped",
    [
        pytest.param(OURS, id="bare"),
        pytest.param({"type": "STATE", "value": OURS}, id="message"),
        pytest.param({"singer_state": OURS}, id="meltano"),
        pytest.param({"type": "STATE", "value": {"singer_state": OURS}}, id="both"),
    ],
)
def test_a_state_is_taken_out_of_what_is_around_it(wrapped: dict[str, Any]) -> None:
    """`meltano state get` and a target's messages can be handed on as they are."""
    assert bookmarks_of(wrapped, {"events"}) == OURS["bookmarks"]


@pytest.mark.parametrize("empty", [{}, None, {"bookmarks": {}}, {"singer_state": {}}])
def test_an_empty_state_is_a_first_run(empty: object) -> None:
    """Also inside what may be around one."""
    assert bookmarks_of(empty, {"events"}) == {}


@pytest.mark.parametrize(
    "state",
    [
        {"value": OURS},
        {"1": {"timestamp": "2026-11-21T10:00:00Z"}},
        {"bookmarks": {"Events": OURS["bookmarks"]["events"]}},
        {"bookmarks": {"events": {"timestamp": "2026-11-21T10:00:00Z"}}},
        {"bookmarks": {"events": {"progress_markers": {"replication_key": "x"}}}},
        {"bookmarks": [OURS]},
        {"bookmarks": {"events": 3}},
        {"events": {"replication_key_value": "2026-11-21T10:00:00Z"}},
        {"singer_state": {"users": {}}},
        [OURS],
        "2026-11-21T10:00:00Z",
    ],
    ids=str,
)
def test_a_state_that_holds_nothing_known_is_refused(state: object) -> None:
    """Taken for none, it would send everything again, without a word."""
    with pytest.raises(StateError, match="holds no bookmark of this tap"):
        bookmarks_of(state, {"events"})


LAST = json.dumps(OURS)
FIRST = LAST.replace("2026-11-21", "2026-11-20")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(f"{FIRST}\n{LAST}\n", id="lines"),
        pytest.param(f"{FIRST}\r\n\r\n{LAST}\r\n", id="windows"),
        pytest.param(f"{FIRST}\n{LAST}", id="no-line-end"),
        pytest.param(f"{LAST}\n{LAST[:40]}", id="cut-off-by-a-kill"),
        pytest.param(f"\ufeff{LAST}", id="bom"),
        pytest.param(f"\ufeff{FIRST}\n{LAST}\n", id="bom-and-lines"),
        pytest.param(json.dumps(OURS, indent=2), id="pretty"),
    ],
)
def test_the_last_line_of_a_state_file_counts(text: str) -> None:
    """A target writes a line for each state; an editor may put a BOM before them."""
    assert json.load(checked_state(io.StringIO(text))) == OURS


@pytest.mark.parametrize("text", ["", " \n", "\ufeff"])
def test_an_empty_state_file_is_a_first_run(text: str) -> None:
    """As a pipe's is, before anything was delivered."""
    assert json.load(checked_state(io.StringIO(text))) == {}


@pytest.mark.parametrize("text", ["{bad", f"{LAST}\nnonsense\n", "[]", f"[]\n{LAST}\n"])
def test_a_state_file_that_holds_no_states_is_refused(text: str) -> None:
    """Also where one of its lines is a state: what else is there is not known."""
    with pytest.raises(StateError, match="is not a JSON object"):
        checked_state(io.StringIO(text))


def catalog(**entry: object) -> str:
    """Write a catalog of the stream, as a file holds it."""
    schema = {"properties": {"uuid": {"type": "string"}}}
    events = {"tap_stream_id": "events", "key_properties": ["uuid"], "schema": schema}
    return json.dumps({"streams": [events | entry]})


def of_stream(**metadata: str) -> dict[str, Any]:
    """Write what Meltano's `metadata` extra adds to a catalog."""
    named = {name.replace("_", "-"): value for name, value in metadata.items()}
    return {"metadata": [{"breadcrumb": [], "metadata": {"selected": True} | named}]}


FULL = [
    pytest.param({"replication_method": "FULL_TABLE"}, id="entry"),
    pytest.param(of_stream(replication_method="FULL_TABLE"), id="meltano"),
    pytest.param(of_stream(forced_replication_method="FULL_TABLE"), id="forced"),
]


@pytest.mark.parametrize("entry", FULL)
def test_full_table_reads_everything_again(
    sandbox: Sandbox, entry: dict[str, Any]
) -> None:
    """Wherever the catalog says so."""
    insert(sandbox, 10)
    first = run_on(sandbox)
    given = json.load(checked_catalog(io.StringIO(catalog(**entry)), KEYS))

    again = run_here(config(sandbox), state=first.states[-1], catalog=given)
    incremental = run_on(sandbox, again)

    assert set(again.uuids) == stored(sandbox)
    assert incremental.uuids == []
    assert _schema(again)["bookmark_properties"] == ["timestamp"]


def _schema(outcome: Outcome) -> dict[str, Any]:
    return next(each for each in outcome.messages if each["type"] == "SCHEMA")


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ({"replication_key": "created_at"}, "gives created_at as the replication key"),
        (of_stream(replication_key="uuid"), "gives uuid as the replication key"),
        ({"replication_method": "LOG_BASED"}, "gives LOG_BASED as the replication"),
    ],
)
def test_a_replication_that_the_stream_does_not_have_is_refused(
    entry: dict[str, Any], says: str
) -> None:
    """The state would be of another key than the schema says."""
    with pytest.raises(StateError, match=says):
        checked_catalog(io.StringIO(catalog(**entry)), KEYS)


def test_a_catalog_may_begin_with_a_bom() -> None:
    """As a configuration may."""
    found = json.load(checked_catalog(io.StringIO("\ufeff" + catalog()), KEYS))

    assert found["streams"][0]["replication_method"] == "INCREMENTAL"


def test_the_states_file_of_one_run_is_the_state_of_the_next(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    """Through the real command: several lines, a BOM, and the scope in the last."""
    insert(sandbox, 30)
    first = run_on(sandbox, page_size=7)
    lines = "".join(json.dumps(state) + "\n" for state in first.states)
    (tmp_path / "state.json").write_text(lines, encoding="utf-8-sig")
    insert(sandbox, 2, LATER)

    second = run(tmp_path, config(sandbox), args=("--state", "state.json"))

    assert len(first.states) > 2
    assert second.status == 0
    assert len(second.uuids) == 2
    assert "on from the state at 2026-01-01T" in second.err


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "Reading all events of project 1 at "),
        ({"include_events": "paid"}, "Reading the events paid of project 1 at "),
        (
            {"exclude_events": "paid", "start_at": "2026-01-01"},
            "Reading all events but paid from 2026-01-01T00:00:00.000000Z of project 1",
        ),
    ],
)
def test_a_run_says_what_it_reads(
    sandbox: Sandbox,
    caplog: pytest.LogCaptureFixture,
    given: dict[str, Any],
    words: str,
) -> None:
    """Project, scope, from which state, and up to which moment, in one line."""
    with caplog.at_level("INFO", "tap-posthog"):
        run_on(sandbox, **given)

    (line,) = [each for each in caplog.messages if each.startswith("Reading ")]
    assert line.startswith(words)
    assert ", from the beginning, as ingested before 20" in line


@pytest.mark.parametrize(
    ("timestamp", "words"),
    [
        ("now64(6) + 39600 + number", "3 events are dated in the future, up to 20"),
        ("toDateTime64('2076-05-01', 6, 'UTC')", "up to 2076-05-01T00:00:00.000000Z"),
    ],
)
def test_events_of_the_future_wait_and_the_run_says_so(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture, timestamp: str, words: str
) -> None:
    """In a first run, and in each later one."""
    insert(sandbox, 5, LATER)
    insert(sandbox, 3, timestamp, "now64(6) - 10")

    with caplog.at_level("INFO", "tap-posthog"):
        first = run_on(sandbox)
        run_on(sandbox, first)

    assert len(first.uuids) == 5
    assert len([line for line in caplog.messages if words in line]) == 2
