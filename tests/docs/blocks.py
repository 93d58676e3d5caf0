"""The fenced blocks of all documents, and a clean copy of the project to type them in.

What each kind of shell block needs: `sh` a project with `.venv` and its sandbox,
`sh account` an account too, `sh pipe` an environment that has pip, `sh own` somebody
else's Meltano project.
"""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.docs.settings import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

DOCUMENTS = [
    *sorted(ROOT.glob("*.md")),
    *sorted(ROOT.glob("*/README.md")),
    *sorted((ROOT / "docs").glob("*.md")),
]
BLOCK = re.compile(
    r"^```(?P<kind>[^\n]*)\n(?P<body>.*?)^```$", re.DOTALL | re.MULTILINE
)
SHELL = {"sh", "sh account", "sh own", "sh pipe"}
KINDS = {"", "cron", "dockerfile", "env", "json", "python", "sql", "yaml", *SHELL}
TYPED_IN_PROSE = re.compile(r"`(\.venv/bin/[^`]+)`")


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block of a document."""

    document: Path
    kind: str
    body: str

    @property
    def commands(self) -> list[str]:
        """Its commands, a line each, continued lines joined and comments dropped."""
        joined = self.body.replace("\\\n", " ")
        lines = [line.partition("  #")[0].strip() for line in joined.splitlines()]
        return [line for line in lines if line and not line.startswith("#")]


def blocks() -> Iterator[Block]:
    """Yield the fenced blocks of all documents."""
    for document in DOCUMENTS:
        for found in BLOCK.finditer(document.read_text()):
            yield Block(document, found["kind"].strip(), found["body"])


def commands(kind: str) -> list[str]:
    """Return the commands of one kind of block, each once, in the documents' order."""
    found = [c for block in blocks() if block.kind == kind for c in block.commands]
    return list(dict.fromkeys(found))


def prose() -> list[str]:
    """Return the commands that stand between backticks in a sentence, each once."""
    found = [
        command
        for document in DOCUMENTS
        for command in TYPED_IN_PROSE.findall(BLOCK.sub("", document.read_text()))
    ]
    return list(dict.fromkeys(found))


def block(document: str, kind: str, holds: str = "") -> Block:
    """Return the one block of a document that is of a kind and holds a text."""
    (found,) = (
        each
        for each in blocks()
        if each.document == ROOT / document and each.kind == kind and holds in each.body
    )
    return found


def clean_copy(folder: Path) -> Path:
    """Put what is committed, and nothing else, into an empty folder."""
    folder.mkdir(parents=True)
    archive = subprocess.run(
        ["git", "archive", "HEAD"], cwd=ROOT, check=True, capture_output=True
    )
    subprocess.run(["tar", "x"], cwd=folder, input=archive.stdout, check=True)
    return folder


def typed(command: str, folder: Path, variables: Mapping[str, str]) -> str:
    """Run a line in a shell, as somebody who typed it, to a good end; its stdout."""
    ran = subprocess.run(
        ["bash", "-eo", "pipefail", "-c", command],
        cwd=folder,
        env=variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, f"{command}\n{ran.stdout}{ran.stderr}"
    return ran.stdout
