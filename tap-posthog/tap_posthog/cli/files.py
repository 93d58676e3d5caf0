"""The files that a user hands in: catalog and state. Says what is wrong with them.

The SDK reads the same files; what reaches it was read here once, and is sound.
"""

from __future__ import annotations

import io
import json
from typing import IO, TYPE_CHECKING, Any

from singer_sdk.singerlib import Catalog

from tap_posthog.errors import StateError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

BOM = "\ufeff"
# "ingested_before" alone stood in what an older version wrote for an empty project.
KNOWN = {"replication_key_value", "ingested_before", "scan", "scanned_at"}
METHODS = ("INCREMENTAL", "FULL_TABLE")


def checked_state(file: IO[str]) -> IO[str]:
    """Return a state file's last state; an empty file is a first run.

    Raises:
        StateError: it is no JSON object.
    """
    text = _read(file, "state")
    try:
        if text.strip():
            _object(text)
        return io.StringIO(text.strip() or "{}")
    except ValueError as exc:
        last = _last_line(text)
        if last is None:
            msg = f"The state {_name(file)} is not a JSON object: {exc}"
            raise StateError(msg) from None
        return io.StringIO(last)


def bookmarks_of(
    state: Any,  # noqa: ANN401 - a file's
    streams: Collection[str],
) -> dict[str, dict[str, Any]]:
    """Return the streams' bookmarks, out of the STATE message or Meltano's wrapper.

    Raises:
        StateError: it is neither, or holds nothing that this tap knows.
    """
    if isinstance(state, dict) and state.get("type") == "STATE":
        state = state.get("value")
    if isinstance(state, dict) and "singer_state" in state:
        state = state["singer_state"]
    bookmarks = state.get("bookmarks") if isinstance(state, dict) else state
    if not state or (isinstance(bookmarks, dict) and not bookmarks):
        return {}
    if isinstance(bookmarks, dict):
        ours = {name: bookmarks[name] for name in streams if name in bookmarks}
        if ours and all(map(_is_known, ours.values())):
            return ours
    msg = (
        "The state holds no bookmark of this tap, which is of the form "
        '{"bookmarks": {"events": {"replication_key_value": "2026-11-21T10:00:00Z"}}}. '
        "Correct it, or leave it out to read everything again"
    )
    raise StateError(msg)


def _is_known(bookmark: object) -> bool:
    return isinstance(bookmark, dict) and not (bookmark and KNOWN.isdisjoint(bookmark))


def checked_catalog(file: IO[str], keys: Mapping[str, str | None]) -> IO[str]:
    """Return the content of a catalog file, which must know a stream of this tap.

    `keys`: each stream's replication key; a stream without one is read whole.

    Raises:
        StateError: it is no Singer catalog, or not one of this tap.
    """
    text = _read(file, "catalog")
    try:
        catalog = _object(text)
        entries = Catalog.from_dict(catalog)
        known = {name: entry for name in keys if (entry := entries.get_stream(name))}
    except (AttributeError, KeyError, TypeError, ValueError):
        msg = (
            f"The catalog {_name(file)} is not a Singer catalog; make a new one with "
            "--discover"
        )
        raise StateError(msg) from None
    if not known:
        msg = (
            f"The catalog {_name(file)} has no stream of this tap, such as "
            f"{next(iter(keys))}, so nothing would be read; make a new one with "
            "--discover"
        )
        raise StateError(msg)
    for name, entry in known.items():
        columns = entry.schema.properties or {}
        lacking = [key for key in entry.key_properties or () if key not in columns]
        if lacking:
            msg = (
                f"The catalog {_name(file)} names {', '.join(lacking)} as a key of "
                f"{name} but has no such column; put it back, or make a new one with "
                "--discover"
            )
            raise StateError(msg)
        _set_replication(catalog, name, keys[name])
    return io.StringIO(json.dumps(catalog))


def _set_replication(catalog: dict[str, Any], stream: str, key: str | None) -> None:
    """Put what the catalog says of replication where the SDK looks for it.

    Raises:
        StateError: it asks for a key or a method that the stream does not have.
    """
    entry = next(e for e in catalog["streams"] if e["tap_stream_id"] == stream)
    of_stream = [e for e in entry.get("metadata", ()) if not e.get("breadcrumb")]
    given = [entry, *(each.get("metadata") or {} for each in of_stream)]
    keys, methods = ((key,), METHODS) if key else ((), METHODS[1:])
    for name, takes in (("replication_key", keys), ("replication_method", methods)):
        forms = (name, name.replace("_", "-"), f"forced-{name.replace('_', '-')}")
        values = [each[form] for each in given for form in forms if each.get(form)]
        if values and str(values[-1]) not in takes:
            msg = (
                f"The catalog gives {values[-1]} as the {name.replace('_', ' ')} of "
                f"{stream}, which has {' or '.join(takes) or 'none'}. Correct it, or "
                "make a new one with --discover"
            )
            raise StateError(msg)
        entry[name] = values[-1] if values else next(iter(takes), None)


def _last_line(text: str) -> str | None:
    """Return the last of several lines: a target writes one for each state.

    None: they are no states. What a kill cut off behind the last line end is no line.
    """
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) > 1 and not text.endswith("\n") and not _is_object(lines[-1]):
        lines.pop()
    return lines[-1] if lines and all(map(_is_object, lines)) else None


def _read(file: IO[str], what: str) -> str:
    try:
        return file.read().removeprefix(BOM)
    except ValueError:
        msg = f"The {what} {_name(file)} is not text in UTF-8"
        raise StateError(msg) from None


def _is_object(line: str) -> bool:
    try:
        _object(line)
    except ValueError:
        return False
    return True


def _object(text: str) -> dict[str, Any]:
    value = json.loads(text)
    if not isinstance(value, dict):
        msg = f"it holds a {type(value).__name__}"
        raise ValueError(msg)  # noqa: TRY004 - as every other reason
    return value


def _name(file: IO[str]) -> str:
    return str(getattr(file, "name", "given"))
