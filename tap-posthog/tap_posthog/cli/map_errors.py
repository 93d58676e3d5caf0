"""Which stream map failed, on which stream, and how to write it. Pure.

The same file in tap_posthog and in target_patterns_webhook. The SDK evaluates the
expressions, and lets out whatever they raise.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import simpleeval  # type: ignore[import-untyped]  # has none
from singer_sdk import mapper
from singer_sdk.exceptions import MappingError

if TYPE_CHECKING:
    from types import FrameType

SUBSCRIPT = re.compile(r"""\[\s*("[^"]*"|'[^']*')\s*\]""")


def explain(error: BaseException) -> tuple[str, str] | None:
    """Return what is wrong with a stream map, and what to do; None without a map.

    Both hold the user's expression, and nothing of a record.
    """
    frames = list(_frames(error))
    if not any(frame.f_code.co_filename == mapper.__file__ for frame in frames):
        return None
    for frame in frames:
        if frame.f_code is mapper.CustomStreamMap._eval.__code__:  # noqa: SLF001 - pinned by test_sdk_seams
            return _failed(frame.f_locals, error)
    text = " ".join(str(error).split()).rstrip(".")
    if not isinstance(error, MappingError | NotImplementedError):
        text = f"flattening or a map raised {type(error).__name__}"
    return f"stream_maps cannot be used: {text}", "Fix stream_maps and run again."


def _failed(names: dict[str, Any], error: BaseException) -> tuple[str, str]:
    expression = str(names.get("expr"))
    stream = getattr(names.get("self"), "stream_name", None)
    place = f"{stream}.{names.get('property_name') or '__filter__'}"
    what = f"stream_maps: {place} = {expression} failed on a record ({_what(error)})"
    return what, _advice(expression, error)


def _what(error: BaseException) -> str:
    while error.__cause__ is not None:  # the SDK's MapExpressionError has one
        error = error.__cause__
    match error:
        case KeyError() | IndexError():
            return "no such key"
        case simpleeval.NameNotDefined():
            return "no such column"
        case simpleeval.AttributeDoesNotExist():
            return "no such attribute"
    return type(error).__name__


def _advice(expression: str, error: BaseException) -> str:
    steps = SUBSCRIPT.findall(expression)
    if isinstance(error, KeyError) and steps:
        last = len(steps)

        def get(match: re.Match[str]) -> str:
            nonlocal last
            last -= 1
            return f".get({match[1]}{', {}' if last else ''})"

        return f"Write {SUBSCRIPT.sub(get, expression)}, which is null there."
    if isinstance(error.__cause__, simpleeval.NameNotDefined):
        return "Write record.get('NAME') for a column that not every record has."
    return "Fix the expression and run again."


def _frames(error: BaseException | None) -> list[FrameType]:
    frames = []
    while error is not None:
        trace = error.__traceback__
        while trace is not None:
            frames.append(trace.tb_frame)
            trace = trace.tb_next
        error = error.__cause__
    return frames
