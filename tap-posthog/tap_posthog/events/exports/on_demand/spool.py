"""Downloaded files while they are read: nameless, so gone with the process."""

from __future__ import annotations

import os
import tempfile
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from tap_posthog.events.exports.keys import Stored


class Spool:
    """Files by name, read in ranges as those of a store are."""

    def __init__(self) -> None:
        """Hold none."""
        self._files: dict[str, IO[bytes]] = {}

    def open(self, name: str) -> IO[bytes]:
        """Make an empty file to write to."""
        self._files[name] = file = tempfile.TemporaryFile(prefix="tap-posthog-")  # noqa: SIM115 - until `clear`
        return file

    def range(self, stored: Stored, start: int, end: int) -> bytes:
        """Return some bytes of a file."""
        most = min(end, stored.size) - start
        return os.pread(self._files[stored.key].fileno(), max(most, 0), start)

    def clear(self) -> None:
        """Let go of all."""
        for file in self._files.values():
            file.close()
        self._files.clear()
