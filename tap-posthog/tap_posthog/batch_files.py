"""The files of BATCH messages: a folder a run, in which nothing stays. Knows no events.

A file may go once the state behind it is written: then its reader removes it. A folder
is in use while a program holds its `LOCK`, shared; what a killed run left is removed by
the next run with the same root and prefix.
"""

from __future__ import annotations

import fcntl
import gzip
import os
import select
import shutil
import sys
import time
import uuid
from collections import deque
from pathlib import Path
from typing import IO, TYPE_CHECKING, Self, cast
from urllib.parse import urlsplit

from tap_posthog.errors import ConfigError, OutputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from singer_sdk.helpers._batch import BatchConfig

LOCK = ".run.lock"
FOLDER = "tap-posthog-"
MOST_BYTES = 16 << 20  # of a file's lines; no state need stand behind each
MOST_AHEAD = 256 << 20  # bytes of files that wait for a reader that does remove them
PAUSE_SECONDS = 0.02
COMPRESSION_LEVEL = 1  # the files live for seconds


class BatchFiles:
    """Writes records into files, only so far ahead of their reader."""

    def __init__(self, root: Path, prefix: str, *, compressed: bool) -> None:
        """Remove what earlier runs left under this root and prefix; create nothing yet.

        Raises:
            ConfigError: the root cannot be read.
        """
        self.size = 0  # bytes of the lines in the open file
        self._base = root / f"{prefix}{FOLDER}"
        self._folder = self._base.with_name(f"{self._base.name}{uuid.uuid4().hex}")
        self._suffix = ".jsonl.gz" if compressed else ".jsonl"
        self._compressed = compressed
        self._lock: int | None = None
        self._file: IO[bytes] | None = None
        self._number = 0
        self._ahead: list[tuple[Path, int]] = []  # no state stands behind them yet
        self._sealed: deque[tuple[Path, int]] = deque()
        self._sealed_bytes = 0
        self._reader_removes = False
        try:
            self._sweep()
        except OSError as exc:
            raise _unusable(exc) from None

    @classmethod
    def of(cls, config: BatchConfig) -> Self | None:
        """Return the writer that a `batch_config` asks for. None: it is not for us.

        Raises:
            ConfigError: its storage cannot be used.
        """
        encoding, root = config.encoding, _local(config.storage.root)
        compression = encoding.compression or "none"
        if encoding.format != "jsonl" or compression not in {"none", "gzip"}:
            return None
        if root is None:
            return None
        prefix = config.storage.prefix or ""
        return cls(root, prefix, compressed=compression == "gzip")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Close what is open. The lock is held as long as this program runs."""
        if self._file is not None:
            self._file.close()

    def write(self, lines: bytes) -> None:
        """Add whole lines to the open file.

        Raises:
            OutputError: the disk is full, or the folder cannot be written.
        """
        try:
            if self._file is None:
                self._file = self._open()
            self._file.write(lines)
        except OSError as exc:
            raise _unwritable(exc) from None
        self.size += len(lines)

    def finish(self) -> list[str]:
        """Close the open file, and return the manifest that names it; or an empty one.

        Raises:
            OutputError: as `write`.
        """
        if self._file is None:
            return []
        path = Path(self._path)
        try:
            self._file.close()
            self._ahead.append((path, path.stat().st_size))
        except OSError as exc:
            raise _unwritable(exc) from None
        self._file, self.size = None, 0
        return [path.as_uri()]

    def state_written(self, is_read: Callable[[], bool] | None = None) -> None:
        """Let the reader catch up with the files before this state, if it removes them.

        A reader that removes nothing cannot be told from a slow one before it has
        removed its first file: until then nothing holds the tap up.
        """
        is_read = is_read or _has_reader
        self._sealed.extend(self._ahead)
        self._sealed_bytes += sum(size for _, size in self._ahead)
        self._ahead.clear()
        while self._waiting() > MOST_AHEAD and self._reader_removes and is_read():
            time.sleep(PAUSE_SECONDS)

    @property
    def _path(self) -> str:
        return str(self._folder / f"{self._number:06}{self._suffix}")

    def _open(self) -> IO[bytes]:
        if self._lock is None:
            self._folder.mkdir(parents=True)
            self._lock = os.open(self._folder / LOCK, os.O_CREAT | os.O_RDONLY)
            fcntl.flock(self._lock, fcntl.LOCK_SH)
        self._number += 1
        if self._compressed:
            packed = gzip.GzipFile(self._path, "wb", COMPRESSION_LEVEL)
            return cast("IO[bytes]", packed)
        return open(self._path, "wb")  # noqa: PTH123 - closed by finish()

    def _waiting(self) -> int:
        """Bytes that the reader has not removed, of files that it may remove."""
        while self._sealed and not self._sealed[0][0].exists():
            self._reader_removes = True
            self._sealed_bytes -= self._sealed.popleft()[1]
        return self._sealed_bytes

    def _sweep(self) -> None:
        """Remove the folders that nobody uses."""
        for lock in self._base.parent.glob(f"{self._base.name}*/{LOCK}"):
            with lock.open("rb") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:
                    continue
                shutil.rmtree(lock.parent, ignore_errors=True)


def _local(root: str) -> Path | None:
    """Return a folder of this machine. None: it is elsewhere."""
    parts = urlsplit(root)
    if parts.scheme not in {"", "file"}:
        return None
    return Path(parts.netloc + parts.path if parts.scheme else root).resolve()


def _has_reader() -> bool:
    """Whether the program behind stdout is still there; a file's always is."""
    binary = getattr(sys.stdout, "buffer", None)
    if binary is None:
        return True
    poll = select.poll()
    poll.register(1, 0)
    return not poll.poll(0)


def _unusable(exc: OSError) -> ConfigError:
    return ConfigError(
        f"batch_config: the storage root cannot be read: {exc.strerror}. Set a folder "
        "that this tap may write to"
    )


def _unwritable(exc: OSError) -> OutputError:
    return OutputError(
        f"A file of batch_config cannot be written: {exc.strerror}. Make room or set "
        "another storage root, then run again; it goes on from the last state"
    )
