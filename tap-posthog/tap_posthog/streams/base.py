"""What all streams share: how their records are written, and the states between.

Bytes go from answer to line unparsed, unless a setting asks to change records.
"""

from __future__ import annotations

import abc
import contextlib
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec
from singer_sdk.helpers.conform import TypeConformanceLevel
from singer_sdk.mapper import SameRecordTransform
from singer_sdk.streams import Stream
from typing_extensions import override

from tap_posthog import raw_json
from tap_posthog.batch_files import MOST_BYTES, BatchFiles
from tap_posthog.progress import Stats
from tap_posthog.record_lines import RecordLines

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Sequence

    from singer_sdk import Tap
    from singer_sdk.helpers._batch import BatchConfig
    from singer_sdk.helpers.types import Context, Record

    from tap_posthog.output import Output

    # Records to write, and the state that is safe behind them. None: not yet one.
    Part = tuple[Sequence[Any], dict[str, Any] | None]

LINES = 1000  # made at once, so that a target has work while the next are made


class PostHogStream(Stream):
    """A stream whose records are JSON when they come."""

    TYPE_CONFORMANCE_LEVEL = TypeConformanceLevel.NONE  # values stay as they are

    def __init__(
        self,
        tap: Tap,
        *,
        schema: dict[str, Any],
        output: Output,
        name: str | None = None,
    ) -> None:
        """Take the schema, and where lines are written."""
        super().__init__(tap, schema=schema, name=name)
        self._output = output
        self.stats = Stats()  # of all its syncs in this process
        self._given = 0  # records, for a dry run's limit
        self._files: BatchFiles | None = None

    @abc.abstractmethod
    def parts(
        self, columns: Sequence[str], record: Callable[..., Any]
    ) -> Generator[Part]:
        """Read what there is, in order.

        Args:
            columns: What a record holds.
            record: Makes one of its values, in that order.
        """

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
    def get_records(self, context: Context | None) -> Iterable[Record]:
        """Give each record as Python values."""
        yield from self._sync_records(context, write_messages=False)

    # Private in the SDK: its loop moves the bookmark by the records that pass, and
    # writes a state every 10,000. Ours is safe between batches only.
    @override
    def _sync_records(
        self, context: Context | None = None, *, write_messages: bool = True
    ) -> Generator[dict[str, Any], Any, Any]:
        columns = self.columns
        passed_on = write_messages and self.is_passed_on
        lines = RecordLines(self.name, columns)
        with (
            self._output,
            self.get_record_counter() as counter,
            self.get_sync_timer(),
            contextlib.closing(self.parts(columns, lines.record)) as parts,
        ):
            for records, state in parts:
                if passed_on and records:
                    self._pass_on(lines, records)
                    counter.increment(len(records))
                    self.stats.emitted += len(records)
                else:
                    for record in self._decoded(records, columns):
                        if write_messages:
                            self._write_record_message(record)
                        counter.increment()
                        self.stats.emitted += 1
                        yield record
                if state is not None:
                    self._stand_at(state)
                    if write_messages:
                        self._send_file()
                        self._write_state_message()
                        if self._files:
                            self._files.state_written()
            self._send_file()

    def _pass_on(self, lines: RecordLines, records: Sequence[Any]) -> None:
        if self._files is None:
            extracted = datetime.now(UTC).isoformat()
            self._output.write_lines(lines.lines(records, extracted))
            return
        self._files.write(lines.plain(records))
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

    def _decoded(
        self, records: Sequence[Any], columns: Sequence[str]
    ) -> Generator[dict[str, Any]]:
        """Give records as Python values, no number rounded."""
        for each in records:
            self._check_max_record_limit(current_record_index=self._given)
            self._given += 1
            values = msgspec.structs.astuple(each)
            yield {
                name: raw_json.loads(bytes(value).decode())
                if isinstance(value, msgspec.Raw)
                else value
                for name, value in zip(columns, values, strict=True)
            }

    @property
    def figures(self) -> dict[str, Any]:
        """What was done, and where it stands, as the run's report has it."""
        stats = self.stats
        return {
            "planned": stats.planned,
            "read": stats.read,
            "emitted": stats.emitted,
            "duplicates": stats.duplicates,
            "resent": stats.resent,
            "state": self.given_state or None,
        }

    @property
    def given_state(self) -> dict[str, Any]:
        """This stream's state. To ask the SDK for it leaves an empty one behind."""
        bookmarks = self.tap_state.get("bookmarks") or {}
        found: dict[str, Any] = bookmarks.get(self.name) or {}
        return found

    # Private in the SDK: it also writes a state that has no bookmark yet, which would
    # stand in a store for a whole one, or be merged over it.
    @override
    def _write_state_message(self) -> None:
        bookmarks = self.tap_state.get("bookmarks") or {}
        for name in [name for name, state in bookmarks.items() if not state]:
            del bookmarks[name]
        if self.given_state:
            super()._write_state_message()

    def _stand_at(self, state: dict[str, Any]) -> None:
        self.stream_state.clear()
        self.stream_state.update(state)
        self.state_manager.is_flushed = False

    @override
    def log(
        self, message: str, *args: Any, level: int = logging.INFO, **kwargs: Any
    ) -> None:
        """Log, but leave an error's one line to the place where the run ends."""
        quiet = message.startswith("An unhandled error") and level >= logging.ERROR
        super().log(message, *args, level=logging.DEBUG if quiet else level, **kwargs)
