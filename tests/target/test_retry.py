"""When to try again, and how long to wait first."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_patterns_webhook.retry import Backoff, Verdict, judge, retry_after

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
IN_A_MINUTE = "Sat, 21 Nov 2026 12:01:00 GMT"


def test_every_status_has_one_meaning() -> None:
    """2xx accepts, 429 and 503 hold everybody, 413 cuts, 400 and 422 refuse.

    408, 425 and the other 5xx are retried, and 409 where the batch was sent before; all
    else, redirects too, ends the run.
    """
    found = {status: judge(status) for status in range(100, 1000)}

    assert found == {
        **dict.fromkeys(range(100, 1000), Verdict.FATAL),
        **dict.fromkeys(range(200, 300), Verdict.ACCEPTED),
        **dict.fromkeys((408, 425, *range(500, 600)), Verdict.RETRY),
        **dict.fromkeys((429, 503), Verdict.HOLD),
        409: Verdict.CONFLICT,
        413: Verdict.TOO_LARGE,
        **dict.fromkeys((400, 422), Verdict.REFUSED),
    }


def test_a_413_that_asks_to_wait_is_temporary() -> None:
    """RFC 9110 lets a server say that it takes no such body now, but will later."""
    assert judge(413, asked_to_wait=True) is Verdict.RETRY


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        pytest.param("5", 5.0, id="seconds"),
        pytest.param(" 5 ", 5.0, id="blanks"),
        pytest.param("0", 0.0, id="zero"),
        pytest.param("1.5", 1.5, id="decimals"),
        pytest.param("2.", 2.0, id="bare-point"),
        pytest.param("-3", 0.0, id="negative"),
        pytest.param("999999999999999", 315_360_000.0, id="for-ever"),
        pytest.param("1000000000", 315_360_000.0, id="1e9"),
        pytest.param(IN_A_MINUTE, 60.0, id="imf-fixdate"),
        pytest.param("Saturday, 21-Nov-26 12:01:00 GMT", 60.0, id="rfc-850"),
        pytest.param("Sat Nov 21 12:01:00 2026", 60.0, id="asctime"),
        pytest.param("Sun Nov  1 12:01:00 2026", 0.0, id="asctime-one-digit-day"),
        pytest.param("sat, 21 nov 2026 12:01:00 GMT", 60.0, id="lower-case"),
        pytest.param("Sat 21 Nov 2026 12:01:00 GMT", 60.0, id="no-comma"),
        pytest.param("Sat, 21 Nov 2026 12:01:00 UTC", 60.0, id="utc"),
        pytest.param("Xyz, 21 Nov 2026 12:01:00 GMT", 60.0, id="wrong-day-name"),
        pytest.param("Sat, 21 Nov 2026 12:00:60 GMT", None, id="leap-second"),
        pytest.param("Sat, 21 Nov 2026 11:00:00 GMT", 0.0, id="past"),
        pytest.param("Sunday, 06-Nov-94 08:49:37 GMT", 0.0, id="rfc-850-past-century"),
        pytest.param("Sat, 31 Feb 2026 12:01:00 GMT", None, id="no-such-day"),
        pytest.param("Sat, 21 Foo 2026 12:01:00 GMT", None, id="no-such-month"),
        pytest.param("soon", None, id="garbage"),
        pytest.param("", None, id="empty"),
        pytest.param(None, None, id="absent"),
        pytest.param("5 seconds", None, id="unit"),
        pytest.param("1e9", None, id="exponent"),
        pytest.param("\N{ARABIC-INDIC DIGIT FIVE}", None, id="other-digits"),
        pytest.param("5, 10", None, id="two"),
        pytest.param("nan", None, id="nan"),
        pytest.param("9" * 400, None, id="hostile"),
    ],
)
def test_retry_after_is_read_in_every_form(
    value: str | None, seconds: float | None
) -> None:
    """Seconds and all three dates of RFC 9110 are understood, the rest is ignored."""
    assert retry_after(value, None, NOW) == seconds


def test_a_date_is_compared_with_the_answers_own_clock() -> None:
    """A receiver whose clock is an hour ahead gets the minute that it asked for."""
    ahead = "Sat, 21 Nov 2026 13:00:00 GMT"
    until = "Sat, 21 Nov 2026 13:01:00 GMT"

    assert retry_after(until, ahead, NOW) == 60
    assert retry_after(until, "garbage", NOW) == 3660


@given(st.datetimes(datetime(1970, 1, 1), datetime(2060, 1, 1)))  # noqa: DTZ001
def test_any_date_comes_back_to_the_second(moment: datetime) -> None:
    """Whatever the date, the wait ends at it."""
    until = moment.replace(microsecond=0, tzinfo=UTC)
    now = until - timedelta(seconds=77)

    for form in ("%a, %d %b %Y %H:%M:%S GMT", "%a %b %d %H:%M:%S %Y"):
        assert retry_after(until.strftime(form), None, now) == 77


@given(st.text(max_size=60), st.text(max_size=60))
def test_no_header_breaks_the_parser(value: str, date: str) -> None:
    """Whatever a receiver writes there, the answer is a wait that makes sense."""
    asked = retry_after(value, date, NOW)

    assert asked is None or 0 <= asked <= 315_360_000


def test_back_off_grows_up_to_its_cap_under_full_jitter() -> None:
    """The longest wait grows from half a second to a minute; the shortest is 0."""
    longest, shortest = Backoff(chance=lambda: 1.0), Backoff(chance=lambda: 0.0)

    waits = [longest.wait(n) for n in (1, 2, 3, 12, 13, 10_000)]
    assert waits == [0.5, 0.75, 1.125, 0.5 * 1.5**11, 60, 60]
    assert shortest.wait(9) == 0


@pytest.mark.parametrize(
    ("latency", "first"),
    [(None, 0.5), (0.0, 0.025), (0.02, 0.025), (0.4, 0.1), (2.0, 0.5), (30.0, 0.5)],
)
def test_a_first_back_off_is_in_step_with_the_receiver(
    latency: float | None, first: float
) -> None:
    """A quarter of what an accepted request takes, 25 ms to half a second."""
    longest = Backoff(chance=lambda: 1.0)

    assert longest.wait(1, latency) == first
    assert longest.wait(3, latency) == pytest.approx(first * 2.25)


@given(st.floats(0, 1, exclude_max=True))
def test_no_chance_makes_a_probe_early(chance: float) -> None:
    """Of a receiver that is down: after half a second, 2, 8, 32, then each minute."""
    backoff = Backoff(chance=lambda: chance)

    for probes, most in enumerate((0.5, 2, 8, 32, 60, 60)):
        assert 0.8 * most <= backoff.probe(probes) <= most
    assert backoff.probe(10_000) <= 60


def test_waits_spread_evenly_below_the_cap() -> None:
    """Full jitter: senders that failed together do not come back together."""
    chance = random.Random(1)  # noqa: S311 - jitter
    waits = [Backoff(chance=chance.random).wait(13) for _ in range(4000)]

    assert max(waits) <= 60
    assert 29 < sum(waits) / len(waits) < 31
    assert all(sum(q * 15 <= w < q * 15 + 15 for w in waits) > 900 for q in range(4))


@given(st.floats(0, 1e6), st.floats(0, 1, exclude_max=True))
def test_nobody_knocks_earlier_than_asked(asked: float, chance: float) -> None:
    """Jitter on a Retry-After only ever adds, a second at most."""
    wait = Backoff(chance=lambda: chance).asked(asked)

    assert asked <= wait <= asked + 1
