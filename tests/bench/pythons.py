"""The pair under each Python that it promises and this machine has."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench.environment import UV, with_the_pair
from tests.bench.ground import alternate, middle, receiver, replay
from tests.bench.process import Run, run
from tests.bench.report import table

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.bench.ground import Ground
    from tests.bench.report import Report

VERSIONS = ("3.11", "3.12", "3.13", "3.14")
EVENTS = 300_000
TAP, TARGET = "tap-posthog", "target-patterns-webhook"
ABOUT = """The same {count:,} events read, and written, by the same code: events a
second. A dash: this machine has no such Python."""


def measure(ground: Ground, report: Report) -> None:
    """Run both programs under each Python."""
    count = ground.size(EVENTS)
    lines = ground.singer(count)
    found = {version: interpreter(version) for version in VERSIONS}
    with (
        ground.sandbox(count) as sandbox,
        replay(sandbox.url) as posthog,
        receiver() as hook,
    ):
        programs: dict[str, Callable[[], Run]] = {}
        for version, python in found.items():
            if python is None:
                continue
            folder = ground.folder / f"python-{version}"
            there = replace(ground, bin=with_the_pair(folder, python))
            programs[f"{version} {TAP}"] = partial(run, there.tap(posthog))
            programs[f"{version} {TARGET}"] = partial(
                run, there.target(hook), stdin=lines
            )
        next(iter(programs.values()))()  # so that the server has every answer
        runs = alternate(programs, ground.rounds)
    done = {key: middle(each) for key, each in runs.items()}

    def cell(name: str) -> str:
        return f"{done[name].rate(count):,.0f}" if name in done else "-"

    rows = [
        [f"Python {each}", cell(f"{each} {TAP}"), cell(f"{each} {TARGET}")]
        for each in VERSIONS
    ]
    head = ["", TAP, TARGET]
    report.add("Pythons", ABOUT.format(count=count), table(head, rows))


def interpreter(version: str) -> str | None:
    """Return the path of a Python that is installed here, None: there is none."""
    find = (*UV, "python", "find", "--no-python-downloads", "--system", version)
    done = subprocess.run(find, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return done.stdout.strip()
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    return next(map(str, root.glob(f"versions/{version}.*/bin/python")), None)
