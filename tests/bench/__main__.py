"""`python -m tests.bench`: run the benches, print them, write `docs/benchmarks.md`.

`--quick` is for trying the benches themselves: a fiftieth of the events, and nothing is
written unless `--into` names a folder. `--only` measures some of it again, and leaves
the rest of the page as it is.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.bench import (
    cost,
    environment,
    exports,
    goodput,
    others,
    pair,
    pythons,
    sizes,
    tap,
    target,
)
from tests.bench.ground import Ground
from tests.bench.process import REPOSITORY
from tests.bench.report import Report

SECTIONS = {
    "tap": tap.measure,
    "target": target.measure,
    "goodput": goodput.measure,
    "pair": pair.measure,
    "others": others.measure,
    "cost": cost.measure,
    "sizes": sizes.measure,
    "exports": exports.measure,
    "pythons": pythons.measure,
}


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench")
    parser.add_argument("--quick", action="store_true", help="a fiftieth of the events")
    parser.add_argument("--only", choices=SECTIONS, nargs="+", default=list(SECTIONS))
    parser.add_argument("--into", type=Path, help="folder of benchmarks.md, .svg")
    asked = parser.parse_args()
    into = asked.into or (None if asked.quick else REPOSITORY / "docs")
    report = Report()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        programs = environment.with_the_pair(Path(folder) / "environment")
        rounds = 1 if asked.quick else 3
        ground = Ground(Path(folder), programs, asked.quick, rounds)
        for name in (each for each in SECTIONS if each in asked.only):
            started = time.monotonic()
            SECTIONS[name](ground, report)
            sys.stderr.write(f"{name}: {time.monotonic() - started:.0f} s\n")
    if into:
        report.write(into, update=len(asked.only) < len(SECTIONS))


if __name__ == "__main__":
    main()
