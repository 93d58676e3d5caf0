"""The SDK's stream maps, flattening and BATCH messages, at either end of the pair."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.pair.ends import START

if TYPE_CHECKING:
    from pathlib import Path

    from tests.pair.ends import Ends

ROWS = 1500

MAPS = {
    "stream_maps": {
        "events": {
            "__filter__": "event != 'signup'",
            "who": "md5(distinct_id)",
            "distinct_id": "__NULL__",
        }
    },
    "stream_map_config": {},
}
FLAT = {"flattening_enabled": True, "flattening_max_depth": 2}
SIDES = pytest.mark.parametrize("side", ["tap", "target"])


def run(ends: Ends, side: str, **settings: object) -> list[dict[str, Any]]:
    """Run the pair with settings for one of its sides; return what arrived."""
    ends.ingest(ROWS)
    tap, target = ends.tap(), ends.target()
    pipe = ends.pipe(
        tap.but(**settings) if side == "tap" else tap,
        target.but(**settings) if side == "target" else target,
    )
    pipe.run()
    assert pipe.state is not None
    assert pipe.state["bookmarks"]["events"]["replication_key_value"]
    return [json.loads(text) for text in ends.records()]


@SIDES
def test_stream_maps_change_and_filter_records(ends: Ends, side: str) -> None:
    """A map adds, drops and filters; what it leaves alone is as it was."""
    records = run(ends, side, **MAPS)

    wanted = {uuid for uuid, event in names(ends) if event != "signup"}
    assert {record["uuid"] for record in records} == wanted
    assert len(records) == len(wanted)
    for record in records:
        assert len(record["who"]) == 32
        assert "distinct_id" not in record
        assert record["properties"]["nested"] == {"a": [1, None, "x"]}


@SIDES
def test_flattening_lifts_properties(ends: Ends, side: str) -> None:
    """Flattened, a property is a column of its own, two levels deep."""
    records = run(ends, side, **FLAT)

    assert {record["uuid"] for record in records} == ends.sent()
    assert len(records) == ROWS
    assert sorted(record["properties__n"] for record in records) == [*range(ROWS)]
    for record in records:
        assert "properties" not in record
        assert record["properties__big"] == 12345678901234567890
        assert record["properties__price"] == 19.99
        assert json.loads(record["properties__nested__a"]) == [1, None, "x"]


def test_batch_files_pass_from_tap_to_target(ends: Ends, tmp_path: Path) -> None:
    """Records that the tap leaves in files, as BATCH messages say, all arrive."""
    ends.ingest(ROWS)
    files = tmp_path / "files"
    files.mkdir()
    batches = {
        "encoding": {"format": "jsonl", "compression": "gzip"},
        "storage": {"root": files.as_uri(), "prefix": "events-"},
        "batch_size": 400,
    }
    pipe = ends.pipe(ends.tap(batch_config=batches))
    pipe.run()
    first = ends.arrived()
    ends.ingest_now(50, first=START)
    pipe.run()

    assert len(first) == first.total() == ROWS
    assert ends.arrived() == dict.fromkeys(ends.sent(), 1)
    assert list(files.glob("events-*"))


def names(ends: Ends) -> list[list[str]]:
    """Return uuid and event of all that PostHog holds."""
    return ends.sandbox.sql("select toString(uuid), event from events")
