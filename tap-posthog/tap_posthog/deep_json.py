"""JSON text of any depth, without recursion; and the constants that are no JSON. Pure.

The same file in tap_posthog and in target_patterns_webhook. Python's decoder ends at
about 1,000 levels, what makes text of values again at far fewer. So values that lie
deeper than ``LEVELS`` stay text: they pass as they are, and no stream map sees them.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from simplejson import RawJSON  # type: ignore[import-untyped]  # has none

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

LEVELS = 32
DELIMITER = "',' delimiter"
_gap = re.compile(r"[ \t\n\r]*")
_string = r'"[^"\\\x00-\x1f]*(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\x00-\x1f]*)*"'
_key = re.compile(rf"{_string}[ \t\n\r]*:[ \t\n\r]*")
_constant = r"NaN|-?Infinity"
_scalar = re.compile(
    rf"{_string}|({_constant})|true|false|null"
    r"|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?"
)
# A string first, so that no constant is found inside one.
_constants = re.compile(rf'("[^"\\]*(?:\\.[^"\\]*)*")|{_constant}', re.DOTALL)


def end_of(text: str, at: int) -> int:
    """Return where the value that begins at ``at`` ends.

    Raises:
        json.JSONDecodeError: none begins there.
    """
    scan = _scan(text, at, -1)
    while True:
        try:
            next(scan)
        except StopIteration as end:
            return int(end.value)


def without_constants(text: str) -> tuple[str, int]:
    """Write ``NaN`` and ``Infinity``, as Python has them, as null; and count them."""
    if "NaN" not in text and "Infinity" not in text:
        return text, 0
    found = 0

    def written(match: re.Match[str]) -> str:
        nonlocal found
        found += match[1] is None
        return match[1] or "null"

    replaced = _constants.sub(written, text)
    return (replaced, found) if found else (text, 0)


def shallow(
    text: str, constant: Callable[[str], Any]
) -> tuple[str, Callable[[str], Any]]:
    """Make text ready for ``json.loads``: nothing in it lies deeper than ``LEVELS``.

    Returns it with ``NaN`` in the place of what does, and the ``parse_constant`` that
    gives a RawJSON for each. ``constant`` reads the constants that are its own. Raises
    JSONDecodeError.
    """
    if text.count("{") + text.count("[") <= LEVELS:
        return text, constant
    pieces: list[str] = []
    values: list[Any] = []
    last = 0
    for start, end in _scan(text, _skip(text, 0), LEVELS):
        cut = text[start:end]
        deep = cut[0] in "{["
        values.append(RawJSON(without_constants(cut)[0]) if deep else constant(cut))
        pieces += text[last:start], "NaN"
        last = end
    found = iter(values)
    return "".join(pieces) + text[last:], lambda _: next(found)


def _scan(text: str, at: int, level: int) -> Generator[tuple[int, int], None, int]:
    """Yield each object and array that lies ``level`` deep, and constants above it.

    Returns the end of the value.
    """
    closing: list[str] = []
    start = 0
    while True:
        if (opening := text[at : at + 1]) in {"{", "["}:
            if len(closing) == level:
                start = at
            closing.append("}" if opening == "{" else "]")
            at = _skip(text, at + 1)
            if text[at : at + 1] != closing[-1]:
                at = _member(text, at, closing[-1])
                continue
        else:
            match = _match(_scalar, text, at, "value")
            if match[1] and len(closing) <= level:
                yield match.span()
            at = match.end()
        while closing:
            at = _skip(text, at)
            if text[at : at + 1] == ",":
                at = _member(text, _skip(text, at + 1), closing[-1])
                break
            if text[at : at + 1] != closing[-1]:
                raise _expected(DELIMITER, text, at)
            closing.pop()
            at += 1
            if len(closing) == level:
                yield start, at
        else:
            return at


def _member(text: str, at: int, closing: str) -> int:
    """Return where the value of a member begins: in an object, behind its name."""
    return _match(_key, text, at, "property name").end() if closing == "}" else at


def _skip(text: str, at: int) -> int:
    return _match(_gap, text, at, "blank").end()


def _match(
    pattern: re.Pattern[str], text: str, at: int, expected: str
) -> re.Match[str]:
    match = pattern.match(text, at)
    if match is None:
        raise _expected(expected, text, at)
    return match


def _expected(what: str, text: str, at: int) -> json.JSONDecodeError:
    return json.JSONDecodeError(f"Expecting {what}", text, at)
