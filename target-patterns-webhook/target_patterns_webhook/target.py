"""The target: its name, settings and capabilities, and where it departs from the SDK.

The SDK acknowledges on a signal what it has not sent, and writes states at the end
only. So states never reach its ledger here: they go to Delivery, which writes each
when all before it is accepted. What a run does is in run.py.
"""

from __future__ import annotations

import copy
import logging
import sys
from typing import IO, TYPE_CHECKING, Any, ClassVar

import click
from singer_sdk import Target
from singer_sdk.exceptions import ConfigValidationError
from singer_sdk.helpers._classproperty import classproperty
from singer_sdk.helpers.capabilities import PluginCapabilities, TargetCapabilities
from singer_sdk.singerlib.encoding.base import GenericSingerReader
from typing_extensions import override

from target_patterns_webhook.cli.config_input import (
    read_config,
    read_variables,
    warn_of_unknown,
)
from target_patterns_webhook.cli.report import Report
from target_patterns_webhook.errors import ConfigError, NoInputError, OutputError
from target_patterns_webhook.http.probe import probe
from target_patterns_webhook.run import Run
from target_patterns_webhook.settings.schema import SCHEMA
from target_patterns_webhook.settings.settings import OWN, Settings, report_path
from target_patterns_webhook.settings.values import Setting, read_builtin, settings_of
from target_patterns_webhook.singer.intake import Intake
from target_patterns_webhook.singer.messages import whole
from target_patterns_webhook.singer.sdk_sink import (
    ASKS_FOR_MORE,
    RESHAPES,
    SdkIntake,
    WebhookSink,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from singer_sdk.helpers.capabilities import CapabilitiesEnum
    from singer_sdk.plugin_base import _ConfigInput

_log = logging.getLogger(__name__)


class Reader(GenericSingerReader[str]):
    """The SDK's seam for input: hands it to a Run, whole."""

    default_input = sys.stdin

    def __init__(self, target: TargetPatternsWebhook) -> None:
        super().__init__()
        self._target = target

    @override
    def process_lines(
        self,
        file_input: IO[str] | None,
        callbacks: dict[str, Callable[[dict[str, Any]], None]],
    ) -> Any:
        """Read and deliver everything. The SDK's callbacks are called by the run."""
        del callbacks
        source = file_input or sys.stdin
        if source is None:
            msg = "Standard input is closed, so there is nothing to read."
            raise NoInputError(msg)
        if sys.stdout is None:
            msg = "Standard output is closed, so states could not be written."
            raise OutputError(msg)
        target = self._target
        target.run = Run(target.settings, target.make_intake, sys.stdout)
        target.report.figures = target.run.figures
        return target.run.read(source)

    @override
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
    report: ClassVar[Report] = Report(name)

    def __init__(self, **given: Any) -> None:  # noqa: ANN401 - the SDK's arguments
        # urllib3 logs the path of each request, which is the credential.
        logging.getLogger("urllib3").setLevel(logging.CRITICAL)
        super().__init__(**given)
        self.message_reader = Reader(self)

    @classmethod
    @override
    def get_singer_command(cls) -> click.Command:
        """Add ``--test`` to the SDK's options."""
        command = super().get_singer_command()
        words = "Check the settings and that the webhook's host answers; send nothing."
        command.params.append(click.Option(["--test"], is_flag=True, help=words))
        return command

    @classmethod
    @override
    def invoke(
        cls, *, test: bool = False, config: _ConfigInput | None = None, **given: Any
    ) -> None:
        """Run the target, or only look whether it could run."""
        try:
            if test and not given.get("about"):
                values = config.config if config else {}
                env = bool(config and config.parse_env)
                target = cls(config=values, parse_env_config=env)
                click.echo(probe(target.settings))
            else:
                if not given.get("about"):
                    cls.report.begin()
                super().invoke(config=config, **given)
        except ConfigValidationError as error:  # the SDK would log a line too many
            raise ConfigError("; ".join(error.errors)) from None

    @classmethod
    @override
    def cb_config(
        cls, ctx: click.Context, param: click.Option, value: tuple[str, ...]
    ) -> _ConfigInput:
        """Read the files of ``--config``, each once: it may be a pipe."""
        return read_config(value)

    @classmethod
    def builtin(cls) -> dict[str, Setting]:
        """Return the settings that the SDK reads."""
        schema = copy.deepcopy(cls.config_jsonschema)
        cls.append_builtin_config(schema)
        known = settings_of(schema)
        return {name: each for name, each in known.items() if name not in OWN}

    def make_intake(self, **wiring: Any) -> Intake:  # noqa: ANN401 - as Intake's
        """Return what takes the input: through the SDK where a setting asks for more.

        More, that is, than to pass a record's bytes on.
        """
        storage = (self.config.get("batch_config") or {}).get("storage") or {}
        wiring["storage"] = storage.get("params") or {}
        if not any(self.config.get(name) for name in ASKS_FOR_MORE):
            return Intake(self.settings, **wiring)
        wiring["reshaped"] = any(self.config.get(name) for name in RESHAPES)
        self.sdk_intake = SdkIntake(self.settings, transformer=self, **wiring)
        return self.sdk_intake

    # Private in the SDK 0.54; tests/target/test_sdk_seams.py says when one changes.

    @override
    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        """Read the settings with messages of our own: the SDK's quote the values."""
        builtin = self.builtin()
        warn_of_unknown(self._config, {*OWN, *builtin})
        try:
            self.report.use(report_path(self._config))
            self.settings = Settings.from_config(self._config)
            self._config |= read_builtin(self._config, builtin)
        except ConfigError as error:
            if raise_errors:
                raise
            return [str(error)]
        if (method := self._config["load_method"]) != "append-only":
            _log.warning("load_method is %s, but a webhook only appends.", method)
        return []

    @classproperty
    def _env_var_config(cls) -> dict[str, Any]:  # noqa: N805 - as the SDK has it
        """Take every setting as text, read like any other; the SDK quotes values."""
        return dict(read_variables(cls._env_var_prefix, {*OWN, *cls.builtin()}))

    @override
    def _setup_signal_handlers(self) -> None:
        """Install none: the SDK's drain inside a handler. Run has its own."""

    @override
    def _handle_max_record_age(self) -> None:
        """Do nothing: Delivery knows the age of each record."""

    @override
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
