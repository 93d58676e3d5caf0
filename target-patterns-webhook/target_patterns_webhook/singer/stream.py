"""One stream of the input: what its SCHEMA said, made ready for its records."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import msgspec
from singer_sdk import metrics
from singer_sdk.exceptions import (
    MissingKeyPropertiesError,
    RecordsWithoutSchemaException,
)

from target_patterns_webhook.errors import InputError
from target_patterns_webhook.raw_json import members

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence


class NoSchemaError(InputError, RecordsWithoutSchemaException):
    """A record came before the SCHEMA of its stream."""


class NoKeyError(InputError, MissingKeyPropertiesError):
    """A record has not all key properties of its stream."""


class Stream:
    """What a SCHEMA message said, made ready for the records that follow it."""

    def __init__(
        self,
        name: str,
        keys: Iterable[str],
        shape: Callable[[bytes], bytes | None] | None,
    ) -> None:
        self.keys = tuple(keys)
        self.shape = shape
        self.counter = metrics.record_counter(name)
        self.counted = 0
        # A record that starts with its only key needs no closer look.
        first = f'{{"{self.keys[0]}"' if len(self.keys) == 1 else ""
        plain = first.isascii() and first.isprintable() and "\\" not in first
        self._start = first.encode() if plain and first.count('"') == 2 else b""  # noqa: PLR2004 - the two around the key
        self._decode = _decoder(self.keys)

    def count(self) -> None:
        """Count for the Singer metrics what came since the last call."""
        if self.counted:
            self.counter.increment(self.counted)
            self.counted = 0

    def passes(self, records: Sequence[bytes]) -> bool:
        """Whether all surely are objects with their keys, and are handed on as is."""
        start = self._start
        if not start or self.shape is not None:
            return False
        return False not in [record.startswith(start) for record in records]

    def lacks(self, record: bytes) -> list[str]:
        """Return which key properties a record has not."""
        if self._start and record.startswith(self._start):
            return []
        try:
            self._decode(record)
        except (msgspec.MsgspecError, RecursionError):
            found = members(record)
            return [key for key in self.keys if key not in found]
        return []


@lru_cache(maxsize=100)
def _decoder(keys: tuple[str, ...]) -> Callable[[bytes], object]:
    """Return what raises for a record without one of the keys.

    Kept, since a tap may announce a stream again and again.
    """
    names = [
        (f"k{n}", msgspec.Raw, msgspec.field(name=key)) for n, key in enumerate(keys)
    ]
    return msgspec.json.Decoder(msgspec.defstruct("Keys", names)).decode
