"""The columns of `events` that the stream declares, as the README shows them.

Run to write, `--check` to compare. What stands between the two markers is generated.
"""

from __future__ import annotations

import sys
from typing import Any

from tap_posthog.streams.events import PERSON_PROPERTIES, SCHEMA, Events
from tests.docs.generated import keep
from tests.docs.settings import ROOT, one_line

DOCUMENT = ROOT / "tap-posthog" / "README.md"
FORMS = {"date-time": "RFC 3339, UTC, microseconds"}


def table() -> str:
    """Return a Markdown table with a line for each column."""
    lines = ["| Column | Type | Meaning |", "|---|---|---|"]
    columns = SCHEMA["properties"] | PERSON_PROPERTIES
    for name, schema in columns.items():
        meaning = one_line(schema["description"])
        notes = []
        if name in Events.primary_keys:
            notes.append("Primary key.")
        if name == Events.replication_key:
            notes.append("Replication key.")
        if name not in SCHEMA["properties"]:
            notes.append("Only with `include_person_properties`.")
        lines.append(f"| `{name}` | {kind(schema)} | {' '.join([meaning, *notes])} |")
    return "\n".join(lines)


def kind(schema: dict[str, Any]) -> str:
    """Return a column's type, and its form where it has one; others may be null."""
    types = schema["type"]
    names = [types] if isinstance(types, str) else types
    known = next(name for name in names if name != "null")
    form = FORMS.get(schema.get("format", ""))
    null = ", or null" if "null" in names else ""
    return f"{known}{f' ({form})' if form else ''}{null}"


if __name__ == "__main__":
    sys.exit(keep(DOCUMENT, "columns of events", table(), sys.argv[1:]))
