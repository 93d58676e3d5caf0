"""What a SCHEMA's JSON schema says at its root, whatever form it has. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Schema: TypeAlias = "dict[str, Any] | bool"

MOST_REFERENCES = 50  # references that are followed one after the other
KEY = {"type": ["null", "boolean", "number", "string"]}  # a key that no schema tells
WHOLE = ("$ref", "allOf", "anyOf", "oneOf", "not", "if", "then", "else")


def columns(schema: Schema) -> dict[str, Any]:
    """Return what the root says of its members, also through ``$ref`` and the like.

    A member that only some branch of an ``anyOf`` or ``oneOf`` names counts as well.
    """
    found: dict[str, Any] = {}
    for part, certain in _parts(schema):
        named = part.get("properties")
        if isinstance(named, dict):
            for name, says in named.items():
                found.setdefault(name, says if certain else {})
    return found


def _parts(schema: Schema) -> Iterator[tuple[dict[str, Any], bool]]:
    """Yield the root and what it is made of; True for what holds for every record."""
    left: list[tuple[object, bool]] = [(schema, True)]
    for _ in range(MOST_REFERENCES):
        if not left:
            return
        part, certain = left.pop(0)
        if not isinstance(part, dict):
            continue
        yield part, certain
        if isinstance(part.get("$ref"), str):
            left.append((_resolve(schema, part["$ref"]), certain))
        for name in ("allOf", "anyOf", "oneOf"):
            branches = part.get(name)
            if isinstance(branches, list):
                left += [(each, certain and name == "allOf") for each in branches]


def _resolve(root: Schema, reference: str) -> object:
    """Follow a JSON pointer in the same schema; None where it leads nowhere."""
    found: object = root
    if not reference.startswith("#"):
        return None
    for step in reference.removeprefix("#").split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        found = found.get(name) if isinstance(found, dict) else None
    return found


def for_sdk(schema: Schema, keys: Sequence[str], *, reshaped: bool) -> dict[str, Any]:
    """Return the schema with the ``properties`` that the SDK asks for at its root.

    ``reshaped``: maps or flattening change the records, so what is said of a whole
    record as it came (by ``anyOf`` and the like) is no longer asked of it.
    """
    if isinstance(schema, bool):
        schema = {} if schema else {"not": {}}
    found = columns(schema)
    if not reshaped:
        return {**schema, "properties": schema.get("properties") or {}}
    kept = {name: says for name, says in schema.items() if name not in WHOLE}
    named = {name: _plain(says) for name, says in found.items()}
    return {**kept, "properties": {**dict.fromkeys(keys, KEY), **named}}


def _plain(says: object) -> dict[str, Any]:
    """Return what is said of a column in a form that the SDK can flatten."""
    if not isinstance(says, dict):
        return {}
    if "type" not in says:
        first = next(iter(says.values()), None)
        if isinstance(first, list) and not (
            first
            and isinstance(first[0], dict)
            and isinstance(first[0].get("type"), str)
        ):
            return {}
    if isinstance(says.get("properties"), dict):
        inner = {name: _plain(each) for name, each in says["properties"].items()}
        return {**says, "properties": inner}
    return says
