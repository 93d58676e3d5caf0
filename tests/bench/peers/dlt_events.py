"""What one would write with dlt: events by HogQL, page by page, into JSONL files.

Run by the Python that has dlt: `dlt_events.py CONFIG FOLDER`. A page goes on behind the
last (timestamp, uuid), and `incremental` remembers where the next run begins.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dlt  # type: ignore[import-not-found]  # in an environment of its own
from dlt.sources.helpers import requests  # type: ignore[import-not-found]

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = 50_000  # PostHog's ceiling
COLUMNS = (
    "uuid, event, distinct_id, timestamp, created_at, properties, elements_chain,"
    " person_id, $session_id, $window_id"
)


def page(config: dict[str, Any], at: str, uuid: str) -> list[dict[str, Any]]:
    """Ask for the events behind a place."""
    place = f"toDateTime64('{at[:26].replace('T', ' ').rstrip('Z')}', 6, 'UTC')"
    query = (
        f"select {COLUMNS} from events where timestamp >= {place} and (timestamp >"  # noqa: S608 - own values
        f" {place} or toString(uuid) > '{uuid}') order by timestamp, toString(uuid)"
        f" limit {PAGE}"
    )
    response = requests.post(
        f"{config['base_url']}/api/projects/{config['project_id']}/query/",
        json={"query": {"kind": "HogQLQuery", "query": query}},
        headers={"Authorization": f"Bearer {config['api_key']}"},
    )
    response.raise_for_status()
    answer = response.json()
    rows = [dict(zip(answer["columns"], row, strict=True)) for row in answer["results"]]
    for row in rows:
        row["properties"] = json.loads(row["properties"])
    return rows


@dlt.resource(  # type: ignore[untyped-decorator]
    primary_key="uuid",
    write_disposition="append",
    max_table_nesting=0,
    columns={"properties": {"data_type": "json"}},
)
def events(
    config: dict[str, Any],
    timestamp: Any = dlt.sources.incremental("timestamp"),  # noqa: ANN401, B008 - dlt's way
) -> Iterator[list[dict[str, Any]]]:
    """Read from the last run's newest timestamp on."""
    at, uuid = timestamp.last_value or config["start_date"], ""
    while rows := page(config, at, uuid):
        yield rows
        at, uuid = rows[-1]["timestamp"], rows[-1]["uuid"]


if __name__ == "__main__":
    given, folder = json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2])
    pipeline = dlt.pipeline(
        "posthog",
        destination=dlt.destinations.filesystem(bucket_url=folder.as_uri()),
        dataset_name="posthog",
        pipelines_dir=str(folder / "pipelines"),
    )
    pipeline.run(events(given), loader_file_format="jsonl")
