"""The columns of `events` that the stream declares, as the README shows them.

Run to write, `--check` to compare. What stands between the two markers is generated.
"""

from __future__ import annotations

import re
import sys
from typing import Any

from tap_posthog.streams.events import PERSON_PROPERTIES, SCHEMA, Events
from tests.docs.settings import ROOT, one_line

DOCUMENT = ROOT / "tap-posthog" / "README.md"
MARKED = re.compile(
    r"(?P<first>^<!-- columns of events: generated[^\n]*-->$)"
    r".*?(?P<last>^<!-- end of what is generated -->$)",
    re.DOTALL | re.MULTILINE,
)
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


def filled(text: str) -> str:
    """Return the document with the table written anew."""
    return MARKED.sub(
        lambda found: f"{found['first']}\n\n{table()}\n\n{found['last']}", text
    )


def main(arguments: list[str]) -> int:
    """Write the table; with `--check`, say whether it is out of date."""
    before = DOCUMENT.read_text()
    after = filled(before)
    if "--check" not in arguments:
        DOCUMENT.write_text(after)
    elif after != before:
        sys.stderr.write(f"{DOCUMENT.name} is out of date: make docs\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
