"""Environments of their own: what a user installs, and nothing beside it.

The workspace's own has numpy and more beside the SDK, which imports what it finds:
there every program of the SDK starts a second later than it does elsewhere.
"""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from tests.bench.process import REPOSITORY

if TYPE_CHECKING:
    from pathlib import Path

UV = (sys.executable, "-m", "uv")
PAIR = ("tap-posthog", "target-patterns-webhook")


def create(folder: Path, *packages: str | Path, python: str = sys.executable) -> Path:
    """Install packages into a new environment, and give its folder of programs."""
    _uv("venv", "--clear", "--python", python, folder)
    _uv("pip", "install", "--compile-bytecode", "--python", folder, *packages)
    return folder / "bin"


def with_the_pair(folder: Path, python: str = sys.executable) -> Path:
    """Install both programs of the pair as they stand, at the lock's versions."""
    pins = folder.with_suffix(".txt")
    _uv("export", "--frozen", "--no-hashes", "--no-emit-workspace", "-o", pins)
    pair = (REPOSITORY / name for name in PAIR)
    return create(folder, "-c", pins, *pair, python=python)


def _uv(command: str, *arguments: str | Path) -> None:
    words = [*UV, command, *map(str, arguments), "--quiet"]
    subprocess.run(words, cwd=REPOSITORY, check=True, stdout=subprocess.DEVNULL)
