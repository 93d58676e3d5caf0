"""The target: its name, settings and capabilities, and where it departs from the SDK.

The SDK acknowledges on a signal what it has not sent, and writes states at the end
only. So states never reach its ledger here: they go to Delivery, which writes each
when all before it is accepted. What a run does is in run.py.
"""

from __future__ import annotations

import copy
import json
import logging
import os
import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, ClassVar

import click
from jsonschema import Draft7Validator
from singer_sdk import Target
from singer_sdk.configuration._dict_config import parse_environment_config
from singer_sdk.exceptions import ConfigValidationError
from singer_sdk.helpers._classproperty import classproperty
from singer_sdk.helpers.capabilities import PluginCapabilities, TargetCapabilities
from singer_sdk.singerlib.encoding.base import GenericSingerReader

from target_patterns_webhook.check import reach
from target_patterns_webhook.errors import ConfigError, NoInputError
from target_patterns_webhook.run import Run
from target_patterns_webhook.schema import SCHEMA
from target_patterns_webhook.sdk_path import ASKS_FOR_MORE, SdkIntake, WebhookSink
from target_patterns_webhook.settings import Settings
from target_patterns_webhook.singer import whole

if TYPE_CHECKING:
    from collections.abc import Callable

    from singer_sdk.helpers.capabilities import CapabilitiesEnum
    from singer_sdk.plugin_base import _ConfigInput


class Reader(GenericSingerReader[str]):
    """The SDK's seam for input: hands it to a Run, whole."""

    default_input = sys.stdin

    def __init__(self, target: TargetPatternsWebhook) -> None:
        super().__init__()
        self._target = target

    def process_lines(
        self,
        file_input: IO[str] | None,
        callbacks: dict[str, Callable[[dict[str, Any]], None]],
    ) -> Any:  # noqa: ANN401 - a Counter, as the SDK's own method
        """Read and deliver everything. The SDK's callbacks are called by the run."""
        del callbacks
        source = file_input or sys.stdin
        if source is None:
            msg = "Standard input is closed, so there is nothing to read."
            raise NoInputError(msg)
        self._target.run = Run(self._target)
        return self._target.run.read(source)

    def deserialize_json(self, line: str) -> dict[str, Any]:
        """Read one line; a run does it without this."""
        return whole(line.encode())


