"""The demo's project: every stream of the tap has rows, and they name each other."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from sandbox.remote import Remote
from sandbox.seed import seed
from tests.support.sandbox import Sandbox
from tests.tap.streams.catalogs import NAMES, Records, by_stream, read

if TYPE_CHECKING:
    from collections.abc import Iterator

HIDDEN = "Now with reports that write themselves"  # a payload that PostHog decrypts


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Records]:
    """Give what the tap reads of a sandbox that was seeded as the demo's is."""
    now = datetime.now(UTC).replace(microsecond=0)
    with Sandbox("both") as sandbox:
        remote = Remote(int(sandbox.url.rpartition(":")[2]))
        seed(remote, tmp_path_factory.mktemp("data"), now - timedelta(hours=6))
        config = {
            "base_url": sandbox.url,
            "api_key": "phx_sandbox",
            "project_id": "1",
            "settle_seconds": 0,
            "include_events": ["signup completed"],
        }
        outcome = read(config, "events", *NAMES)
        assert outcome.status == 0, outcome.err
        yield by_stream(outcome)


def test_every_stream_has_rows(records: Records) -> None:
    """None of them is empty."""
    assert records.keys() == {"events", *NAMES}


def test_rows_name_each_other(records: Records) -> None:
    """Every join that a person would try finds something."""

    def ids(stream: str, column: str = "id") -> set[object]:
        return {each[column] for each in records[stream] if each[column] is not None}

    assert ids("cohort_members", "person_id") <= ids("persons")
    assert ids("cohort_members", "cohort_id") < ids("cohorts")  # one is deleted
    assert ids("dashboard_tiles", "insight_id") == ids("insights")
    assert ids("dashboard_tiles", "dashboard_id") == ids("dashboards")
    assert ids("session_recordings", "session_id") <= ids("sessions", "session_id")
    assert ids("flag_evaluations", "flag_key") <= ids("feature_flags", "key")
    assert ids("groups", "group_type_index") <= ids("group_types", "group_type_index")
    assert ids("ai_events", "distinct_id") <= ids("person_distinct_ids", "distinct_id")


def test_what_is_to_be_seen_is_there(records: Records) -> None:
    """A deleted cohort, an archived flag, a payload that must not be shown."""
    assert [c["name"] for c in records["cohorts"] if c["deleted"]] == ["Beta testers"]
    flags = {each["key"]: each for each in records["feature_flags"]}
    assert flags["old-editor"]["archived"] is True
    assert flags["remote-config"]["has_encrypted_payloads"] is True
    assert HIDDEN not in str(records)
