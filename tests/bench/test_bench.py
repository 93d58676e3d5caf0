"""The arithmetic and the pictures of the benches. Nothing here is timed."""

from __future__ import annotations

import math
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.bench.page import Page
from tests.bench.picture import Curve, Panel, draw, steps
from tests.bench.quota import EVENTS_LIST, QUERY, Quota, Reader, spelled
from tests.bench.report import Report
from tests.bench.target import after_start, shown


@pytest.mark.parametrize(
    ("requests", "seconds"),
    [
        pytest.param(0, 0, id="nothing"),
        pytest.param(240, 0, id="one burst"),
        pytest.param(241, 60, id="one more than a minute holds"),
        pytest.param(2_400, 540, id="one hour's, in ten minutes"),
        pytest.param(2_401, 3_600, id="one more than an hour holds"),
        pytest.param(100_000, 147_960, id="a hundred million events, 1,000 a page"),
    ],
)
def test_the_quota_is_used_as_early_as_it_may_be(requests: int, seconds: int) -> None:
    """Requests go in bursts of a minute until the hour is full."""
    assert QUERY.seconds(requests) == seconds


def starts(quota: Quota, requests: int) -> list[int]:
    """Start each request as early as both windows let it: the slow way."""
    times: list[int] = []
    for n in range(requests):
        earliest = times[-1] if times else 0
        if n >= quota.per_minute:
            earliest = max(earliest, times[n - quota.per_minute] + 60)
        if n >= quota.per_hour:
            earliest = max(earliest, times[n - quota.per_hour] + 3_600)
        times.append(earliest)
    return times


@given(st.integers(1, 20), st.integers(1, 10), st.integers(1, 400))
def test_the_formula_is_what_two_sliding_windows_give(
    per_minute: int, minutes: int, requests: int
) -> None:
    """The formula agrees with a reader that asks as early as it is let."""
    quota = Quota(per_minute, per_minute * minutes)

    assert quota.seconds(requests) == starts(quota, requests)[-1]


def test_a_backfill_takes_the_slower_of_quota_and_program() -> None:
    """Under its quota the program's own speed counts; over it, the quota."""
    slow = Reader(110, 1_000, QUERY)
    fast = Reader(1_001, 1_000_000, EVENTS_LIST)

    assert slow.seconds(1_000_000) == 1_000
    assert fast.seconds(10_000_000) == 8 * 3_600 + 60


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.2, "0 s"),
        (59, "59 s"),
        (3_600, "1 h"),
        (12_010, "3 h 20 min"),
        (90_000, "1 d 1 h"),
    ],
)
def test_times_are_spelled_in_two_units(seconds: float, words: str) -> None:
    """Nobody needs the seconds of a day."""
    assert spelled(seconds) == words


@given(st.floats(1e-3, 1e9))
def test_an_axis_has_a_few_round_numbers_and_holds_the_highest(high: float) -> None:
    """The last tick is at or beyond the highest value, the one before it is not."""
    ticks = steps(high)

    assert 3 <= len(ticks) <= 7
    assert ticks[0] == 0
    assert ticks[-2] < high * 1.000001
    assert ticks[-1] >= high or math.isclose(ticks[-1], high)


def test_a_straight_line_is_drawn_straight() -> None:
    """Time that grows with the events goes up by equal steps of the picture."""
    curve = Curve("tap", [(100_000, 1.0), (200_000, 2.0), (300_000, 3.0)])

    root = ET.fromstring(draw([Panel("Time", "s", [curve], logarithmic=False)]))  # noqa: S314 - ours

    line = root.find(".//{*}polyline")
    assert line is not None
    points = [tuple(map(float, p.split(","))) for p in line.attrib["points"].split()]
    (x1, y1), (x2, y2), (x3, y3) = points
    assert x1 < x2 < x3
    assert y1 > y2 > y3
    assert x2 - x1 == pytest.approx(x3 - x2, abs=0.2)
    assert y2 - y1 == pytest.approx(y3 - y2, abs=0.2)


@pytest.mark.parametrize(
    ("seconds", "start", "says"),
    [
        pytest.param(3, 1, "500", id="long enough"),
        pytest.param(1, 1.2, "too few", id="quicker than the start alone"),
        pytest.param(1, 1, "too few", id="as quick"),
        pytest.param(1.05, 1, "too few", id="within the noise"),
        pytest.param(2, 0, "500", id="no start"),
    ],
)
def test_a_rate_is_never_negative(seconds: float, start: float, says: str) -> None:
    """Where too few events were moved to tell, as with `--quick`, the table says so."""
    assert shown(after_start(1000, seconds, start)) == says


def test_a_part_that_is_measured_again_replaces_its_own() -> None:
    """Its sections and ratios; all else stays, in its order."""
    old = Report()
    old.ratio("speed", 2, 1)
    old.ratio("memory", 9, 5, at_most=True)
    old.add("How long?", "an hour", first=True)
    old.add("Speed", "fast")
    old.add("Memory", "much")
    new = Report()
    new.ratio("memory", 4, 5, at_most=True)
    new.ratio("bytes", 1, 5, at_most=True)
    new.add("Memory", "little")
    new.add("Bytes", "few")

    page = Page.read(old.markdown()).updated(Page.read(new.markdown()))

    titles = ["How long?", "Ratios", "Speed", "Memory", "Bytes"]
    assert list(page.sections) == titles
    assert page.sections["Speed"] == "fast"
    assert page.sections["Memory"] == "little"
    ratios = page.sections["Ratios"].splitlines()[2:]
    assert [line.split("|")[1].strip() for line in ratios] == [
        "speed",
        "memory",
        "bytes",
    ]
    assert "**no**" not in page.sections["Ratios"]
    assert Page.read(page.write()) == page
