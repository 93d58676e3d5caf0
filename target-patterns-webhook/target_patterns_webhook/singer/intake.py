"""What each message means to the run: records to add, states to mark, in order.

The hot path: no record is parsed, each reaches ``add`` as the bytes that came.
"""

from __future__ import annotations

import logging
from collections import Counter
from typing import TYPE_CHECKING, Any

from msgspec import Raw

from target_patterns_webhook.deep_json import without_constants
from target_patterns_webhook.errors import InputError
from target_patterns_webhook.raw_json import MalformedError
from target_patterns_webhook.singer import batch_files, formats, schemas
from target_patterns_webhook.singer.messages import (
    Message,
    parse,
    parse_plain,
    record_of,
    schema_of,
    state_of,
    stream_of,
    whole,
)
from target_patterns_webhook.singer.stdin import lines
from target_patterns_webhook.singer.stream import NoKeyError, NoSchemaError, Stream

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from target_patterns_webhook.settings.settings import Settings
    from target_patterns_webhook.singer.batch_folders import BatchFolders

logger = logging.getLogger("target-patterns-webhook")

# The stream that `meltano config test` writes to a loader: a test, not data.
TEST_STREAM = "meltano_test_stream"
NO_WEBHOOK = "Add one, or set webhook_url; or leave the stream out at the tap."
HELD = 1 << 20  # bytes of records that are handed on at once


class BatchInterruptedError(Exception):
    """The run was stopped inside a message: nothing behind it may be taken."""


