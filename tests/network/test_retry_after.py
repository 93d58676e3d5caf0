"""How long a server asks to wait, in both programs: tables, no I/O."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_posthog.http import retry_after as tap
from target_patterns_webhook.http import retry_after as target

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
IN_A_MINUTE = "Sat, 21 Nov 2026 12:01:00 GMT"
IN_AN_HOUR = "Sat, 21 Nov 2026 13:00:00 GMT"
READERS = [tap.retry_after, target.retry_after]
LONGEST = 315_360_000


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        pytest.param("5", 5.0, id="seconds"),
        pytest.param(" 5 ", 5.0, id="blanks"),
        pytest.param("0", 0.0, id="zero"),
        pytest.param("1.5", 1.5, id="decimals"),
        pytest.param("30.0", 30.0, id="whole-decimals"),
        pytest.param("2.", 2.0, id="bare-point"),
        pytest.param("-3", 0.0, id="negative"),
        pytest.param("-3.5", 0.0, id="negative-decimals"),
        pytest.param("999999999999999", LONGEST, id="for-ever"),
        pytest.param("1000000000", LONGEST, id="1e9"),
        pytest.param(IN_A_MINUTE, 60.0, id="imf-fixdate"),
        pytest.param("Saturday, 21-Nov-26 12:01:00 GMT", 60.0, id="rfc-850"),
        pytest.param("Sat Nov 21 12:01:00 2026", 60.0, id="asctime"),
        pytest.param("Sun Nov  1 12:01:00 2026", 0.0, id="asctime-one-digit-day"),
        pytest.param("sat, 21 nov 2026 12:01:00 GMT", 60.0, id="lower-case"),
        pytest.param("Sat 21 Nov 2026 12:01:00 GMT", 60.0, id="no-comma"),
        pytest.param("Sat, 21 Nov 2026 12:01:00 UTC", 60.0, id="utc"),
        pytest.param("Sat, 21 Nov 2026 13:01:00 +0100", 60.0, id="offset"),
        pytest.param("Xyz, 21 Nov 2026 12:01:00 GMT", 60.0, id="wrong-day-name"),
        pytest.param("Sat, 21 Nov 2026 12:00:60 GMT", None, id="leap-second"),
        pytest.param("Sat, 21 Nov 2026 11:00:00 GMT", 0.0, id="past"),
        pytest.param("Sunday, 06-Nov-94 08:49:37 GMT", 0.0, id="rfc-850-past-century"),
        pytest.param("Sat, 31 Feb 2026 12:01:00 GMT", None, id="no-such-day"),
        pytest.param("Sat, 21 Foo 2026 12:01:00 GMT", None, id="no-such-month"),
        pytest.param("Sat, 21 Nov 99999 12:01:00 GMT", None, id="huge-year"),
        pytest.param("Sat, 21 Nov 9999 23:59:59 GMT", None, id="last-year"),
        pytest.param("Sat, 21 Nov 2026 12:01:00 +9999999999", None, id="huge-offset"),
        pytest.param("soon", None, id="garbage"),
        pytest.param("", None, id="empty"),
        pytest.param(None, None, id="absent"),
        pytest.param("5 seconds", None, id="unit"),
        pytest.param("1e9", None, id="exponent"),
        pytest.param("\N{SUPERSCRIPT TWO}", None, id="superscript"),
        pytest.param("\N{ARABIC-INDIC DIGIT FIVE}", None, id="other-digits"),
        pytest.param("nan", None, id="nan"),
        pytest.param("inf", None, id="infinity"),
        pytest.param("9" * 400, None, id="hostile"),
        pytest.param("9" * 5000, None, id="more-digits-than-python-reads"),
        pytest.param("5, 10", 10.0, id="two"),
        pytest.param("10, 5", 10.0, id="two-the-other-way"),
        pytest.param(f"{IN_A_MINUTE}, 10", 60.0, id="date-and-seconds"),
        pytest.param(f"90, {IN_A_MINUTE}", 90.0, id="seconds-and-date"),
        pytest.param(f"{IN_A_MINUTE}, {IN_AN_HOUR}", 3600.0, id="two-dates"),
        pytest.param("Sat Nov 21 12:01:00 2026, 5", 60.0, id="asctime-and-seconds"),
        pytest.param(f"soon, {IN_A_MINUTE}", 60.0, id="garbage-and-date"),
        pytest.param(", 7,", 7.0, id="empty-and-seconds"),
    ],
)
def test_retry_after_is_read_in_every_form(
    value: str | None, seconds: float | None
) -> None:
    """Seconds, all dates of RFC 9110, the largest of several; the rest is ignored."""
    assert [read(value, None, NOW) for read in READERS] == [seconds] * 2


def test_a_date_is_compared_with_the_answers_own_clock() -> None:
    """A server whose clock is an hour ahead gets the minute that it asked for."""
    ahead = "Sat, 21 Nov 2026 13:00:00 GMT"
    until = "Sat, 21 Nov 2026 13:01:00 GMT"

    for read in READERS:
        assert read(until, ahead, NOW) == 60
        assert read(until, "garbage", NOW) == 3660
        assert read(until, "Sat, 21 Nov 99999 12:00:00 GMT", NOW) == 3660


@given(st.datetimes(datetime(1970, 1, 2), datetime(2060, 1, 1)))  # noqa: DTZ001
def test_any_date_comes_back_to_the_second(moment: datetime) -> None:
    """Whatever the date, the wait ends at it."""
    until = moment.replace(microsecond=0, tzinfo=UTC)
    now = until - timedelta(seconds=77)

    for form in ("%a, %d %b %Y %H:%M:%S GMT", "%a %b %d %H:%M:%S %Y"):
        for read in READERS:
            assert read(until.strftime(form), None, now) == 77


PIECES = st.sampled_from(
    ["Sat", ",", " ", "21", "Nov", "99999", "12:01:00", "GMT", "-", "+", ".", "²", ":"]
)
HOSTILE = st.one_of(
    st.text(max_size=60),
    st.lists(PIECES, max_size=12).map("".join),
    st.lists(PIECES, max_size=12).map(" ".join),
    st.integers(-(10**30), 10**30).map(str),
    st.floats().map(str),
)


@given(HOSTILE, HOSTILE)
def test_no_header_breaks_the_parser(value: str, date: str) -> None:
    """Whatever a server writes there, it is a wait that makes sense, or none."""
    for module in (tap, target):
        asked = module.retry_after(value, date, NOW)
        assert asked is None or 0 <= asked <= LONGEST
        found = module.http_date(value)
        if found is not None:  # and is far from where sums of times overflow
            assert found + timedelta(days=365_000) - NOW
