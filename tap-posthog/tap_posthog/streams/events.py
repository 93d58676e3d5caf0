"""The stream of events: what it looks like, and how it is written out.

Which events, and in what order, is up to the reader; this is where its batches meet
the SDK. Bytes go from answer to line unparsed, unless a setting asks to change records.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar

from singer_sdk import typing as th
from singer_sdk.helpers.conform import TypeConformanceLevel
from singer_sdk.mapper import SameRecordTransform
from singer_sdk.singerlib.catalog import REPLICATION_FULL_TABLE
from singer_sdk.streams import Stream
from typing_extensions import override

from tap_posthog.batch_files import MOST_BYTES, BatchFiles
from tap_posthog.events.bookmark import REPLICATION_KEY, Bookmark
from tap_posthog.events.rows import LineWriter, decoded
from tap_posthog.events.scope import Scope

if TYPE_CHECKING:
    from collections.abc import (
        Callable,
        Generator,
        Iterable,
        Iterator,
        Mapping,
        Sequence,
    )

    from singer_sdk import Tap
    from singer_sdk.helpers._batch import BatchConfig
    from singer_sdk.helpers.types import Context, Record
    from singer_sdk.singerlib import Catalog

    from tap_posthog.events.batch import Row
    from tap_posthog.events.follow import Run
    from tap_posthog.output import Output
    from tap_posthog.settings.settings import Settings

LINES = 1000  # made at once, so that a target has work while the next are made

SCHEMA = th.PropertiesList(
    th.Property("uuid", th.StringType, required=True, description="Of the event."),
    th.Property("event", th.StringType, description="Name of the event."),
    th.Property("distinct_id", th.StringType, description="Who or what it is about."),
    th.Property("timestamp", th.DateTimeType, description="When it happened."),
    th.Property("created_at", th.DateTimeType, description="When PostHog ingested it."),
    th.Property(
        "properties",
        th.ObjectType(additional_properties=True),
        description="As PostHog holds them.",
    ),
    th.Property(
        "elements_chain", th.StringType, description="The page elements clicked."
    ),
    th.Property("person_id", th.StringType, description="The person, as of the query."),
    th.Property("session_id", th.StringType, description="`$session_id`."),
    th.Property("window_id", th.StringType, description="`$window_id`."),
).to_dict()
PERSON_PROPERTIES = th.Property(
    "person_properties",
    th.ObjectType(additional_properties=True),
    description="Of the person, as stored on the event.",
).to_dict()


class Events(Stream):
    """What happened in the project, in the order in which it happened."""

    name = "events"
    primary_keys: ClassVar[list[str]] = ["uuid"]
    replication_key = REPLICATION_KEY
    TYPE_CONFORMANCE_LEVEL = TypeConformanceLevel.NONE  # values stay as they are

    def __init__(
        self, tap: Tap, *, output: Output, read: Callable[[Sequence[str]], Run]
    ) -> None:
        """Declare the columns; the optional one only where it is asked for.

        `read` makes ready to read events with some columns.
        """
        schema = SCHEMA
        if tap.config.get("include_person_properties"):
            schema = {**SCHEMA, "properties": SCHEMA["properties"] | PERSON_PROPERTIES}
        super().__init__(tap, schema=schema)
        self._output = output
        self._read = read
        self._given = 0  # records, for a dry run's limit
        self._files: BatchFiles | None = None

    @classmethod
    def whole_state(
        cls, state: Mapping[str, Any], settings: Settings
    ) -> dict[str, Any] | None:
        """Return this stream's state in today's form. None: it says nothing.

        Raises:
            StateError: it cannot be read, or is of another project.
        """
        bookmark = Bookmark.from_state(state)
        return bookmark.of(Scope.of(settings)).to_state() if bookmark.at else None

    @property
    def columns(self) -> list[str]:
        """The columns that the catalog selects, in the schema's order."""
        known = self.effective_schema.get("properties", {})
        return [
            name
            for name in self.schema["properties"]
            if name in known and self.mask[("properties", name)]
        ]

    @property
    def is_passed_on(self) -> bool:
        """Whether nothing that the SDK would do to a record is asked for."""
        maps = self.stream_maps
        return (
            len(maps) == 1
            and type(maps[0]) is SameRecordTransform
            and maps[0].stream_alias == self.name
            and not maps[0].flattening_enabled
            and self.ABORT_AT_RECORD_COUNT is None
            and all(selected for path, selected in self.mask.items() if len(path) > 2)  # noqa: PLR2004 - below a column
        )

    @override
    def get_replication_key_signpost(self, context: Context | None = None) -> None:
        """Put no bound of the SDK's on the bookmark: the server's clock is ours."""

    @override
    def apply_catalog(self, catalog: Catalog) -> None:
        """Keep the one replication key that there is, whether it is named or not."""
        super().apply_catalog(catalog)
        self.replication_key = REPLICATION_KEY

    @property
    def bookmark(self) -> Bookmark:
        """Where the state says that this stream stands; a full table has no state."""
        if self.replication_method == REPLICATION_FULL_TABLE:
            return Bookmark()
        return Bookmark.from_state(self.stream_state)

    @override
    def get_records(self, context: Context | None) -> Iterable[Record]:
        """Give each event as Python values."""
        yield from self._sync_records(context, write_messages=False)

    # Private in the SDK: its loop moves the bookmark by the records that pass, and
    # writes a state every 10,000. Ours has two clocks, and is safe between batches.
    @override
    def _sync_records(
        self, context: Context | None = None, *, write_messages: bool = True
    ) -> Generator[dict[str, Any], Any, Any]:
        columns = self.columns
        passed_on = write_messages and self.is_passed_on
        writer = LineWriter(self.name, columns)
        with (
            self._output,
            self.get_record_counter() as counter,
            self.get_sync_timer(),
            self._read(columns) as run,
        ):
            for batch in run.batches(self.bookmark):
                if passed_on:
                    self._pass_on(writer, batch.rows)
                    counter.increment(len(batch.rows))
                else:
                    for record in self._records(batch.rows, columns):
                        if write_messages:
                            self._write_record_message(record)
                        counter.increment()
                        yield record
                if batch.bookmark is not None:
                    self._stand_at(batch.bookmark)
                    if write_messages:
                        self._send_file()
                        self._write_state_message()
                        if self._files:
                            self._files.state_written()
            self._send_file()

    def _pass_on(self, writer: LineWriter, rows: Sequence[Row]) -> None:
        extracted = datetime.now(UTC).isoformat()
        for first in range(0, len(rows), LINES):
            some = rows[first : first + LINES]
            if self._files is None:
                self._output.write_lines(writer.lines(some, extracted))
                continue
            self._files.write(writer.records(some))
            if self._files.size >= MOST_BYTES:
                self._send_file()

    def _send_file(self) -> None:
        if self._files and (manifest := self._files.finish()):
            self._write_batch_message(self._encoding, manifest)

    # Private in the SDK: it makes each record a dict, packs with gzip whatever is asked
    # for, and leaves its files. Records that a setting changes stay RECORD messages.
    @override
    def _sync_batches(
        self, batch_config: BatchConfig, context: Context | None = None
    ) -> None:
        if not self.is_passed_on:
            self.log(
                "batch_config is not used: stream maps, flattening or the selection "
                "change records, which the SDK does to RECORD messages only"
            )
            for _ in self._sync_records(context):
                pass
        elif files := BatchFiles.of(batch_config):
            self._encoding = batch_config.encoding
            with files as self._files:
                for _ in self._sync_records(context):
                    pass
        else:
            super()._sync_batches(batch_config, context)

    def _records(
        self, rows: Sequence[Row], columns: list[str]
    ) -> Iterator[dict[str, Any]]:
        for row in rows:
            self._check_max_record_limit(current_record_index=self._given)
            self._given += 1
            yield decoded(row, columns)

    def _stand_at(self, bookmark: Bookmark) -> None:
        if bookmark.at:
            self.stream_state.clear()
            self.stream_state.update(bookmark.to_state())
            self.state_manager.is_flushed = False

    # Private in the SDK: it also writes a state that has no bookmark yet, which would
    # stand in a store for a whole one, or be merged over it.
    @override
    def _write_state_message(self) -> None:
        if self.stream_state.get("replication_key_value"):
            super()._write_state_message()

    @override
    def log(
        self, message: str, *args: Any, level: int = logging.INFO, **kwargs: Any
    ) -> None:
        """Log, but leave an error's one line to the place where the run ends."""
        quiet = message.startswith("An unhandled error") and level >= logging.ERROR
        super().log(message, *args, level=logging.DEBUG if quiet else level, **kwargs)
