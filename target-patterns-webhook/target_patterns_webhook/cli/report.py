"""The report of a run: its figures as JSON in a file, however the run ends.

The file is written whole or not at all. The same file in tap_posthog and in
target_patterns_webhook; what the figures are is up to them.
"""

from __future__ import annotations

import contextlib
import json
import os
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class Report:
    """What a command tells of its one run, once it has begun and has a path."""

    def __init__(self, program: str) -> None:
        """Start with no run, no path and no figures."""
        self._program = program
        self._started_at = ""
        self._path: Path | None = None
        self.figures: Callable[[], dict[str, Any]] = dict

    def begin(self) -> None:
        """Note that a run begins: not all that a command does is one."""
        self._started_at = _now()

    def use(self, path: Path | None) -> None:
        """Take where to write.

        Raises:
            ConfigError: no file can be written there.
        """
        if path is None or not self._started_at:
            return
        path = path.absolute()
        if path.is_dir() or not os.access(path.parent, os.W_OK | os.X_OK):
            what = "is a folder" if path.is_dir() else "cannot be written"
            msg = f"report_path: {path} {what}, takes a file in a folder that can be"
            raise ConfigError(msg)
        self._path = path

    def write(self, code: int, error: str) -> str:
        """Write the file; ``error`` is the run's last line, empty where there is none.

        Returns what kept it from being written, empty where nothing did.
        """
        if self._path is None:
            return ""
        report = {
            "program": self._program,
            "version": version(self._program),
            "started_at": self._started_at,
            "ended_at": _now(),
            "exit_code": code,
            "error": error or None,
            **self.figures(),
        }
        part = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        try:
            part.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
            part.replace(self._path)
        except OSError as problem:
            with contextlib.suppress(OSError):
                part.unlink()
            return f"report_path: {self._path} cannot be written ({problem.strerror})"
        return ""


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
