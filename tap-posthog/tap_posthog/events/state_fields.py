"""How one value of a stream's state is read, and what is said of a bad one. Pure.

A state comes from a file that people edit, so each reader takes what a person would
write, and names what it cannot use: the key, what it got and what it takes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NoReturn

from tap_posthog import timestamps
from tap_posthog.errors import StateError
from tap_posthog.events.region import Key

if TYPE_CHECKING:
    from datetime import datetime

HELP = "correct it, or remove the stream's state to read everything again"
HOUR = re.compile(r"\d{4}-\d\d-\d\dT([01]\d|2[0-3])")
SHOWN = 80  # characters of a bad value that are repeated to the user
TIME = "a time such as 2026-11-21T10:00:00.000000Z"


def refuse(name: str, got: object, takes: str) -> NoReturn:
    """Raise the one line about a value that cannot be used."""
    shown = json.dumps(got, default=str)[:SHOWN]
    msg = f"The state's {name} is {shown}, but takes {takes}; {HELP}"
    raise StateError(msg)


def timestamp(state: Mapping[str, Any], name: str) -> datetime | None:
    """Read a time; None where there is none."""
    value = state.get(name)
    if value is None:
        return None
    if isinstance(value, str):
        try:
            return timestamps.within(timestamps.read(value))
        except ValueError:
            pass
    refuse(name, value, TIME)


def need(state: Mapping[str, Any], name: str) -> datetime:
    """Read a time that must be there."""
    value = timestamp(state, name)
    if value is None:
        refuse(name, None, TIME)
    return value


def text(state: Mapping[str, Any], name: str) -> str:
    """Read a text; empty where there is none."""
    value = state.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        refuse(name, value, "text")
    return value


def names(state: Mapping[str, Any], name: str) -> frozenset[str] | None:
    """Read a list of event names; None where there is none."""
    value = state.get(name)
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        refuse(name, value, "a list of event names")
    return frozenset(value)


def key(state: Mapping[str, Any], name: str) -> Key | None:
    """Read [timestamp, uuid]; None where there is none."""
    value = state.get(name)
    if value is None:
        return None
    match value:
        case [str() as timestamp, str() as uuid]:
            at = need({name: timestamp}, name)
            return Key(timestamps.spell(at), uuid.lower())
    refuse(name, value, "a list of a time and a uuid")


def need_key(state: Mapping[str, Any], name: str) -> Key:
    """Read a [timestamp, uuid] that must be there."""
    value = key(state, name)
    if value is None:
        refuse(name, None, "a list of a time and a uuid")
    return value


def part(state: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    """Read an object, alone in a list or, as older states have it, bare.

    None where there is none.
    """
    value = state.get(name)
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if value is not None and not isinstance(value, Mapping):
        refuse(name, state.get(name), "an object in a list")
    return value


def ledger(state: Mapping[str, Any]) -> dict[str, int]:
    """Read the counts by hour, as pairs or as older states' object."""
    takes = 'hours and counts, such as [["2026-11-21T09", 4120]]'
    value = state.get("ledger")
    if value is None:
        return {}
    pairs = list(value.items()) if isinstance(value, Mapping) else value
    if not isinstance(pairs, list):
        refuse("ledger", value, takes)
    for pair in pairs:
        match pair:
            case [str() as hour, count] if type(count) is int and count >= 0:
                if _is_hour(hour):
                    continue
        refuse("ledger", pair, takes)
    return dict(pairs)


def _is_hour(name: str) -> bool:
    try:
        return bool(timestamps.read(f"{name}:00")) and HOUR.fullmatch(name) is not None
    except ValueError:
        return False
