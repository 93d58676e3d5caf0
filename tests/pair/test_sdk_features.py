"""The SDK's stream maps, flattening and BATCH messages, at either end of the pair."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.pair.ends import START

if TYPE_CHECKING:
    from tests.pair.ends import Ends

ROOT = Path(__file__).parents[2]
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


@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_batch_files_pass_from_tap_to_target(
    ends: Ends, tmp_path: Path, compression: str
) -> None:
    """Records that the tap leaves in files all arrive, and no file stays."""
    ends.ingest(ROWS)
    files = tmp_path / "files"
    batches = commented()
    batches["encoding"]["compression"] = compression
    batches["storage"] |= {"root": files.as_uri(), "prefix": "events-"}
    pipe = ends.pipe(ends.tap(batch_config=batches))
    run = pipe.run()
    first = ends.arrived()
    ends.ingest_now(50, first=START)
    pipe.run()

    assert len(first) == first.total() == ROWS
    assert ends.arrived() == dict.fromkeys(ends.sent(), 1)
    assert not list(files.iterdir()), run.last_words


def test_records_that_a_stream_map_changes_are_no_files(
    ends: Ends, tmp_path: Path
) -> None:
    """They go as RECORD messages, as maps apply to these only; one line says so."""
    ends.ingest(ROWS)
    batches = {
        "encoding": {"format": "jsonl"},
        "storage": {"root": (tmp_path / "files").as_uri()},
    }
    maps = {"events": {"distinct_id": "'nobody'"}}
    run = ends.pipe(ends.tap(batch_config=batches, stream_maps=maps)).run()

    assert {json.loads(each)["distinct_id"] for each in ends.records()} == {"nobody"}
    assert not (tmp_path / "files").exists()
    assert "batch_config is not used" in run.said["tap"]


def commented() -> dict[str, Any]:
    """Return the `batch_config` that `meltano.yml` offers in a comment."""
    text = (ROOT / "meltano.yml").read_text()
    (line,) = re.findall(r"^ +# batch_config: '(.*)'$", text, re.MULTILINE)
    return dict(json.loads(line))


def names(ends: Ends) -> list[list[str]]:
    """Return uuid and event of all that PostHog holds."""
    return ends.sandbox.sql("select toString(uuid), event from events")
