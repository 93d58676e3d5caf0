"""What the benches found, as Markdown: ratios first, then a table for each question.

It owns the page, and no measurement.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from tests.bench.page import HEAD, RATIOS, Page, table

__all__ = ["Report", "megabytes", "table"]

VERSIONS = (
    "tap-posthog",
    "target-patterns-webhook",
    "singer-sdk",
    "msgspec",
    "requests",
    "meltano",
    "chdb",
    "hogql-parser",
)
ABOUT = """# Benchmarks

Written by `make bench` on {date}; do not edit. {machine}

{versions}

Each table compares programs in one run, one after the other and again, and shows the
run with the median time; tables may be of different runs. Times are whole processes,
start included. Events are about 1.35 KB as Singer records. ClickHouse, the receiver and
what is measured share the machine's cores.
"""


@dataclass(frozen=True, slots=True)
class Ratio:
    """One figure that the pair is held to."""

    what: str
    value: float
    wanted: float
    at_most: bool = False

    @property
    def reached(self) -> bool:
        """Whether the figure is on the right side."""
        if self.at_most:
            return self.value <= self.wanted
        return self.value >= self.wanted

    def cells(self) -> list[str]:
        """Give the row of the table of ratios."""
        sign = "<=" if self.at_most else ">="
        verdict = "yes" if self.reached else "**no**"
        return [self.what, f"{self.value:.2f}", f"{sign} {self.wanted:g}", verdict]


@dataclass(slots=True)
class Report:
    """What is known so far."""

    ratios: list[Ratio] = field(default_factory=list)
    lead: str = ""
    sections: list[str] = field(default_factory=list)
    pictures: dict[str, str] = field(default_factory=dict)
    airbyte_rate: float | None = None  # events/s, for what its backfill would take

    def ratio(
        self, what: str, value: float, wanted: float, *, at_most: bool = False
    ) -> None:
        """Add a figure that the pair is held to."""
        self.ratios.append(Ratio(what, value, wanted, at_most))

    def add(self, title: str, *parts: str, first: bool = False) -> None:
        """Add a section, or the one that comes before all others."""
        text = "\n\n".join([f"## {title}", *parts])
        if first:
            self.lead = text
        else:
            self.sections.append(text)
        print(f"\n{text}", flush=True)  # noqa: T201 - seen while it runs

    def write(self, folder: Path, *, update: bool = False) -> None:
        """Write the page and its pictures, or `update` what was measured of it."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, picture in self.pictures.items():
            (folder / name).write_text(picture)
        path, page = folder / "benchmarks.md", Page.read(self.markdown())
        if update and path.exists():
            page = Page.read(path.read_text()).updated(page)
        path.write_text(page.write())

    def markdown(self) -> str:
        """Write the page."""
        head = ABOUT.format(
            date=f"{datetime.now(UTC):%Y-%m-%d}", machine=machine(), versions=versions()
        )
        ratios = table(HEAD, [ratio.cells() for ratio in self.ratios])
        lead = [self.lead] if self.lead else []
        ratios = f"## {RATIOS}\n\n{ratios}"
        return "\n\n".join([head.rstrip(), *lead, ratios, *self.sections]) + "\n"


def megabytes(count: float) -> str:
    """Write a size."""
    return f"{count / 1e6:,.0f} MB"


def machine() -> str:
    """Say what the benches ran on."""
    model = next(
        line.split(":", 1)[1].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{os.cpu_count()} cores of {model}, {memory:.0f} GiB, Linux,"
        f" Python {platform.python_version()}."
    )


def versions() -> str:
    """Say which versions were measured."""
    known = (f"{name} {importlib.metadata.version(name)}" for name in VERSIONS)
    return ", ".join(known) + "."
