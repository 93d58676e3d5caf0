"""Fixtures of all areas: a sandbox that many tests share."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from tests.support.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

# With this set each process that a test starts compiles all that it imports, each time
# anew: Meltano takes five seconds instead of two, the sandbox two instead of one.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# Nothing here is timed: a busy machine makes no property false.
settings.register_profile(
    "untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("untimed")


def pytest_xdist_auto_num_workers() -> int:
    """Use each core twice: half of the time a test waits for what it has started."""
    return 2 * (os.cpu_count() or 1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what uses the sandbox."""
    for item in items:
        if "shared_sandbox" in getattr(item, "fixturenames", ()):
            item.add_marker("sandbox")


@pytest.fixture(scope="session")
def shared_sandbox() -> Iterator[Sandbox]:
    """Start one PostHog for the whole run; each test finds it as the last left it."""
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(shared_sandbox: Sandbox) -> Sandbox:
    """Empty the shared PostHog, and give it its default behaviour."""
    shared_sandbox.reset()
    return shared_sandbox
