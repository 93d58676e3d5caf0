"""docs/operations.md explains the lines that the programs write, and no others."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest
import singer_sdk

from tests.docs.settings import ROOT

PROGRAMS: dict[str, tuple[str, ...]] = {
    "### The tap": ("tap-posthog/tap_posthog",),
    "### The target": ("target-patterns-webhook/target_patterns_webhook",),
}
PROGRAMS["## Errors"] = (*PROGRAMS["### The tap"], *PROGRAMS["### The target"])
GAP = "\0"
PLACEHOLDER = re.compile(r"%[.\d]*[a-z]")
LOGGERS = {"info", "warning", "_log"}


def documented() -> list[tuple[str, str]]:
    """Return each line that the document quotes, under its heading."""
    found, heading = [], ""
    for line in (ROOT / "docs" / "operations.md").read_text().splitlines():
        if line.startswith("#"):
            heading = line
        elif heading in PROGRAMS and (quoted := re.match(r"\| `([^`]+)` \|", line)):
            found.append((heading, quoted[1]))
    return found


def fragments(line: str) -> list[str]:
    """Return the fixed words of a quoted line."""
    return [part for each in line.split("…") if (part := each.strip(" ,.:()[]{}"))]


@cache
def trees(folder: Path) -> list[ast.Module]:
    """Return the syntax of each module below a folder."""
    return [ast.parse(path.read_text()) for path in sorted(folder.rglob("*.py"))]


def template(node: ast.AST) -> str:
    """Return the text of a string, with a gap for each value; empty for others."""
    match node:
        case ast.Constant(value=str() as text):
            return PLACEHOLDER.sub(GAP, text)
        case ast.JoinedStr(values=parts):
            return "".join(template(part) or GAP for part in parts)
    return ""


@cache
def texts(program: str) -> tuple[str, ...]:
    """Return every text in a program's code, and in the SDK that speaks for it."""
    folders = [ROOT / program, Path(singer_sdk.__file__).parent]
    nodes = (node for f in folders for tree in trees(f) for node in ast.walk(tree))
    return tuple(text for node in nodes if (text := template(node)))


def logged(program: str) -> list[str]:
    """Return what a program logs, at the level that is shown or above."""
    return [
        text
        for tree in trees(ROOT / program)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in LOGGERS
        and node.args
        and len((text := template(node.args[0])).replace(GAP, " ").split()) > 1
    ]


@pytest.mark.parametrize(("heading", "line"), documented())
def test_a_quoted_line_is_written_by_the_code(heading: str, line: str) -> None:
    """The fixed words of each line in the tables are the words of the program."""
    spoken = [text for program in PROGRAMS[heading] for text in texts(program)]

    words = fragments(line)
    assert words
    assert [w for w in words if not any(w in text for text in spoken)] == []


@pytest.mark.parametrize("heading", ["### The tap", "### The target"])
def test_every_line_is_explained(heading: str) -> None:
    """Whatever a program logs has a row in its table."""
    known = [
        fragment
        for where, line in documented()
        if where == heading
        for fragment in fragments(line)
        if " " in fragment
    ]
    (program,) = PROGRAMS[heading]

    assert logged(program)
    unknown = [t for t in logged(program) if not any(k in t for k in known)]
    assert unknown == []
