"""Airbyte's connector from PyPI, in its own environment, as Airbyte runs it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench import environment
from tests.bench.query import API_KEY

if TYPE_CHECKING:
    from tests.bench.ground import Ground

VERSION = "1.1.28"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
CATALOG = {
    "streams": [
        {
            "stream": {
                "name": "events",
                "json_schema": {},
                "supported_sync_modes": ["full_refresh", "incremental"],
            },
            "sync_mode": "incremental",
            "cursor_field": ["timestamp"],
            "destination_sync_mode": "append",
        }
    ]
}


def installed() -> Path:
    """Install the connector once, and give its console script."""
    folder = CACHE / "posthog-to-patterns" / f"airbyte-source-posthog-{VERSION}"
    script = folder / "bin" / "source-posthog"
    if not script.exists():
        environment.create(folder, f"airbyte-source-posthog=={VERSION}")
    return script


def reading(ground: Ground, url: str, days: int) -> list[str | Path]:
    """Name the connector, to read events in slices of so many days (30 by default)."""
    config = ground.config(
        f"airbyte-{days}",
        base_url=url,
        api_key=API_KEY,
        start_date=f"{ground.start:%Y-%m-%dT%H:%M:%SZ}",
        events_time_step=days,
    )
    catalog = ground.folder / "catalog.json"
    catalog.write_text(json.dumps(CATALOG))
    return [installed(), "read", "--config", config, "--catalog", catalog]
