"""dlt from PyPI, in its own environment, with the pipeline that one would write."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench import environment
from tests.bench.peers.airbyte import CACHE
from tests.bench.query import API_KEY, PROJECT

if TYPE_CHECKING:
    from tests.bench.ground import Ground

VERSION = "1.31.0"
PIPELINE = Path(__file__).with_name("dlt_events.py")


def installed() -> Path:
    """Install dlt once, and give its Python."""
    folder = CACHE / "posthog-to-patterns" / f"dlt-{VERSION}"
    if not (folder / "bin" / "dlt").exists():
        environment.create(folder, f"dlt[filesystem]=={VERSION}")
    return folder / "bin" / "python"


def reading(ground: Ground, url: str, into: Path) -> list[str | Path]:
    """Name the pipeline, to read events into files in a folder."""
    into.mkdir()
    config = ground.config(
        "dlt",
        base_url=url,
        project_id=PROJECT,
        api_key=API_KEY,
        start_date=f"{ground.start:%Y-%m-%dT%H:%M:%S.%fZ}",
    )
    return [installed(), PIPELINE, config, into]


def delivered(into: Path) -> int:
    """Count the events in the files of a folder."""
    total = 0
    for path in (into / "posthog" / "events").iterdir():
        with gzip.open(path) as lines:
            total += sum(1 for _ in lines)
    return total
