"""The SDK's own path for a record, used where a setting asks for more than bytes.

Stream maps, flattening, validation and metadata happen in the SDK; what comes out of
it is made into bytes here and goes the way of all records.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from singer_sdk.exceptions import (
    InvalidJSONSchema,
    InvalidRecord,
    MappingError,
    MissingKeyPropertiesError,
)
from singer_sdk.singerlib.json import serialize_json
from singer_sdk.sinks import Sink

from target_patterns_webhook.errors import InputError
from target_patterns_webhook.intake import TEST_STREAM, Intake, NoKeyError
from target_patterns_webhook.jsontext import MalformedError
from target_patterns_webhook.singer import whole

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from target_patterns_webhook.target import TargetPatternsWebhook

ASKS_FOR_MORE = (
    "stream_maps",
    "flattening_enabled",
    "validate_records",
    "add_record_metadata",
)


# What a stream map's expression raises for a record that it was not written for.
_IN_EXPRESSIONS = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)


class WebhookSink(Sink):
    """A stream as the SDK has transformed it. Holds no record: each goes on at once."""

    intake: SdkIntake

    def __init__(
        self,
        target: TargetPatternsWebhook,
        stream_name: str,
        schema: dict[str, Any],
        key_properties: Sequence[str] | None,
    ) -> None:
        super().__init__(target, stream_name, schema, key_properties)
        self.intake = target.sdk_intake
        self.intake.new_stream(stream_name, self.schema, [])

    @property
    def is_full(self) -> bool:
        """Never: nothing is held here, so there is nothing to drain."""
        return False

    def process_record(self, record: dict[str, Any], context: dict[str, Any]) -> None:
        """Hand the record on."""
        del context
        self.intake.handed_on = True
        self.intake.take_record(self.stream_name, serialize_json(record).encode())

    def process_batch(self, context: dict[str, Any]) -> None:
        """Do nothing: every record has gone on already."""

    def _remove_sdc_metadata_from_record(self, record: dict[str, Any]) -> None:
        """Keep what the tap sent: the SDK would drop every ``_sdc_`` field."""

    def _validate_and_parse(self, record: dict[str, Any]) -> dict[str, Any]:
        """Validate, without the SDK's log of the record and its rewritten times."""
        if self._validator is not None:
            try:
                self._validator.validate(record)
            except InvalidRecord as error:
                path = getattr(error.__cause__, "json_path", "$")
                rule = getattr(error.__cause__, "validator", "schema")
                msg = (
                    f"a record of stream {self.stream_name} does not fit its schema: "
                    f"{path} breaks the rule {rule!r}"
                )
                raise MalformedError(msg) from None
        return record

    def _after_process_record(self, context: dict[str, Any]) -> None:
        """Skip the SDK's debug line for each record."""


class SdkIntake(Intake):
    """Sends each SCHEMA and RECORD through the target's SDK methods."""

    target: TargetPatternsWebhook
    by_line = True
    handed_on = False

    def record(self, name: str, record: bytes, line: bytes) -> None:
        """Let the SDK transform one record; its sink hands on what comes out."""
        if name == TEST_STREAM:
            super().record(name, record, line)
        else:
            self._transform(whole(line))

    def _transform(self, message: dict[str, Any]) -> None:
        name = message["stream"]
        if name not in self.target.mapper.stream_maps:
            raise self.no_schema(name)
        self.handed_on = False
        try:
            self.target.process_sdk_record(message)
        except MissingKeyPropertiesError as error:
            if isinstance(error, NoKeyError):
                raise
            problem = f"a record of stream {name} without all of its key properties"
            raise NoKeyError(self.line, problem) from None
        except MappingError as error:
            raise self._unusable_map(error) from None
        except _IN_EXPRESSIONS as error:
            if isinstance(error, MalformedError):
                raise
            what = f"{type(error).__name__} in an expression"
            raise self._unusable_map(what) from None
        if not self.handed_on:
            self.filtered += 1

    def announce(self, name: str, schema: Mapping[str, Any], keys: list[str]) -> None:
        """Let the SDK make sinks for a stream, or for what its map makes of it."""
        message = {"stream": name, "schema": schema, "key_properties": keys}
        try:
            self.target.process_sdk_schema(message)
        except MappingError as error:
            raise self._unusable_map(error) from None
        except InvalidJSONSchema:
            problem = f"the SCHEMA of stream {name} is no valid JSON schema"
            raise InputError(self.line, problem) from None

    def _unusable_map(self, error: MappingError | str) -> InputError:
        problem = f"stream_maps cannot be applied here ({error})".replace(".)", ")")
        return InputError(self.line, problem, hint="Mend stream_maps, then run again.")

    def batch_record(self, name: str, record: bytes) -> None:
        """Let the SDK transform a record of a BATCH file like any other."""
        text = b'{"type":"RECORD","stream":%b,"record":%b}'
        self._transform(whole(text % (json.dumps(name).encode(), record)))

    def count(self) -> None:
        """Leave the Singer metrics to the SDK's sinks."""

    def finish(self) -> None:
        """Let the SDK's sinks log their last counts."""
        self.target.drain_all(is_endofpipe=True)
