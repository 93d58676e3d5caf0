"""Cycle after cycle: how often a follower asks, and what it leaves to others."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from tap_posthog.bookmark import Bookmark
from tap_posthog.run import LOOK_BACK_SECONDS, QUERY_SECONDS, Run
from tests.tap.running import config, settings
from tests.tap.test_scenarios import insert

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.sandbox import Sandbox


class EnoughError(Exception):
    """As many cycles as the test wants."""


class Pauses:
    """A clock that only pauses move, which end after a number of them."""

    def __init__(self, most: int, between: Callable[[], object] = bool) -> None:
        self.seconds = 0.0
        self.slept: list[float] = []
        self._most = most
        self._between = between

    def clock(self) -> float:
        """Say what time it is."""
        return self.seconds

    def sleep(self, seconds: float) -> None:
        """Let time pass, or end the test's run."""
        self.slept.append(seconds)
        self.seconds += seconds
        self._between()
        if len(self.slept) >= self._most:
            raise EnoughError


def follow(sandbox: Sandbox, pauses: Pauses, **more: object) -> Run:
    """Follow until there were enough pauses; the rows are forgotten."""
    given = settings(**config(sandbox, **more))
    with (
        pytest.raises(EnoughError),
        Run(given, ["event"], clock=pauses.clock, sleep=pauses.sleep) as run,
    ):
        for _ in run.batches(Bookmark()):
            pass
    return run


def test_a_cycle_is_due_every_so_often(sandbox: Sandbox) -> None:
    """A quiet cycle is as long as it was asked to be."""
    insert(sandbox, 10)
    pauses = Pauses(5)

    follow(sandbox, pauses, follow_seconds=30)

    assert pauses.slept == [30] * 5


def test_a_follower_leaves_half_the_quota(sandbox: Sandbox) -> None:
    """PostHog allows 2,400 queries an hour; no cycle spends more than half of that."""
    insert(sandbox, 10)
    pauses = Pauses(40)

    follow(sandbox, pauses, follow_seconds=10)

    asked = len(sandbox.requests())
    assert min(pauses.slept) >= 10
    assert asked / pauses.seconds <= 1200 / 3600
    assert asked * QUERY_SECONDS <= pauses.seconds


def test_late_arrivals_are_looked_for_every_ten_minutes(sandbox: Sandbox) -> None:
    """In between, nothing looks back, and a cycle without news is one small query."""
    insert(sandbox, 10, "now64(6) - 60 - number")
    pauses = Pauses(1 + LOOK_BACK_SECONDS // 100)

    follow(sandbox, pauses, follow_seconds=100)

    rechecks = [
        each for each in sandbox.requests() if "toStartOfHour" in (each["hogql"] or "")
    ]
    assert 1 <= len(rechecks) <= 2
    assert len(sandbox.requests()) <= len(pauses.slept) + 8


def test_a_cycle_with_news_costs_two_queries(sandbox: Sandbox) -> None:
    """One small plan, which brings the server's clock along, and one read."""
    insert(sandbox, 10, "now64(6) - 60 - number")
    asked: list[int] = []

    def arrive() -> None:
        asked.append(len(sandbox.requests()))
        insert(sandbox, 10, "now64(6)")

    run = follow(sandbox, Pauses(6, between=arrive), follow_seconds=30)

    assert [after - before for before, after in pairwise(asked)] == [2] * 5
    assert run.farewell().startswith("60 events were sent")


def test_the_events_list_is_followed_without_repeats(sandbox: Sandbox) -> None:
    """Each cycle reads the lookback again, and sends only what it has not sent."""
    insert(sandbox, 30, "now64(6) - 60 - number")
    pauses = Pauses(3)

    run = follow(sandbox, pauses, follow_seconds=30, events_source="rest")

    assert run.farewell().startswith("30 events were sent")
