"""Which windows an export's files make, from their keys and manifests. Pure.

A key ends with `{start}-{end}[-{n}].{parquet|jsonl}[.{codec}]`, both ends as Python's
isoformat writes them; what stands before is the user's template. Where PostHog cut a
window into numbered parts, it writes `{start}-{end}_manifest.json` last, which names
them: only then are they whole, and only those count, since a retry that made fewer
parts leaves old ones behind.
Source: get_object_key and get_manifest_key of PostHog's batch exports.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from tap_posthog import timestamps

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

NAME = re.compile(
    r"(?P<span>[^/]+?)(?:-(?P<number>\d+))?\.(?P<format>parquet|jsonl)"
    r"(?:\.(?P<codec>gz|br|zst|lz4|sz))?"
)
MANIFEST = re.compile(r"(?P<span>[^/]+)_manifest\.json")
BEGINNING = "None"  # what a backfill from the beginning has for a start


@dataclass(frozen=True, slots=True)
class Stored:
    """An object as a store lists it."""

    key: str
    size: int = 0
    etag: str | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """One file of a window."""

    stored: Stored
    format: str  # parquet or jsonl
    codec: str  # of a jsonl file: gz, br, zst; "" for none. Parquet knows its own
    number: int | None = None


@dataclass(frozen=True, slots=True)
class Window:
    """What one run of an export covers: from `start` to before `end`."""

    start: datetime
    end: datetime
    parts: tuple[Part, ...] = ()
    unfinished: str = ""  # why it cannot be read yet; empty: it is complete

    def __str__(self) -> str:
        """Name it as a log line does."""
        return f"from {timestamps.spell(self.start)} to {timestamps.spell(self.end)}"


Span = tuple[datetime, datetime]


def read_span(text: str) -> Span | None:
    """Read `{start}-{end}`; None where it is none.

    Offsets hold hyphens too, so it is split at the last one that leaves two times.
    """
    for match in reversed([*re.finditer("-", text)]):
        start, end = _time(text[: match.start()]), _time(text[match.end() :])
        if start and end:
            return start, end
    return None


def read_part(stored: Stored) -> tuple[Span, Part] | None:
    """Read a file's key; None: it is no file of an export."""
    match = NAME.fullmatch(stored.key.rsplit("/", 1)[-1])
    span = match and read_span(match["span"])
    if not match or not span:
        return None
    number = int(match["number"]) if match["number"] else None
    return span, Part(stored, match["format"], match["codec"] or "", number)


def windows(
    objects: Iterable[Stored],
    manifest: Callable[[Stored], bytes],
    *,
    always_manifest: bool = True,
) -> list[Window]:
    """Return the windows that objects make, by their end.

    Args:
        objects: What is in the store, in any order.
        manifest: Reads a manifest.
        always_manifest: Whether even a single numbered part has a manifest, as it has
            everywhere but in Azure.
    """
    parts: dict[Span, list[Part]] = {}
    manifests: dict[Span, Stored] = {}
    for stored in objects:
        match = MANIFEST.fullmatch(stored.key.rsplit("/", 1)[-1])
        if match and (span := read_span(match["span"])):
            manifests[span] = stored
        elif found := read_part(stored):
            parts.setdefault(found[0], []).append(found[1])
    made = []
    for span in {*parts, *manifests}:
        given = manifests.get(span)
        listed = _listed(given, manifest) if given else None
        made.append(
            _window(span, parts.get(span, []), listed, always_manifest=always_manifest)
        )
    return sorted(made, key=lambda each: (each.end, each.start))


def _window(
    span: Span, parts: list[Part], listed: list[str] | None, *, always_manifest: bool
) -> Window:
    """Say what of a window's files counts, and whether that is all of it."""
    if listed is not None:
        by_key = {part.stored.key: part for part in parts}
        missing = [key for key in listed if key not in by_key]
        named = [by_key[key] for key in listed if key in by_key]
        why = f"its manifest names {missing[0]}, which is not there" if missing else ""
        return Window(*span, tuple(named), why)
    whole = [part for part in parts if part.number is None]
    if len(whole) > 1:
        one, other = sorted(part.stored.key for part in whole)[:2]
        return Window(*span, (), f"both {one} and {other} claim to be it")
    if whole:
        return Window(*span, tuple(whole))
    single = len(parts) == 1 and parts[0].number == 0
    if single and not always_manifest:
        return Window(*span, tuple(parts))
    return Window(*span, (), "its parts have no manifest yet")


def _listed(stored: Stored, read: Callable[[Stored], bytes]) -> list[str]:
    """Return the keys that a manifest names: by name, as its files lie beside it.

    It names them from the bucket's root, of which a folder may be a copied part.
    """
    folder = stored.key[: stored.key.rfind("/") + 1]
    try:
        found: Mapping[str, Any] = json.loads(read(stored))
        return [folder + str(key).rsplit("/", 1)[-1] for key in found["files"]]
    except (ValueError, KeyError, TypeError):
        return [f"nothing that can be read ({stored.key})"]


def _time(text: str) -> datetime | None:
    if text == BEGINNING:
        return timestamps.FIRST
    try:
        return timestamps.read(text) if "T" in text else None
    except ValueError:
        return None
