"""PostHog's own HogQL parser: text in, syntax tree out. Meaning is given elsewhere."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import msgspec

from sandbox.posthog.errors import invalid

Node = dict[str, Any]


def _import_parser() -> ModuleType:
    """Import the extension, which looks for PostHog's error classes as it loads.

    The `posthog` package that is installed here is PostHog's client, which has no
    `posthog.hogql`: so the names are lent to the import and taken back after it.
    """
    names = ("posthog", "posthog.hogql", "posthog.hogql.errors")
    kept = {name: sys.modules.get(name) for name in names}
    stubs = {name: ModuleType(name) for name in names}
    for error in (
        "BaseHogQLError",
        "ExposedHogQLError",
        "NotImplementedError",
        "ParsingError",
        "SyntaxError",
    ):
        setattr(stubs[names[-1]], error, type(error, (Exception,), {}))
    sys.modules.update(stubs)
    try:
        import hogql_parser  # noqa: PLC0415 - only while the names are there
    finally:
        for name, module in kept.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module
    return hogql_parser


_PARSER = _import_parser()


def parse(hogql: str) -> Node:
    """Read a query.

    Returns:
        The tree: a SelectQuery or a SelectSetQuery.

    Raises:
        ApiError: It is not HogQL; PostHog's 400.
    """
    tree: Node = msgspec.json.decode(_PARSER.parse_select_json(hogql))
    if tree.get("error"):
        raise invalid(tree["message"])
    return tree
