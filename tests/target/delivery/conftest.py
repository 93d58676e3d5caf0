"""What is true of every test of the delivery."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from tests.target.delivery.crews import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _no_thread_outlives_a_test() -> Iterator[None]:
    """End each thread that a delivery starts with it."""
    before = set(threading.enumerate())
    yield
    eventually(lambda: set(threading.enumerate()) <= before, 10)
