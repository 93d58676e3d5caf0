"""The setting `hogql_streams`: the user's own queries, read and checked. Pure."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from tap_posthog.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

KEYS = {"name", "query", "primary_key", "replication_key", "description"}
NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)
# What hides words: quoted text and names, comments.
HIDDEN = re.compile(
    r"'(?:[^'\\]|\\.|'')*'|`(?:[^`\\]|\\.)*`|\"(?:[^\"\\]|\\.)*\"|--[^\n]*|/\*.*?\*/",
    re.DOTALL,
)
WORDS = re.compile(r"[()]|\b(?:limit|offset)\b|;", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class HogqlStream:
    """One query as a stream."""

    name: str
    query: str
    primary_key: tuple[str, ...] = ()
    replication_key: str | None = None
    description: str = ""


def hogql_streams(
    given: Iterable[Mapping[str, Any]], taken: Iterable[str]
) -> tuple[HogqlStream, ...]:
    """Read the array of objects. `taken`: names that other streams have.

    Raises:
        ConfigError: names the entry, what is wrong with it and what it takes.
    """
    streams: list[HogqlStream] = []
    names = set(taken)
    for number, entry in enumerate(given, 1):
        stream = _read(entry, str(entry.get("name") or f"number {number}"))
        if stream.name in names:
            _refuse(stream.name, "its name is another stream's; choose another")
        names.add(stream.name)
        streams.append(stream)
    return tuple(streams)


def _read(entry: Mapping[str, Any], label: str) -> HogqlStream:
    for key in entry:
        if key not in KEYS:
            _refuse(label, f"it has {key!r}, but takes {', '.join(sorted(KEYS))}")
    name, query = _text(entry, "name", label), _text(entry, "query", label)
    if not NAME.fullmatch(name):
        _refuse(label, "its name takes letters, digits and _, and no digit first")
    keys = entry.get("primary_key") or ()
    if isinstance(keys, str):
        keys = [keys]
    if not isinstance(keys, list | tuple) or not all(isinstance(k, str) for k in keys):
        _refuse(label, 'primary_key takes columns, such as ["day", "country"]')
    replication_key = entry.get("replication_key")
    if replication_key is not None and not isinstance(replication_key, str):
        _refuse(label, "replication_key takes one column")
    if replication_key and not keys:
        _refuse(label, "replication_key needs a primary_key, by which pages are read")
    return HogqlStream(
        name=name,
        query=_query(query, label),
        primary_key=tuple(keys),
        replication_key=replication_key or None,
        description=str(entry.get("description") or ""),
    )


def _text(entry: Mapping[str, Any], key: str, label: str) -> str:
    value = entry.get(key)
    if not isinstance(value, str) or not value.strip():
        _refuse(label, f"{key}: got {json.dumps(value, default=str)}, takes text")
    return value.strip()


def _query(query: str, label: str) -> str:
    """Refuse what the tap itself puts behind a query."""
    query = query.rstrip().removesuffix(";").rstrip()
    depth = 0
    for word in WORDS.findall(HIDDEN.sub(" ", query)):
        if word in "()":
            depth += 1 if word == "(" else -1
        elif word == ";":
            _refuse(label, "its query is more than one; give one SELECT")
        elif depth == 0:
            _refuse(
                label,
                f"its query has {word.upper()}, which the tap needs for its pages; "
                "leave it out, or put the query that has it into parentheses",
            )
    return query


def _refuse(label: str, why: str) -> NoReturn:
    msg = f"hogql_streams: {label}: {why}"
    raise ConfigError(msg)
