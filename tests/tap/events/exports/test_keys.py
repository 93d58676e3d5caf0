"""Windows from keys and manifests, as PostHog writes them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_posthog import timestamps
from tap_posthog.events.exports.keys import Stored, Window, read_part, windows

TEN = datetime(2026, 11, 20, 10, tzinfo=UTC)
HOUR = timedelta(hours=1)
SPAN = "2026-11-20T10:00:00+00:00-2026-11-20T11:00:00+00:00"
offsets = st.integers(-14 * 60, 14 * 60).map(
    lambda minutes: timezone(timedelta(minutes=minutes))
)


def none(_: Stored) -> bytes:
    """Stand for a manifest that nobody reads."""
    raise AssertionError


def found(*keys: str, manifest: str = "", always: bool = True) -> list[Window]:
    """Return the windows of some keys."""
    stored = [Stored(key) for key in keys]
    return windows(stored, lambda _: manifest.encode(), always_manifest=always)


@given(
    st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)),  # noqa: DTZ001
    st.timedeltas(timedelta(seconds=1), timedelta(days=40)),
    offsets | st.none(),
    st.none() | st.integers(0, 200),
    st.sampled_from(["", "a/b-c/", "2026-11-21T00:00:00+00:00/"]),
    st.sampled_from(["parquet", "parquet.zst", "jsonl", "jsonl.gz", "jsonl.br"]),
)
def test_any_key_of_posthogs_gives_its_window(  # noqa: PLR0913, PLR0917 - its parts
    start: datetime,
    length: timedelta,
    zone: timezone | None,
    number: int | None,
    prefix: str,
    extension: str,
) -> None:
    """Whatever the zone, the number, the prefix and the codec."""
    start = start.replace(tzinfo=zone)
    cut = "" if number is None else f"-{number}"
    span = f"{start.isoformat()}-{(start + length).isoformat()}"
    key = f"{prefix}{span}{cut}.{extension}"

    read = read_part(Stored(key))

    utc = start.replace(tzinfo=zone or UTC)
    assert read is not None
    assert read[0] == (utc, utc + length)
    suffix, _, codec = extension.partition(".")
    part = read[1]
    assert (part.number, part.format, part.codec) == (number, suffix, codec)


@pytest.mark.parametrize(
    "key",
    [
        "readme.txt",
        "2026-11-20.parquet",
        "x-y.parquet",
        f"{SPAN}.csv",
        f"{SPAN}-.parquet",
        "posthog/export-0.parquet",
    ],
)
def test_what_is_no_part_is_left_alone(key: str) -> None:
    """Other things lie in buckets too."""
    assert found(key) == []


def test_a_backfill_from_the_beginning_has_no_start() -> None:
    """It is named None, and begins before everything."""
    (window,) = found("START/None-2026-11-20T11:00:00+00:00.parquet")

    assert (window.start, window.end) == (timestamps.FIRST, TEN + HOUR)


def test_parts_come_as_the_manifest_says_and_no_others() -> None:
    """A retry that made fewer parts leaves old ones, which no manifest names."""
    keys = [f"p/{SPAN}-{n}.parquet" for n in (0, 1, 10, 2)]
    manifest = json.dumps({"files": [keys[0], keys[1], keys[3]]})

    (window,) = found(*keys, f"p/{SPAN}_manifest.json", manifest=manifest)

    assert [part.number for part in window.parts] == [0, 1, 2]
    assert not window.unfinished


@pytest.mark.parametrize("manifest", ['{"files": ["p/gone.parquet"]}', "{", "[1]"])
def test_a_manifest_that_cannot_be_followed_leaves_the_window_unfinished(
    manifest: str,
) -> None:
    """What it names is not there, or it is no manifest."""
    (window,) = found(f"{SPAN}-0.parquet", f"{SPAN}_manifest.json", manifest=manifest)

    assert window.unfinished


@pytest.mark.parametrize(("always", "complete"), [(True, False), (False, True)])
def test_a_lone_first_part_is_whole_only_in_azure(
    always: bool,  # noqa: FBT001 - a parameter
    complete: bool,  # noqa: FBT001 - a parameter
) -> None:
    """Elsewhere PostHog always writes the manifest."""
    (window,) = found(f"{SPAN}-0.parquet", always=always)

    assert (window.unfinished == "") == complete


def test_two_files_of_one_window_are_not_both_read() -> None:
    """As where two exports share a folder."""
    (window,) = found(f"a/{SPAN}.parquet", f"b/{SPAN}.jsonl.gz")

    assert "claim to be it" in window.unfinished
