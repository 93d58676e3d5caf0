"""The SDK's own path for a record, used where a setting asks for more than bytes.

Stream maps, flattening, validation and metadata happen in the SDK; what comes out of
it is made into bytes here and goes the way of all records.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Protocol

from singer_sdk.exceptions import (
    InvalidJSONSchema,
    InvalidRecord,
    MissingKeyPropertiesError,
)
from singer_sdk.singerlib.json import serialize_json
from singer_sdk.sinks import Sink
from typing_extensions import override

from target_patterns_webhook.cli import map_errors
from target_patterns_webhook.errors import InputError
from target_patterns_webhook.raw_json import MalformedError
from target_patterns_webhook.singer.intake import TEST_STREAM, Intake
from target_patterns_webhook.singer.messages import whole_record
from target_patterns_webhook.singer.schemas import Schema, for_sdk
from target_patterns_webhook.singer.stream import NoKeyError
from target_patterns_webhook.singer.validator import Validator

if TYPE_CHECKING:
    from collections.abc import Sequence

    from target_patterns_webhook.settings.settings import Settings

ASKS_FOR_MORE = (
    "stream_maps",
    "flattening_enabled",
    "validate_records",
    "add_record_metadata",
)
RESHAPES = ("stream_maps", "flattening_enabled")


class Transformer(Protocol):
    """A target as this path needs it: the SDK's methods, and where records come out."""

    sdk_intake: SdkIntake

    def process_sdk_schema(self, message: dict[str, Any]) -> None:
        """Announce a stream to the SDK's mapper and sinks."""

    def process_sdk_record(self, message: dict[str, Any]) -> None:
        """Send a record through the SDK's mapper and sink."""

    def drain_all(self, *, is_endofpipe: bool = False) -> None:
        """End the sinks."""


class WebhookSink(Sink):
    """A stream as the SDK has transformed it; its records go on to the intake."""

    def __init__(
        self,
        target: Any,  # noqa: ANN401 - the SDK's Target, and a Transformer
        stream_name: str,
        schema: dict[str, Any],
        key_properties: Sequence[str] | None,
    ) -> None:
        super().__init__(target, stream_name, schema, key_properties)
        self.intake: SdkIntake = target.sdk_intake
        self.intake.new_stream(stream_name, self.schema, [])

    @property
    @override
    def is_full(self) -> bool:
        """Never: nothing is held here, so there is nothing to drain."""
        return False

    @override
    def process_record(self, record: dict[str, Any], context: dict[str, Any]) -> None:
        """Put the record where the intake takes it from."""
        del context
        self.intake.came_out.append((self.stream_name, serialize_json(record).encode()))

    @override
    def get_validator(self) -> Validator | None:
        """Validate by the schema's own draft; the SDK knows one only."""
        return Validator(self.schema) if self.validate_schema else None

    @override
    def process_batch(self, context: dict[str, Any]) -> None:
        """Do nothing: every record has gone on already."""

    @override
    def _remove_sdc_metadata_from_record(self, record: dict[str, Any]) -> None:
        """Keep what the tap sent: the SDK would drop every ``_sdc_`` field."""

    @override
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

    @override
    def _after_process_record(self, context: dict[str, Any]) -> None:
        """Skip the SDK's debug line for each record."""


class SdkIntake(Intake):
    """Sends each SCHEMA and RECORD through the target's SDK methods."""

    by_line = True

    def __init__(
        self,
        settings: Settings,
        *,
        transformer: Transformer,
        reshaped: bool,
        **wiring: Any,  # noqa: ANN401 - as Intake's
    ) -> None:
        super().__init__(settings, **wiring)
        self._transformer = transformer
        self._reshaped = reshaped
        self.came_out: list[tuple[str, bytes]] = []  # of the record in the SDK's hands

    @override
    def record(self, name: str, record: bytes, line: bytes | None = None) -> None:
        """Let the SDK transform one record; hand on what comes out."""
        if name == TEST_STREAM:
            super().record(name, record, line)
            return
        if line is None:
            stream = json.dumps(name).encode()
            line = b'{"type":"RECORD","stream":%b,"record":%b}' % (stream, record)
        self._transform(line)

    def _transform(self, line: bytes) -> None:
        message = whole_record(line)
        name = message["stream"]
        if name not in self.key_names:
            raise self.no_schema(name)
        self.as_json(line)  # counts what the SDK writes as null
        self.came_out.clear()
        try:
            self._transformer.process_sdk_record(message)
        except MalformedError:
            raise
        except MissingKeyPropertiesError:
            problem = f"a record of stream {name} without all of its key properties"
            raise NoKeyError(self.line, problem) from None
        except InvalidJSONSchema as error:
            raise self._unusable_schema(name, error) from None
        except Exception as error:  # noqa: BLE001 - a map raises anything
            raise self._unusable_map(error) or error from None
        # Outside of the try: what goes wrong from here on is no stream map's fault.
        if not self.came_out:
            self.filtered[name] += 1
        for stream, record in self.came_out:
            self.take_record(stream, record)

    @override
    def announce(self, name: str, schema: Schema, keys: list[str]) -> None:
        """Let the SDK make sinks for a stream, or for what its map makes of it."""
        given = for_sdk(schema, keys, reshaped=self._reshaped)
        message = {"stream": name, "schema": given, "key_properties": keys}
        try:
            self._transformer.process_sdk_schema(message)
        except InvalidJSONSchema as error:
            raise self._unusable_schema(name, error) from None
        except RecursionError:
            msg = f"the SCHEMA of stream {name} is nested too deeply"
            raise MalformedError(msg) from None
        except Exception as error:  # noqa: BLE001 - a map raises anything
            raise self._unusable_map(error) or error from None

    def _unusable_schema(self, name: str, error: Exception) -> InputError:
        problem = f"the SCHEMA of stream {name} is not a valid JSON schema ({error})"
        hint = "Fix it at the tap, or set validate_records to false."
        return InputError(self.line, problem, hint=hint)

    def _unusable_map(self, error: Exception) -> InputError | None:
        told = map_errors.explain(error)
        return told and InputError(self.line, told[0], hint=told[1])

    @override
    def count(self) -> None:
        """Leave the Singer metrics to the SDK's sinks."""

    @override
    def finish(self) -> None:
        """Let the SDK's sinks log their last counts."""
        self._transformer.drain_all(is_endofpipe=True)
