"""How PostHog shows a value: instants as RFC 3339. ClickHouse does it, in its SQL."""

from __future__ import annotations

import re


def needs(kind: str) -> bool:
    """Say whether ClickHouse's own spelling of a type is not PostHog's."""
    return "DateTime" in kind


def shown(expr: str, kind: str) -> str:
    """Print an expression of a ClickHouse type as PostHog shows its value.

    `Z` for UTC, an offset for other zones, no fraction where it is zero
    (posthog/renderers.py).
    """
    if not needs(kind):
        return expr
    outer, _, inner = kind.partition("(")
    inner = inner[:-1]
    if outer in {"Nullable", "LowCardinality"}:
        return shown(expr, inner)
    if outer == "Array":
        return f"arrayMap(x -> {shown('x', inner)}, {expr})"
    if outer == "Tuple":
        items = (
            shown(f"tupleElement({expr}, {number})", _unnamed(part))
            for number, part in enumerate(_split(inner), 1)
        )
        return f"tuple({', '.join(items)})"
    zone = re.search(r"'([^']*)'", inner)
    if zone is None or zone[1] in {"UTC", "Etc/UTC"}:
        offset = "'Z'"
    else:
        hhmm = f"formatDateTime({expr}, '%z')"
        offset = f"concat(substring({hhmm}, 1, 3), ':', substring({hhmm}, 4, 2))"
    seconds = f"formatDateTime({expr}, '%FT%T')"
    if outer == "DateTime":
        return f"concat({seconds}, {offset})"
    micros = f"toDateTime64({expr}, 6)"
    fraction = (
        f"if(toUnixTimestamp64Micro({micros}) % 1000000 = 0, '',"
        f" formatDateTime({micros}, '.%f'))"
    )
    return f"concat({seconds}, {fraction}, {offset})"


def _split(inner: str) -> list[str]:
    """Cut a list of types at its own commas."""
    parts, depth = [""], 0
    for char in inner:
        depth += {"(": 1, ")": -1}.get(char, 0)
        if char == "," and not depth:
            parts.append("")
        else:
            parts[-1] += char
    return [part.strip() for part in parts]


def _unnamed(part: str) -> str:
    """Leave the name off a tuple's element."""
    named = re.match(r"(`[^`]*`|\w+) (?=[A-Z])", part)
    return part[named.end() :] if named else part
