"""Constants of HogQL as text: strings, instants, uuids. Pure.

An instant is `toDateTime64('...', 6, 'UTC')`: typed, and with its time zone, since
`toDateTime` of a text that does not parse is NULL, which selects nothing, silently.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_posthog import timestamps

if TYPE_CHECKING:
    from datetime import datetime

# As PostHog's own escape_hogql_string.
ESCAPES = str.maketrans(
    {
        "\b": "\\b",
        "\f": "\\f",
        "\r": "\\r",
        "\n": "\\n",
        "\t": "\\t",
        "\0": "\\0",
        "\a": "\\a",
        "\v": "\\v",
        "\\": "\\\\",
        "'": "\\'",
    }
)


def text(value: str) -> str:
    """Write a string as HogQL reads it. Braces mean nothing inside quotes."""
    return f"'{value.translate(ESCAPES)}'"


def moment(when: datetime) -> str:
    """Write an instant so that no setting of the project can move it."""
    at = timestamps.spell(timestamps.within(when))[:-1].replace("T", " ")
    return f"toDateTime64('{at}', 6, 'UTC')"


def name(column: str) -> str:
    """Write a column's name as HogQL reads it, whatever is in it."""
    if column.isidentifier():
        return column
    return "`" + column.replace("\\", "\\\\").replace("`", "\\`") + "`"
