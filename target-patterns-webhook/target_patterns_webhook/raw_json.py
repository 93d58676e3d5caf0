"""JSON text taken apart without changing a byte of it. No values are made.

msgspec does it fast; it refuses a few things that are valid JSON (lone surrogate
escapes, great depth), so what it refuses is looked at again by the standard library's
scanner. That one takes ``NaN`` and ``Infinity`` too, which are no JSON.
"""

from __future__ import annotations

import json
import re
from json.decoder import scanstring  # type: ignore[attr-defined]  # not in typeshed
from typing import TYPE_CHECKING

from target_patterns_webhook.deep_json import end_of

if TYPE_CHECKING:
    from collections.abc import Callable

_blank = re.compile(r"[ \t\n\r]*")


# Numbers stay text: 2^70, 1e400 and a million digits are all valid JSON.
_decoder = json.JSONDecoder(parse_constant=str, parse_float=str, parse_int=str)
_scan: Callable[[str, int], tuple[object, int]] = _decoder.scan_once  # type: ignore[attr-defined]  # not in typeshed


class MalformedError(ValueError):
    """Says in words what is wrong with a text; holds nothing of its content."""


def members(text: bytes) -> dict[str, bytes]:
    """Return an object's members, each value as its own text; of doubles the last.

    Raises:
        MalformedError: it is not one JSON object in UTF-8.
    """
    try:
        return {name: value.encode() for name, value in _walk(text.decode()).items()}
    except UnicodeDecodeError as error:
        msg = f"it is not UTF-8 (byte {error.start + 1:,})"
    except json.JSONDecodeError as error:
        msg = f"it is not valid JSON ({error.msg}, column {error.pos + 1:,})"
    raise MalformedError(msg) from None


def _walk(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    at = _skip(text, 0)
    if text[at : at + 1] != "{":
        _scan_value(text, at)
        msg = "it is no JSON object"
        raise MalformedError(msg)
    at = _skip(text, at + 1)
    if text[at : at + 1] != "}":
        at = _member(text, at, found)
        while text[at : at + 1] == ",":
            at = _member(text, _skip(text, at + 1), found)
    _expect("}", text, at)
    end = _skip(text, at + 1)
    if end != len(text):
        msg = "Extra data"
        raise json.JSONDecodeError(msg, text, end)
    return found


def _member(text: str, at: int, found: dict[str, str]) -> int:
    _expect('"', text, at)
    name, at = scanstring(text, at + 1, True)  # noqa: FBT003 - its only spelling
    at = _skip(text, at)
    _expect(":", text, at)
    start = _skip(text, at + 1)
    end = _scan_value(text, start)
    found[name] = text[start:end]
    return _skip(text, end)


def _scan_value(text: str, at: int) -> int:
    try:
        _, end = _scan(text, at)
    except StopIteration as stop:
        msg = "Expecting value"
        raise json.JSONDecodeError(msg, text, stop.value) from None
    except RecursionError:  # some 1,000 levels
        end = end_of(text, at)
    return end


def _skip(text: str, at: int) -> int:
    match = _blank.match(text, at)
    return match.end() if match else at


def _expect(character: str, text: str, at: int) -> None:
    if text[at : at + 1] != character:
        msg = f"Expecting {character}"
        raise json.JSONDecodeError(msg, text, at)
