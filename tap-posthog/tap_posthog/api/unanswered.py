"""The lines that end a run where PostHog gave no good answer. Pure.

Its refusals, which depend on what it said, are in `api_errors.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


def not_reached(where: str, reason: str) -> str:
    """Say that no answer at that address ever made sense."""
    return (
        f"{where} cannot be reached: {reason}. Check base_url, the network and the "
        "proxy settings"
    )


def gave_up(where: str, reason: str, spent: float, then: datetime, most: int) -> str:
    """Say that limits or faults would last longer than they may."""
    return (
        f"No answer from {where} after {spent:,.0f} s: {reason}. The next try would be "
        f"at {then:%Y-%m-%d %H:%M} UTC, beyond max_wait_seconds ({most}). Run again "
        "after that; it goes on from the last state"
    )


def test_later(where: str, reason: str, wait: float, then: datetime) -> str:
    """Say that `--test` met a limit that is longer than a test may take."""
    return (
        f"{where} answers, but asks to wait {wait:,.0f} s: {reason}. Test again after "
        f"{then:%Y-%m-%d %H:%M} UTC"
    )


def test_failed(where: str, reason: str) -> str:
    """Say that `--test` met faults for as long as a test may take."""
    return (
        f"No good answer from {where} in the time of a test: {reason}. Check "
        "base_url and PostHog's status page, then test again"
    )


def too_heavy(status: int, said: str) -> str:
    """Say that one question was too much."""
    return (
        f"One query was too much for PostHog ({status}): {said or 'no reason given'}. "
        "Lower page_size, or run again at a quieter time; it goes on from the last "
        "state"
    )


def too_slow(seconds: int, times: int) -> str:
    """Say that one question took too long, several times."""
    return (
        f"One query was not answered within request_timeout_seconds ({seconds}), "
        f"{times} times in a row. Raise request_timeout_seconds or lower page_size, or "
        "run again at a quieter time; it goes on from the last state"
    )