class TargetPatternsWebhook(Target):
    """Delivers Singer records to the Patterns webhook, at least once, in batches."""

    name = "target-patterns-webhook"
    config_jsonschema: ClassVar[dict[str, Any]] = copy.deepcopy(SCHEMA)
    capabilities: ClassVar[list[CapabilitiesEnum]] = [
        PluginCapabilities.ABOUT,
        PluginCapabilities.STREAM_MAPS,
        PluginCapabilities.FLATTENING,
        PluginCapabilities.BATCH,
        PluginCapabilities.STRUCTURED_LOGGING,
        TargetCapabilities.VALIDATE_RECORDS,
    ]
    default_sink_class = WebhookSink
    sdk_intake: SdkIntake
    run: Run | None = None

    def __init__(self, **given: Any) -> None:  # noqa: ANN401 - the SDK's arguments
        # urllib3 logs the path of each request, which is the credential.
        logging.getLogger("urllib3").setLevel(logging.CRITICAL)
        super().__init__(**given)
        self.message_reader = Reader(self)

    @classmethod
    def get_singer_command(cls) -> click.Command:
        """Add ``--test`` to the SDK's options."""
        command = super().get_singer_command()
        words = "Check the settings and that the webhook's host answers; send nothing."
        command.params.append(click.Option(["--test"], is_flag=True, help=words))
        return command

    @classmethod
    def invoke(
        cls,
        *,
        test: bool = False,
        config: _ConfigInput | None = None,
        **given: Any,  # noqa: ANN401 - the SDK's arguments
    ) -> None:
        """Run the target, or only look whether it could run."""
        try:
            if test and not given.get("about"):
                values = config.config if config else {}
                env = bool(config and config.parse_env)
                target = cls(config=values, parse_env_config=env)
                click.echo(reach(target.settings))
            else:
                super().invoke(config=config, **given)
        except ConfigValidationError as error:  # the SDK would log a line too many
            raise ConfigError("; ".join(error.errors)) from None

    @classmethod
    def cb_config(
        cls,
        ctx: click.Context,
        param: click.Option,
        value: tuple[str, ...],
    ) -> _ConfigInput:
        """Read the files of ``--config``, with a line for those that cannot be."""
        for path in value:
            if path != "ENV":
                _check_config_file(path)
        return super().cb_config(ctx, param, value)

    @property
    def needs_sdk(self) -> bool:
        """Whether a setting asks for more than to pass a record's bytes on."""
        return any(self.config.get(name) for name in ASKS_FOR_MORE)

    # Private in the SDK 0.54; tests/target/test_sdk_seams.py says when one changes.

    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        """Read the settings with messages of our own: the SDK's quote the values."""
        schema = self.config_jsonschema
        self.append_builtin_config(schema)
        for name, entry in schema["properties"].items():
            if "default" in entry and self._config.get(name) is None:
                self._config[name] = copy.deepcopy(entry["default"])
        try:
            self.settings = Settings.from_config(self._config)
            self._validate_builtin(schema)
        except ConfigError as error:
            if raise_errors:
                raise
            return [str(error)]
        return []

    def _validate_builtin(self, schema: dict[str, Any]) -> None:
        """Check the settings that are the SDK's own."""
        ours = set(SCHEMA["properties"]) - {"validate_records"}
        for name in schema["properties"].keys() - ours:
            value = self._config.get(name)
            if value is None:
                continue
            for error in Draft7Validator(schema["properties"][name]).iter_errors(value):
                msg = f"{name} cannot be used: {error.json_path} {error.message[:200]}."
                raise ConfigError(msg)

    @classproperty
    def _env_var_config(cls) -> dict[str, Any]:  # noqa: N805 - as the SDK has it
        """Take our own settings as text, which Settings reads; the SDK quotes them."""
        ours = set(SCHEMA["properties"]) - {"validate_records"}
        schema = copy.deepcopy(cls.config_jsonschema)
        cls.append_builtin_config(schema)
        for name in ours:
            del schema["properties"][name]
        try:
            found = parse_environment_config(schema, cls._env_var_prefix)
        except ValueError:
            names = ", ".join(
                cls._env_var_prefix + n.upper() for n in schema["properties"]
            )
            msg = f"One of these environment variables is of a wrong type: {names}."
            raise ConfigError(msg) from None
        for name in ours:
            if (text := os.environ.get(cls._env_var_prefix + name.upper())) is not None:
                found[name] = text
        return found

    def _setup_signal_handlers(self) -> None:
        """Install none: the SDK's drain inside a handler. Run has its own."""

    def _handle_max_record_age(self) -> None:
        """Do nothing: Delivery knows the age of each record."""

    def process_endofpipe(self) -> None:
        """Only say how it went: a Run ends with everything delivered."""
        if self.run is not None:
            self.run.say_how_it_went()

    def process_sdk_schema(self, message: dict[str, Any]) -> None:
        """Announce a stream to the SDK's mapper and sinks."""
        self._process_schema_message(message)
        # The SDK keeps every sink that a changed schema replaced, until it drains.
        for sink in self._sinks_to_clear:
            sink.clean_up()
        self._sinks_to_clear.clear()

    def process_sdk_record(self, message: dict[str, Any]) -> None:
        """Send a record through the SDK's mapper and sink."""
        self._process_record_message(message)


def _check_config_file(path: str) -> None:
    try:
        loaded = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        msg = f"--config {path} cannot be read: {error.strerror}."
        raise ConfigError(msg) from None
    except ValueError:
        msg = f"--config {path} is not valid JSON."
        raise ConfigError(msg) from None
    if not isinstance(loaded, dict):
        msg = f"--config {path} holds no JSON object."
        raise ConfigError(msg)
