"""Whose BATCH files are done with, and may go. Reads none.

A tap that wants its files removed leaves a `LOCK` in their folder, which is in use
while a program holds it, shared. A file goes once a state behind it is written, and the
folder when all of an input is delivered. Files of other folders belong to their tap.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable

LOCK = ".run.lock"


class BatchFolders:
    """Follows files from their manifest to the state behind them; for two threads."""

    def __init__(self) -> None:
        """Know of no file."""
        self._lock = threading.Lock()
        self._folders: dict[Path, int | None] = {}  # with the descriptor of its lock
        self._read: list[Path] = []  # no state came since
        self._marked: deque[tuple[bytes, list[Path]]] = deque()  # and not yet written

    def use(self, manifest: Iterable[object]) -> None:
        """Keep other runs from removing the files that a manifest names."""
        for path in map(path_of, manifest):
            if path is not None and path.parent not in self._folders:
                self._folders[path.parent] = _lock(path.parent / LOCK)

    def read(self, manifest: Iterable[object]) -> None:
        """Note that all records of these files were handed on."""
        paths = [path for path in map(path_of, manifest) if path is not None]
        with self._lock:
            for path in paths:
                if self._folders.get(path.parent) is not None:
                    self._read.append(path)

    def mark(self, state: bytes) -> None:
        """Note that a state came."""
        with self._lock:
            if self._read or self._marked:
                self._marked.append((state, self._read))
                self._read = []

    def written(self, state: bytes) -> None:
        """Remove the files before this state: it is out. It is the object of `mark`."""
        with self._lock:
            if not any(each is state for each, _ in self._marked):
                return
            done: list[Path] = []
            marked = None
            while marked is not state:
                marked, paths = self._marked.popleft()
                done += paths
        for path in done:
            _remove(path)

    def finish(self) -> None:
        """Remove all, folders too: the input is at its end, and delivered."""
        for folder, lock in self._folders.items():
            if lock is not None:
                shutil.rmtree(folder, ignore_errors=True)


def path_of(url: object) -> Path | None:
    """Return the path that a `file://` URL names. None: it is no such URL."""
    parts = urlsplit(str(url))
    return Path(unquote(parts.path)) if parts.scheme == "file" else None


def _lock(path: Path) -> int | None:
    """Hold a lock until this program ends. None: there is none."""
    import fcntl  # noqa: PLC0415 - not everywhere

    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return None
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    return descriptor


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):  # the next run of the tap will
        path.unlink()
