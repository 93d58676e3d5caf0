"""Bytes in, whole lines out. A blocked read ends when a signal comes.

Knows nothing of Singer; holds one block and one read at most.
"""

from __future__ import annotations

import contextlib
import os
import select
from typing import IO, TYPE_CHECKING

from target_patterns_webhook.raw_json import MalformedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

READ_BYTES = 1 << 18  # what is made of it stays in the processor's cache
PIPE_BYTES = 1 << 20
LONGEST_LINE = 256 << 20
BOM = b"\xef\xbb\xbf"
F_SETPIPE_SZ = 1031  # Linux: fcntl.F_SETPIPE_SZ


def lines(block: bytes) -> list[bytes]:
    """Cut a block into its lines, without their ends."""
    return block.removesuffix(b"\n").split(b"\n")


def blocks(
    source: IO[str] | IO[bytes],
    *,
    wake: int | None = None,
    stopped: Callable[[], bool] = lambda: False,
    longest: int = LONGEST_LINE,
) -> Iterator[bytes]:
    """Give the source in blocks of whole lines, as they come.

    ``wake`` is a descriptor that becomes readable when ``stopped`` has turned true.

    Raises:
        MalformedError: a line has more than ``longest`` bytes, or cannot be read.
    """
    rest: list[bytes] = []
    held = 0
    first = True
    for read in _reads(source, wake, stopped):
        end = read.rfind(b"\n") + 1
        if end:
            block = b"".join([*rest, memoryview(read)[:end]])
            rest, held = [], 0
            if first:
                first = False
                block = block.removeprefix(BOM)
            yield block
        rest.append(read[end:])
        held += len(read) - end
        if held > longest:
            msg = f"it is longer than {longest >> 20} MB"
            raise MalformedError(msg)
    if held and not stopped():
        last = b"".join(rest)
        yield last.removeprefix(BOM) if first else last


def _reads(
    source: IO[str] | IO[bytes], wake: int | None, stopped: Callable[[], bool]
) -> Iterator[bytes]:
    try:
        descriptor = source.fileno()
    except (AttributeError, OSError):  # a file that is only in memory
        for text in source:
            yield text.encode() if isinstance(text, str) else text
        return
    _widen(descriptor)
    waiting = [descriptor] if wake is None else [descriptor, wake]
    while not stopped():
        try:
            ready, _, _ = select.select(waiting, [], [])
            if descriptor not in ready or stopped():
                continue
            read = os.read(descriptor, READ_BYTES)
        except OSError as error:
            msg = f"it cannot be read ({error.strerror})"
            raise MalformedError(msg) from None
        if not read:
            return
        yield read


def _widen(descriptor: int) -> None:
    """Ask Linux for a pipe of 1 MB instead of 64 KB: fewer, larger reads."""
    import fcntl  # noqa: PLC0415 - not everywhere

    with contextlib.suppress(OSError):  # no pipe, or not Linux
        fcntl.fcntl(descriptor, F_SETPIPE_SZ, PIPE_BYTES)
