"""One run, from the first line to the last answer: the pipeline, and how it ends.

Reads, takes in, delivers, drains; then says how it went. Its parts do the work.
"""

from __future__ import annotations

import logging
from contextlib import ExitStack
from typing import IO, TYPE_CHECKING, Any

from target_patterns_webhook.cli.ending import write_whole
from target_patterns_webhook.cli.signals import Signals
from target_patterns_webhook.delivery.crew import Delivery
from target_patterns_webhook.errors import InputError, OutputError, StoppedError
from target_patterns_webhook.http.probe import probe
from target_patterns_webhook.monitor import Monitor
from target_patterns_webhook.progress import Progress, summary
from target_patterns_webhook.raw_json import MalformedError
from target_patterns_webhook.singer.batch_folders import BatchFolders
from target_patterns_webhook.singer.intake import BatchInterruptedError
from target_patterns_webhook.singer.stdin import blocks

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable

    from target_patterns_webhook.settings.settings import Settings
    from target_patterns_webhook.singer.intake import Intake

logger = logging.getLogger("target-patterns-webhook")

GRACE_SECONDS = 20.0  # for what is held when a signal comes


class Run:
    """Everything that one input needs, for as long as it is read and delivered."""

    def __init__(
        self, settings: Settings, make_intake: Callable[..., Intake], out: IO[str]
    ) -> None:
        """Take what makes an intake of its surroundings, and where states go."""
        self._settings = settings
        self._out = out
        self._signals = Signals()
        self._delivery = Delivery(
            self._settings,
            write_state=self._write_state,
            keys=lambda stream: self._intake.key_names.get(stream, ()),
        )
        self._folders = BatchFolders()
        self._intake = make_intake(
            add=self._delivery.add,
            mark=self._delivery.mark,
            probe=self._probe,
            stopped=self._stopped,
            folders=self._folders,
        )
        self._progress = Progress(self._delivery.stats, self._intake)
        self._monitor = Monitor(
            self._signals,
            self._out,
            on_stop=self._delivery.stop,
            progress=self._progress,
        )

    def read(self, source: IO[str]) -> Counter[str]:
        """Deliver all of ``source``; return how many messages it had of each type.

        Whatever happens, a state is written for all that was delivered, and what is
        left is logged.

        Raises:
            TargetError: after that, when not all could be delivered.
        """
        for webhook in self._settings.webhooks:
            if webhook.in_the_clear:
                logger.warning(
                    "%s is http://: the URL, a credential, crosses the network "
                    "unencrypted.",
                    webhook.setting,
                )
        try:
            with ExitStack() as stack:
                stack.callback(self._intake.finish)
                stack.enter_context(self._signals)
                stack.enter_context(self._delivery)
                stack.enter_context(self._monitor)
                self._deliver(source)
            self._folders.finish()
        except BaseException:
            self.say_how_it_went()
            raise
        return self._intake.messages

    def _deliver(self, source: IO[str]) -> None:
        try:
            self._take_in(source)
        except InputError:
            self._drain()
            raise
        self._drain()

    def figures(self) -> dict[str, Any]:
        """Return what the run has done, as its report has it."""
        return summary(self._delivery.stats, self._intake)

    def say_how_it_went(self) -> None:
        """Log the last line."""
        self._progress.close()

    def _take_in(self, source: IO[str]) -> None:
        try:
            wake, stopped = self._signals.wake, self._stopped
            for block in blocks(source, wake=wake, stopped=stopped):
                self._intake.take(block)
        except BatchInterruptedError:
            return  # what lies behind in the block is not read either
        except MalformedError as error:
            raise InputError(self._intake.line + 1, str(error)) from None

    def _drain(self) -> None:
        """Return when everything is delivered, or raise what stands in the way."""
        self._delivery.drain()
        if not self._stopped():
            return
        delivered = self._delivery.drain(timeout=GRACE_SECONDS)
        if self._monitor.output_lost:
            msg = (
                "Standard output was closed: the program that read the states is gone."
            )
            raise OutputError(msg)
        msg = f"Stopped by {self._signals.received_name}. {self._left(delivered)}"
        raise StoppedError(msg, exit_code=self._signals.exit_code)

    def _left(self, delivered: bool) -> str:  # noqa: FBT001 - what drain returned
        if delivered:
            return "What was read is delivered; the next run goes on from there."
        left = self._delivery.stats.undelivered
        return (
            f"{left:,} records were not delivered within {GRACE_SECONDS:.0f} s; the "
            "next run sends them again."
        )

    def _stopped(self) -> bool:
        return self._monitor.output_lost or bool(self._signals)

    def _write_state(self, state: bytes) -> None:
        """Write one state to standard output, whole and at once."""
        buffer = getattr(self._out, "buffer", None)  # none where it is only in memory
        try:
            if buffer is None:
                self._out.write(state.decode() + "\n")
            else:
                write_whole(buffer, state + b"\n")
            self._out.flush()
            self._folders.written(state)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "it is closed"
            msg = f"A state could not be written to standard output ({reason})."
            raise OutputError(msg) from None

    def _probe(self) -> None:
        logger.info("A test stream: %s", probe(self._settings))
