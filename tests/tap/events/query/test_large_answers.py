"""An answer that is larger than what is taken at once costs questions, and no event."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_posthog.api import answer_parts, query
from tap_posthog.events.query import windows
from tests.support.rows import fill
from tests.tap.running import config, run_here

if TYPE_CHECKING:
    import pytest

    from tests.support.sandbox import Sandbox


def random(count: int) -> str:
    """Give properties with so many random bytes, which no server can compress."""
    return f"concat('{{\"a\":\"', hex(randomString({count})), '\"}}')"


def test_answers_are_cut_and_read_on_behind(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the bytes that came, with smaller pages after the first."""
    monkeypatch.setattr(query, "MOST_BYTES", 40_000)
    monkeypatch.setattr(windows, "PAGE_BYTES", 20_000)
    monkeypatch.setattr(
        answer_parts.parts, "__defaults__", (4_000, answer_parts.ROW_ENDS)
    )
    fill(sandbox, 600, properties=random(200))
    sandbox.forget_requests()

    outcome = run_here(config(sandbox))

    asked = sandbox.requests()
    limits = [int(each["hogql"].split(" limit ")[1]) for each in asked if each["rows"]]
    assert len(set(outcome.uuids)) == len(outcome.records) == 600
    assert 50 < min(limits[2:]) < 200
    assert len(asked) < 25


def test_one_event_may_be_larger_than_an_answer(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is asked for alone, without a bound."""
    monkeypatch.setattr(query, "MOST_BYTES", 400_000)
    fill(sandbox, 20, properties=f"if(number = 7, {random(600_000)}, '{{}}')")

    outcome = run_here(config(sandbox))

    assert len(set(outcome.uuids)) == len(outcome.records) == 20
    assert max(len(each["properties"].get("a", "")) for each in outcome.records) > 1e6
