"""How often a content has been sent in this run: what tells equal batches apart. Pure.

Two batches of equal content are different records where a stream has no key. The second
one counts as the second, in every run over the same input; a batch that is sent again
keeps what it was given, which is its chunk's affair.
"""

from __future__ import annotations

import threading

_REMEMBERED = 25_000  # contents at least, twice that at most: 8 MB


class Occurrences:
    """Counts contents by their digest. For any thread: equal contents are alike."""

    def __init__(self, remembered: int = _REMEMBERED) -> None:
        """Forget what so many other contents have come after."""
        self._remembered = remembered
        self._lock = threading.Lock()
        self._newer: dict[bytes, int] = {}
        self._older: dict[bytes, int] = {}

    def __call__(self, digest: bytes) -> int:
        """Count a content. Return which time it is: 1, 2..."""
        name = digest[:16]
        with self._lock:
            times = (self._newer.get(name) or self._older.get(name, 0)) + 1
            self._newer[name] = times
            if len(self._newer) >= self._remembered:
                self._newer, self._older = {}, self._newer
        return times
