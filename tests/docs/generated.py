"""A document, part of which is generated: what stands between two markers."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

from tests.docs.settings import ROOT

if TYPE_CHECKING:
    from pathlib import Path


def filled(text: str, title: str, made: str) -> str:
    """Return a text with what was made between the markers of this title."""
    marked = re.compile(
        rf"(?P<first>^<!-- {title}: generated[^\n]*-->$)"
        r".*?(?P<last>^<!-- end of what is generated -->$)",
        re.DOTALL | re.MULTILINE,
    )
    return marked.sub(
        lambda found: f"{found['first']}\n\n{made}\n\n{found['last']}", text
    )


def keep(document: Path, title: str, made: str, arguments: list[str]) -> int:
    """Write a document anew; with `--check`, say whether it is out of date."""
    before = document.read_text()
    after = filled(before, title, made)
    if "--check" not in arguments:
        document.write_text(after)
    elif after != before:
        name = document.relative_to(ROOT)
        sys.stderr.write(f"{name} is out of date: make docs\n")
        return 1
    return 0
