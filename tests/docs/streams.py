"""The page of all streams, out of their declarations.

Run to write, `--check` to compare.
"""

from __future__ import annotations

import sys
from datetime import timedelta
from typing import TYPE_CHECKING

from tap_posthog.declarations import DECLARATIONS
from tap_posthog.declarations.declaration import PROJECT_ID, RestList, Table
from tests.docs.columns import kind
from tests.docs.settings import ROOT, one_line

if TYPE_CHECKING:
    from tap_posthog.declarations.declaration import Declaration

DOCUMENT = ROOT / "docs" / "streams.md"
INTRODUCTION = """\
# Streams

Generated from the declarations in `tap_posthog/declarations` by `make docs`.

`events` is selected by itself; its columns are in the [README of the tap](../tap-posthog/README.md). All other streams are off until the catalog selects them. In meltano.yml:

```yaml
plugins:
  extractors:
  - name: tap-posthog
    select: [events.*, persons.*, person_distinct_ids.*, sessions.*]
```

Columns that are left out (`- "!persons.properties"`) are not asked of PostHog.

- Every record carries `project_id`, which is the first part of its key.
- Instants are RFC 3339, UTC, with microseconds. Text that holds JSON is the object. `$` is taken off column names.
- A run finishes a scan that was interrupted where it was, then reads what changed. PostHog's rows are compared with its own count; a stream with fewer ends with exit code 4, and its state stays before the gap.
- A stream that PostHog refuses (a scope, a role) ends with one line; the others are read first. A table or list that a PostHog does not have is skipped with a warning, and a column that it does not have is sent as null.
- `--discover` asks PostHog what the key may read (`@current`), and leaves out what it may not.
- After an overlap a row may come again: load by key (upsert).
- Queries cost the same budget as those of `events`. A run with nothing new costs one or two queries a stream.

## Events after 30 November 2026

From that day PostHog stores the properties of events with their types. Numbers stay numbers, the order of keys changes, and some properties (`$set`, `$set_once`, `$sent_at`, `$sdk_debug_…`) are dropped from rows that are 60 days old. Nothing in this tap compares or hashes properties, so nothing is read again for it. But to read old events again (a wider scope, `FULL_TABLE`, a new state) brings poorer rows than those that were read before, and an upsert puts them over the richer ones: keep the old table beside it.

`$feature_flag_called` leaves `events` organisation by organisation: `--discover` says so where PostHog does (a key with `project:read`), and `flag_evaluations` has them.

## Your own queries

`hogql_streams` makes a stream of any HogQL query. Every column takes a name, and LIMIT and OFFSET are the tap's.

```json
{
  "hogql_streams": [
    {
      "name": "daily_events",
      "query": "select toDate(timestamp) as day, event, count() as events from events where timestamp >= {since} - interval 3 day and timestamp < {until} group by day, event",
      "primary_key": ["day", "event"],
      "replication_key": "day",
      "description": "Events a day, the last three days again."
    }
  ]
}
```

- It is read in pages by `primary_key`, which must be unique. Without one it is a single query, and more than 50,000 rows are an error, never a silent cut.
- With `replication_key` a run reads what is at or after the largest value that it has seen, and never beyond the server's clock as the run began. `{since}` is that value as an instant (2015 in the first run), `{until}` is that clock. Where a query has `{since}`, it alone says how far back it reads: take off as much as late rows need.
- Its columns are as PostHog types them: instants and days are instants, numbers numbers, arrays of text or whole numbers arrays, all else text.
"""


def page() -> str:
    """Return the whole page."""
    rows = [
        "| Stream | Kept up to date | Key, after `project_id` | Scope |",
        "|---|---|---|---|",
    ]
    rows += [
        f"| [`{each.name}`](#{each.name}) | {_method(each)} | "
        f"{', '.join(f'`{name}`' for name in each.key)} | `{each.scope}` |"
        for each in DECLARATIONS
    ]
    parts = [INTRODUCTION, "## All of them", "\n".join(rows)]
    parts += map(_section, DECLARATIONS)
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def _section(each: Declaration) -> str:
    lines = [
        f"## {each.name}",
        "",
        each.purpose,
        "",
        f"- Read from {_source(each)}, with the scope `{each.scope}`.",
        f"- Kept up to date: {_method(each)}.",
        f"- Costs: {_cost(each)}",
        f"- Misses: {each.misses}",
        "",
        "| Column | Type | Meaning |",
        "|---|---|---|",
    ]
    schema = each.schema["properties"]
    for column in (PROJECT_ID, *each.columns):
        notes = [one_line(column.description)]
        if column.name in each.primary_keys:
            notes.append("Primary key.")
        if column.name == each.replication_key:
            notes.append("Replication key.")
        lines.append(
            f"| `{column.name}` | {kind(schema[column.name])} | {' '.join(notes)} |"
        )
    return "\n".join(lines)


def _source(each: Declaration) -> str:
    if isinstance(each, RestList):
        return f"the list `/api/projects/…/{each.path}/`"
    assert isinstance(each, Table)
    return "HogQL " + (" and ".join if each.name == "cohort_members" else " or ".join)(
        f"`{name}`" for name in each.tables
    )


def _method(each: Declaration) -> str:
    if each.name == "cohort_members":
        return "whole, each cohort whose version moved"
    if not each.replication_key:
        return "whole in each run"
    span = f"incremental by `{each.replication_key}`, {_span(each.overlap)} again"
    if isinstance(each, Table) and each.rescanned:
        span += "; whole every `full_scan_days`"
    return span


def _cost(each: Declaration) -> str:
    if isinstance(each, RestList):
        more = ", and one for each object that changed" if each.detail else ""
        walks = len(each.walks) or 1
        times = f" in each of {walks} walks" if walks > 1 else ""
        if each.bare:
            return "one request."
        return f"one request for {each.limit:,} objects{times}{more}."
    assert isinstance(each, Table)
    if each.name == "cohort_members":
        return "a query for the cohorts, and two to four for each one that is read."
    if each.window:
        return "a count by hour, then one query for about 50,000 rows."
    return "a count and a query for each 49,000 rows; a count where nothing is new."


def _span(span: timedelta) -> str:
    for name, unit in (("day", timedelta(days=1)), ("hour", timedelta(hours=1))):
        if span >= unit:
            number = span // unit
            return f"{number} {name}{'' if number == 1 else 's'}"
    return f"{span // timedelta(minutes=1)} minutes"


def main(arguments: list[str]) -> int:
    """Write the page; with `--check`, say whether it is out of date."""
    made = page()
    if "--check" not in arguments:
        DOCUMENT.write_text(made)
    elif not DOCUMENT.exists() or DOCUMENT.read_text() != made:
        sys.stderr.write(f"{DOCUMENT.name} is out of date: make docs\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
