"""What HogQL's `events` table shows, and what each field is in ClickHouse.

From PostHog's posthog/hogql/database/schema/events.py. `_timestamp`, `inserted_at`
and the sandbox's own `visible_at` exist in ClickHouse and are not shown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.posthog.errors import ApiError, invalid

if TYPE_CHECKING:
    from collections.abc import Sequence

COLUMNS = (
    "uuid",
    "event",
    "properties",
    "timestamp",
    "distinct_id",
    "elements_chain",
    "created_at",
    "$session_id",
    "$window_id",
    "person_id",
)
INSTANTS = frozenset({"timestamp", "created_at"})
TEXTS = frozenset(COLUMNS) - INSTANTS - {"uuid", "person_id"}
PERSON = "{0}.`person_id`"
_PERSON = {"id": "person_id", "properties": "person_properties"}


def text(value: str) -> str:
    """Write a string as ClickHouse reads it."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'").replace("\0", "\\0")
    return f"'{escaped}'"


def name(value: str) -> str:
    """Write an identifier as ClickHouse reads it."""
    return "`" + value.replace("\\", "\\\\").replace("`", "\\`") + "`"


def unresolved(chain: Sequence[str]) -> ApiError:
    """Answer a field that is not there."""
    return invalid(f"Unable to resolve field: {'.'.join(chain)}")


def prop(sql: str, path: Sequence[str]) -> str:
    """Print the text of a property, in PostHog's own way."""
    keys = ", ".join(text(part) for part in path)
    raw = f"nullIf(nullIf(JSONExtractRaw({sql}, {keys}), ''), 'null')"
    return f"replaceRegexpAll({raw}, '^\"|\"$', '')"


def instant(sql: str, timezone: str) -> str:
    """Print an instant in the zone in which the project sees it."""
    return sql if timezone == "UTC" else f"toTimeZone({sql}, {text(timezone)})"


def column(
    chain: Sequence[str], timezone: str, label: str = "events", person: str = PERSON
) -> str:
    """Say in ClickHouse's SQL what a field of `events` is.

    Args:
        chain: The field's name, cut at its dots.
        timezone: In which the instants are shown.
        label: What the table is called in the query.
        person: Whose an event is; `{0}` is the table.

    Raises:
        ApiError: There is no such field; PostHog's 400.
    """
    first, *rest = chain
    if first in {"person", "poe"} and rest and rest[0] in _PERSON:
        column, rest = _PERSON[rest[0]], rest[1:]
    elif first in COLUMNS or first == "team_id":
        column = first
    else:
        raise unresolved(chain)
    sql = f"{name(label) if label != 'events' else label}.{name(column)}"
    if rest and column not in {"properties", "person_properties"}:
        raise unresolved(chain)
    if rest:
        return prop(sql, rest)
    if column == "person_id":
        return person.replace("{0}", sql.partition(".")[0])
    return instant(sql, timezone) if column in INSTANTS else sql
