"""The files that a user hands in: catalog and state. Says what is wrong with them.

The SDK reads the same files; what reaches it was read here once, and is sound.
"""

from __future__ import annotations

import io
import json
from typing import IO, Any

from singer_sdk.singerlib import Catalog

from tap_posthog.errors import StateError


def checked_state(file: IO[str]) -> IO[str]:
    """Return a state file's content; an empty file is a first run.

    Raises:
        StateError: it is no JSON object.

    """
    text = _text(file, "state")
    return io.StringIO(text if text.strip() else "{}")


def bookmarks_of(state: Any) -> dict[str, dict[str, Any]]:  # noqa: ANN401 - a file's
    """Return the bookmarks of a state, or of the STATE message that holds it.

    Raises:
        StateError: it is neither.

    """
    if isinstance(state, dict) and state.get("type") == "STATE":
        state = state.get("value")
    bookmarks = state.get("bookmarks", {}) if isinstance(state, dict) else None
    if isinstance(bookmarks, dict) and all(
        isinstance(each, dict) for each in bookmarks.values()
    ):
        return bookmarks
    msg = (
        'The state is not of the form {"bookmarks": {"events": {...}}}; correct it, or '
        "leave it out to read everything again"
    )
    raise StateError(msg)


def checked_catalog(file: IO[str], stream: str) -> IO[str]:
    """Return the content of a catalog file, which must know the stream.

    Raises:
        StateError: it is no Singer catalog, or not one of this tap.

    """
    text = _text(file, "catalog")
    try:
        events = Catalog.from_dict(_object(text)).get_stream(stream)
    except (AttributeError, KeyError, TypeError, ValueError):
        msg = (
            f"The catalog {_name(file)} is not a Singer catalog; make a new one with "
            "--discover"
        )
        raise StateError(msg) from None
    if events is None:
        msg = (
            f"The catalog {_name(file)} has no stream {stream}, so nothing would be "
            "read; make a new one with --discover"
        )
        raise StateError(msg)
    columns = events.schema.properties or {}
    lacking = [key for key in events.key_properties or () if key not in columns]
    if lacking:
        msg = (
            f"The catalog {_name(file)} names {', '.join(lacking)} as a key of {stream}"
            " but has no such column; put it back, or make a new one with --discover"
        )
        raise StateError(msg)
    return io.StringIO(text)


def _text(file: IO[str], what: str) -> str:
    try:
        text = file.read()
        if text.strip() or what != "state":
            _object(text)
    except ValueError as exc:
        msg = f"The {what} {_name(file)} is not a JSON object: {exc}"
        raise StateError(msg) from None
    return text


def _object(text: str) -> dict[str, Any]:
    value = json.loads(text)
    if not isinstance(value, dict):
        msg = f"it holds a {type(value).__name__}"
        raise ValueError(msg)  # noqa: TRY004 - as every other reason
    return value


def _name(file: IO[str]) -> str:
    return str(getattr(file, "name", "given"))
