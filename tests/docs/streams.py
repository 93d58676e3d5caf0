"""The page of all streams, out of their declarations.

Run to write, `--check` to compare. What stands between the two markers is generated.
"""

from __future__ import annotations

import sys
from datetime import timedelta
from typing import TYPE_CHECKING

from tap_posthog.declarations import DECLARATIONS
from tap_posthog.declarations.declaration import PROJECT_ID, RestList, Table
from tests.docs.columns import kind
from tests.docs.generated import keep
from tests.docs.settings import ROOT, one_line

if TYPE_CHECKING:
    from tap_posthog.declarations.declaration import Declaration

DOCUMENT = ROOT / "docs" / "streams.md"


def sections() -> str:
    """Return a table of all streams, then a section for each."""
    rows = [
        "| Stream | Kept up to date | Key, after `project_id` | Scope |",
        "|---|---|---|---|",
    ]
    rows += [
        f"| [`{each.name}`](#{each.name}) | {_method(each)} | "
        f"{', '.join(f'`{name}`' for name in each.key)} | `{each.scope}` |"
        for each in DECLARATIONS
    ]
    parts = ["\n".join(rows)]
    parts += map(_section, DECLARATIONS)
    return "\n\n".join(parts)


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


if __name__ == "__main__":
    sys.exit(keep(DOCUMENT, "all streams", sections(), sys.argv[1:]))
