"""The records of a BATCH message's files, a block of lines at a time, never a file.

Leaves the files where they are: when one may go is not known here.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import zlib
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from target_patterns_webhook.raw_json import MalformedError, members
from target_patterns_webhook.singer.batch_folders import path_of
from target_patterns_webhook.singer.messages import plain_records
from target_patterns_webhook.singer.stdin import READ_BYTES, blocks, lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def manifest_of(message: Mapping[str, Any]) -> list[Any]:
    """Return the URLs of a BATCH.

    Raises:
        MalformedError: it has none, or its files are of no known form.
    """
    encoding, manifest = message.get("encoding"), message.get("manifest")
    if not isinstance(encoding, dict) or not isinstance(manifest, list):
        msg = "a BATCH without an encoding or a manifest"
        raise MalformedError(msg)
    compression = encoding.get("compression")
    if encoding.get("format") != "jsonl" or compression not in {None, "none", "gzip"}:
        msg = "a BATCH of files that are not jsonl, plain or with gzip"
        raise MalformedError(msg)
    return manifest


def records(
    message: Mapping[str, Any], storage: Mapping[str, Any]
) -> Iterator[tuple[list[bytes], bool]]:
    """Read the files that ``manifest_of`` names, as the message's ``encoding`` says.

    Gives some records at a time, and whether all are surely JSON: else they may hold
    Python's ``NaN`` and ``Infinity``, as a RECORD may. ``storage`` holds the parameters
    that their file system asks for.

    Raises:
        MalformedError: it names a file and a line by number, as names may hold secrets.
    """
    manifest = manifest_of(message)
    compression = message["encoding"].get("compression")
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


def _records(file: BinaryIO, where: str) -> Iterator[tuple[list[bytes], bool]]:
    number = 0
    for block in blocks(file):
        plain = plain_records(block)
        if plain is not None:
            number += len(plain)
            yield plain, True
            continue
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
            yield [record], False


def _open(url: str, storage: Mapping[str, Any]) -> BinaryIO:
    path = path_of(url)
    if path is not None:
        return path.open("rb")
    from upath import UPath  # noqa: PLC0415 - slow to import, rarely needed

    return cast("BinaryIO", UPath(url, **storage).open("rb"))


class _Unzipped(gzip.GzipFile):
    """A gzip file that is read in blocks, and never by its descriptor: it is packed."""

    def __iter__(self) -> Iterator[bytes]:
        """Give what is unpacked, as much at a time as is read of a pipe."""
        return iter(lambda: self.read(READ_BYTES), b"")

    def fileno(self) -> int:
        """Have none."""
        msg = "fileno"
        raise io.UnsupportedOperation(msg)
