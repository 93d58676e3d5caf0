"""Fixtures of all areas: a sandbox that many tests share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def shared_sandbox() -> Iterator[Sandbox]:
    """One PostHog for the whole run, as the last test left it."""
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(shared_sandbox: Sandbox) -> Sandbox:
    """The shared PostHog, empty and with default behaviour."""
    shared_sandbox.reset()
    return shared_sandbox
