"""`make demo` as a newcomer types it, in a fresh clone."""

from __future__ import annotations

import os
import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.pair.test_meltano import ROOT

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.prove
def test_the_demo_delivers_both_runs_whole(tmp_path: Path) -> None:
    """A backfill, then 500 events more, some late: none missing, none double."""
    clone = tmp_path / "clone"
    subprocess.run(("git", "clone", "--quiet", ROOT, clone), check=True)
    inherited = {"VIRTUAL_ENV", "MAKEFLAGS", "MAKELEVEL"}
    done = subprocess.run(
        ("make", "demo"),
        cwd=clone,
        env={key: text for key, text in os.environ.items() if key not in inherited},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout
    assert stats(done.stdout, "events in PostHog") == [20_000, 20_500]
    assert stats(done.stdout, "received by demo") == [20_000, 20_500]
    assert stats(done.stdout, "missing") == [0, 0]
    assert stats(done.stdout, "duplicates") == [0, 0]
    late_in_first, late_in_second = stats(done.stdout, "late events")
    assert late_in_first < late_in_second
    assert stats(done.stdout, "late events missing") == [0, 0]
    for name in ("persons missing", "persons out of date"):
        assert stats(done.stdout, name) == [0, 0]
    people, more_people = stats(done.stdout, "persons in PostHog")
    assert 0 < people <= more_people
    assert "Lifetime value" in done.stdout
    again = ".venv/bin/meltano invoke sandbox:up, then open http://127.0.0.1:8643/"
    assert f"To look at them again: {again}" in done.stdout


def stats(output: str, name: str) -> list[int]:
    """Return what the reports say about a thing, in order."""
    found = re.findall(rf"sandbox +{re.escape(name)} {{2,}}([\d,]+)", output)
    return [int(figure.replace(",", "")) for figure in found]
