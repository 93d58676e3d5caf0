"""The file of records that the receiver refuses for good. Appends; never reads back.

One JSON object a line: time, stream, status, response, and last the record, byte for
byte. A record counts as handled only when its line is on the disk. replay.py makes
Singer input of the lines.
"""

from __future__ import annotations

import json
import logging
import os
import stat
import threading
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Self

from target_patterns_webhook.errors import ConfigError, FatalError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from target_patterns_webhook.delivery.chunk import Rejection

logger = logging.getLogger("target-patterns-webhook")

MOST_NAMED = 5  # refused records that the log names
CLOSED = "A record was refused after the run had ended; the next run sends it again."


class DeadLetters:
    """The open file. Lines of several threads do not mix."""

    def __init__(self, path: Path) -> None:
        """Open or make the file, for its owner only.

        A last line that a crash tore stays; the next starts on a fresh line.

        Raises:
            ConfigError: it cannot be opened.
        """
        self._path = path
        self._lock = threading.Lock()
        self._is_open = True
        self._told = 0
        try:
            is_new = not path.exists()
            self._file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        except OSError as error:
            raise _unusable(path, error) from None
        try:
            if is_new:
                _flush_folder(path)
            self._start_on_a_fresh_line()
        except OSError as error:
            os.close(self._file)
            raise _unusable(path, error) from None

    def write(self, rejections: Sequence[Rejection]) -> None:
        """Return when the records are on the disk.

        Raises:
            FatalError: they cannot be written.
        """
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        lines = b"".join(_line(rejection, now) for rejection in rejections)
        try:
            with self._lock:
                if not self._is_open:
                    raise FatalError(CLOSED)
                while lines:
                    lines = lines[os.write(self._file, lines) :]
                os.fsync(self._file)
        except OSError as error:
            message = f"{self._path} cannot be written ({error.strerror})."
            hint = "Make room or set another dead_letter_path, then run again."
            raise FatalError(message, hint=hint) from None
        for rejection in rejections:
            self._tell(rejection)

    def close(self) -> None:
        """Close the file, once no thread writes to it. A later write is refused.

        A sender may outlast the run; its descriptor may be another file's by then.
        """
        with self._lock:
            self._is_open = False
            os.close(self._file)

    def _tell(self, rejection: Rejection) -> None:
        """Log the first few: which record it was, and why."""
        self._told += 1
        if self._told > MOST_NAMED:
            return
        logger.warning(
            "The webhook refused a record of stream %r (%s) with %d: %s It is in %s.",
            rejection.batch.stream,
            rejection.key or "without a key",
            rejection.status,
            repr(rejection.reason) + "." if rejection.reason else "no reason given.",
            self._path,
        )
        if self._told == MOST_NAMED:
            logger.warning("Records that are refused from here on are only counted.")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _start_on_a_fresh_line(self) -> None:
        status = os.fstat(self._file)
        if not stat.S_ISREG(status.st_mode) or not status.st_size:
            return
        if os.pread(self._file, 1, status.st_size - 1) != b"\n":
            os.write(self._file, b"\n")


def _line(rejection: Rejection, now: str) -> bytes:
    head = {
        "time": now.replace("+00:00", "Z"),
        "stream": rejection.batch.stream,
        "status": rejection.status,
        "response": rejection.response,
    }
    text = json.dumps(head, separators=(",", ":")).encode()
    return text[:-1] + b',"record":' + rejection.record + b"}\n"


def _unusable(path: Path, error: OSError) -> ConfigError:
    message = f"dead_letter_path {path} cannot be written ({error.strerror})."
    return ConfigError(message, hint="Set it to a file that this user may write.")


def _flush_folder(path: Path) -> None:
    """Put the new file's name on the disk too, where folders can be flushed."""
    with suppress(OSError):
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
