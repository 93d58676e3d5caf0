"""Fixtures of the pair: a sandbox with both sides, and databases for neighbours."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.pair.databases import PostgreSQL, postgres
from tests.pair.ends import Ends
from tests.support.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def both_sides() -> Iterator[Sandbox]:
    """PostHog and Patterns in one process, as the last test left them."""
    with Sandbox(side="both") as sandbox:
        yield sandbox


@pytest.fixture
def ends(both_sides: Sandbox, tmp_path: Path) -> Ends:
    """Both ends, empty."""
    both_sides.reset()
    return Ends(both_sides, tmp_path)


@pytest.fixture(scope="session")
def shared_postgres() -> Iterator[PostgreSQL]:
    """One PostgreSQL for the whole run, as the last test left it."""
    with postgres() as server:
        yield server


@pytest.fixture
def empty_postgres(shared_postgres: PostgreSQL) -> PostgreSQL:
    """Empty the shared PostgreSQL."""
    shared_postgres.sql("drop schema public cascade; create schema public")
    return shared_postgres
