"""The records of a BATCH message's files, one line after the other, never a whole file.

Leaves the files where they are: they belong to the tap.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import zlib
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from target_patterns_webhook.raw_json import MalformedError, members
from target_patterns_webhook.singer.stdin import blocks, lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def records(message: Mapping[str, Any], storage: Mapping[str, Any]) -> Iterator[bytes]:
    """Read the files that ``message["manifest"]`` names, as its ``encoding`` says.

    A record may hold Python's ``NaN`` and ``Infinity``, as a RECORD may. ``storage``
    holds the parameters that their file system asks for.

    Raises:
        MalformedError: it names a file and a line by number, as names may hold secrets.
    """
    encoding, manifest = message.get("encoding"), message.get("manifest")
    if not isinstance(encoding, dict) or not isinstance(manifest, list):
        msg = "a BATCH without an encoding or a manifest"
        raise MalformedError(msg)
    compression = encoding.get("compression")
    if encoding.get("format") != "jsonl" or compression not in {None, "none", "gzip"}:
        msg = "a BATCH of files that are not jsonl, plain or with gzip"
        raise MalformedError(msg)
    for number, url in enumerate(manifest, 1):
        where = f"batch file {number:,} of {len(manifest):,}"
        with contextlib.ExitStack() as stack:
            try:
                file = stack.enter_context(_open(str(url), storage))
                if compression == "gzip":
                    unzipped = stack.enter_context(_Unzipped(fileobj=file))
                    file = cast("BinaryIO", unzipped)
                yield from _records(file, where)
            except (OSError, EOFError, zlib.error, ValueError, ImportError) as error:
                if isinstance(error, MalformedError):
                    raise
                msg = f"{where} cannot be read ({type(error).__name__})"
                raise MalformedError(msg) from None


def _records(file: BinaryIO, where: str) -> Iterator[bytes]:
    number = 0
    for block in blocks(file):
        for line in lines(block):
            number += 1
            record = line.strip()
            if not record:
                continue
            try:
                members(record)
            except MalformedError as error:
                msg = f"line {number:,} of {where}: {error}"
                raise MalformedError(msg) from None
            yield record


def _open(url: str, storage: Mapping[str, Any]) -> BinaryIO:
    from upath import UPath  # noqa: PLC0415 - slow to import, rarely needed

    return cast("BinaryIO", UPath(url, **storage).open("rb"))


class _Unzipped(gzip.GzipFile):
    """A gzip file that does not lend out its descriptor: that reads what is packed."""

    def fileno(self) -> int:
        """Have none."""
        msg = "fileno"
        raise io.UnsupportedOperation(msg)
