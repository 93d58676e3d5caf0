"""Dead letters back to Singer input: ``python -m target_patterns_webhook.replay FILE``.

Pipe it into this target once the receiver takes what it refused. Records come out as
they are in the file, byte for byte. Changes nothing in the file.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

RECORD = b',"record":'  # never within a text: there its quotes are escaped
USAGE = "Usage: python -m target_patterns_webhook.replay FILE"


def messages(path: Path) -> Iterator[bytes | int]:
    """Yield Singer lines: for each stream a SCHEMA, then its records.

    Yields the number of a line instead where that is torn, as a crash leaves it; such
    a record was never acknowledged, so the next run sends it anyway. Only what is in
    the file now is read: a target may append to it meanwhile.
    """
    announced: set[str] = set()
    left = path.stat().st_size
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            left -= len(line)
            if left < 0:
                return
            if not line.strip():
                continue
            try:
                head, _, record = line.rstrip().partition(RECORD)
                stream = json.loads(head + b"}")["stream"]
                json.loads(record[:-1])
            except (ValueError, KeyError, TypeError):
                yield number
                continue
            name = json.dumps(stream).encode()
            if stream not in announced:
                announced.add(stream)
                yield (
                    b'{"type":"SCHEMA","stream":'
                    + name
                    + b',"schema":{"type":"object",'
                    b'"properties":{}},"key_properties":[]}\n'
                )
            record = record[:-1]
            yield (
                b'{"type":"RECORD","stream":' + name + b',"record":' + record + b"}\n"
            )


def main(arguments: Sequence[str]) -> int:
    """Write the messages of one file to standard output. Return the exit code."""
    if len(arguments) != 1:
        sys.stderr.write(USAGE + "\n")
        return 2
    path = Path(arguments[0])
    try:
        for message in messages(path):
            if isinstance(message, int):
                sys.stderr.write(f"{path}: line {message:,} is torn, left out.\n")
            else:
                sys.stdout.buffer.write(message)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        sys.stderr.write(f"{path} cannot be read ({error.strerror}).\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