class Intake:
    """Takes lines; hands on records and, behind them, states."""

    by_line = False  # whether a record needs its line

    def __init__(  # noqa: PLR0913 - its surroundings, all by name
        self,
        settings: Settings,
        *,
        add: Callable[..., None],
        mark: Callable[[bytes], None],
        probe: Callable[[], None],
        stopped: Callable[[], bool],
        storage: Mapping[str, Any],
        folders: BatchFolders,
    ) -> None:
        """``probe`` is called for a test stream; ``stopped`` ends a long BATCH.

        ``storage`` holds what the file system of BATCH files asks for, ``folders`` is
        told which of them were read.
        """
        self.settings = settings
        self.line = 0
        self.filtered: Counter[str] = Counter()  # records, by stream
        self.nulled = 0  # values NaN and Infinity, which are no JSON
        self.latest = b""  # a record of the newest lines, for the progress line
        self.messages: Counter[str] = Counter()
        self.streams: dict[str, Stream] = {}
        self.key_names: dict[str, list[str]] = {}  # by stream, as SCHEMA has them
        self._add = add
        self._mark = mark
        self._held: list[bytes] = []  # records in a row of one stream, to hand on
        self._held_stream = ""
        self._held_bytes = 0
        self._probe = probe
        self._stopped = stopped
        self._storage = storage
        self._folders = folders
        self._other = {
            "SCHEMA": self._schema,
            "BATCH": self._batch,
            "ACTIVATE_VERSION": self._activate_version,
        }

    def take(self, block: bytes) -> None:
        """Take whole lines.

        Raises:
            InputError: it names the line which is wrong.
            BatchInterruptedError: ``stopped`` ended a BATCH before its last record.
        """
        messages = None if self.by_line else parse_plain(block)
        try:
            if messages is None:
                self._take_lines(block)
            else:
                self._take_plain(messages)
        except MalformedError as error:
            raise InputError(self.line, str(error)) from None
        finally:
            self._hand_on()
        self.count()

    def _take_plain(self, messages: list[Message]) -> None:
        start = 0
        for at, message in enumerate(messages):
            if message.type == "STATE":
                self._take_records(messages[start:at])
                self.line += 1
                self.messages["STATE"] += 1
                self._state(message)
                start = at + 1
        self._take_records(messages[start:])

    def _take_records(self, messages: list[Message]) -> None:
        streams = {each.stream for each in messages}
        records = [bytes(each.record) for each in messages]
        name = streams.pop() if len(streams) == 1 else None
        if name is not None and self._take_at_once(name, records):
            self.line += len(messages)
            self.messages["RECORD"] += len(messages)
            return
        for message in messages:
            self.line += 1
            self.messages["RECORD"] += 1
            name, self.latest = record_of(message)
            self.take_record(name, self.latest)

    def _take_at_once(self, name: str, records: list[bytes]) -> bool:
        """Hand on records that need no closer look; return False if one does."""
        stream = self.streams.get(name)
        if stream is None or not stream.passes(records):
            return False
        stream.counted += len(records)
        self.latest = records[-1]
        if name != self._held_stream:
            self._hand_on()
            self._held_stream = name
        self._held += records
        self._held_bytes += sum(map(len, records))
        if self._held_bytes >= HELD:
            self._hand_on()
        return True

    def _take_lines(self, block: bytes) -> None:
        for line in lines(block):
            self.line += 1
            message = parse(line)
            if message is None:
                continue
            self.messages[message.type] += 1
            if message.type == "RECORD":
                name, self.latest = record_of(message)
                self.record(name, self.latest, line)
            elif message.type == "STATE":
                message.value = Raw(self.as_json(bytes(message.value)))
                self._state(message)
            else:
                self._other[message.type](whole(line))

    def record(self, name: str, record: bytes, line: bytes | None = None) -> None:
        """Hand on one record. ``line``: its message's text, none in a BATCH file."""
        del line
        self.take_record(name, self.as_json(record))

    def as_json(self, text: bytes) -> bytes:
        """Return a text with null for each NaN and Infinity, which are no JSON."""
        if b"NaN" not in text and b"Infinity" not in text:
            return text
        written, found = without_constants(text.decode())
        if found and not self.nulled:
            logger.warning(
                "NaN or Infinity (input line %s) is no JSON: null is sent in its "
                "place, here and wherever it comes again.",
                f"{self.line:,}",
            )
        self.nulled += found
        return written.encode() if found else text

    def take_record(self, name: str, record: bytes) -> None:
        """Check, shape and hand on the text of one record."""
        stream = self.streams.get(name)
        if stream is None:
            raise self.no_schema(name)
        stream.counted += 1
        if stream.keys and (lacking := stream.lacks(record)):
            names = ", ".join(lacking)
            problem = f"a record of stream {name} without its key {names}"
            raise NoKeyError(self.line, problem)
        if stream.shape is not None:
            shaped = stream.shape(record)
            if shaped is None:
                self.filtered[name] += 1
                return
            record = shaped
        if name != self._held_stream or self._held_bytes >= HELD:
            self._hand_on()
            self._held_stream = name
        self._held.append(record)
        self._held_bytes += len(record)

    def _hand_on(self) -> None:
        """Hand on what is held: many records at once cost little more than one."""
        held, self._held = self._held, []
        self._held_bytes = 0
        if held:
            self._add(self._held_stream, *held)

    def announce(self, name: str, schema: schemas.Schema, keys: list[str]) -> None:
        """Make ready for the records of the stream that a SCHEMA announces."""
        self.new_stream(name, schema, keys)

    def no_schema(self, name: str) -> NoSchemaError:
        """Return the error for a record of a stream that no SCHEMA has announced."""
        return NoSchemaError(
            self.line, f"a record of stream {name[:80]} before its SCHEMA"
        )

    def new_stream(self, name: str, schema: schemas.Schema, keys: list[str]) -> None:
        """Make ready for the records of a stream."""
        columns = schemas.columns(schema)
        before = self.streams.get(name)
        lacking = formats.missing_columns(columns)
        if lacking and self.settings.record_format != "event" and before is None:
            logger.warning(
                "Stream %s has no %s: its records pass as they are, not as %s.",
                name,
                ", ".join(lacking),
                self.settings.record_format,
            )
        shape = formats.shape_for(self.settings, columns)
        if name == TEST_STREAM:
            self._probe()
            shape = _leave_out
        elif self.settings.webhooks.of(name) is None:
            problem = f"stream {name[:80]} has no URL in webhook_urls"
            raise InputError(self.line, problem, hint=NO_WEBHOOK)
        self.streams[name] = stream = Stream(name, keys, shape)
        if before is not None:
            stream.counter, stream.counted = before.counter, before.counted

    def finish(self) -> None:
        """Log the last count of each stream, as Singer metrics."""
        self.count()
        for stream in self.streams.values():
            stream.counter.exit()

    def count(self) -> None:
        """Count for the Singer metrics what came since the last call."""
        for stream in self.streams.values():
            stream.count()

    def _state(self, message: Message) -> None:
        value = state_of(message)
        if value not in {b"null", b"{}"}:  # nothing to remember
            self._hand_on()
            self._folders.mark(value)
            self._mark(value)

    def _schema(self, message: dict[str, Any]) -> None:
        name, schema, keys = schema_of(message)
        self.key_names[name] = keys
        if name == TEST_STREAM:
            self.new_stream(name, schema, keys)
        else:
            self.announce(name, schema, keys)

    def _batch(self, message: dict[str, Any]) -> None:
        name = stream_of(message)
        manifest = batch_files.manifest_of(message)
        self._folders.use(manifest)
        for records, plain in batch_files.records(message, self._storage):
            if self._stopped():
                raise BatchInterruptedError
            if plain and not self.by_line and self._take_at_once(name, records):
                continue
            self.latest = records[-1]
            for record in records:
                self.record(name, record)
            self._hand_on()
        self._folders.read(manifest)

    def _activate_version(self, message: dict[str, Any]) -> None:
        del message
        if self.messages["ACTIVATE_VERSION"] == 1:
            logger.info("A webhook has no table versions: ACTIVATE_VERSION is ignored.")


def _leave_out(record: bytes) -> None:
    """Send no record of a test stream."""
    del record
