"""Every error of this program, named by what the run should do about it.

TargetError                    ends the run with one line, its last, at ERROR
├── ConfigError                a setting is wrong: nothing was read
├── InputError                 a line of the input is wrong: what came before is sent
├── NoInputError               standard input is closed
├── StoppedError               SIGTERM, SIGINT: stop in good order
├── OutputError                the reader of the states has gone: stop
└── DeliveryError
    ├── RejectedError          400, 422: some records are refused, and not set aside
    ├── FatalError             no request of this run can succeed: stop
    └── GaveUpError            retried long enough: stop, the next run resumes

A message is one sentence in plain words. It never holds the webhook's path or query, a
header, a request body or a record: the URL is the credential, and records are people's.
"""

from __future__ import annotations


class TargetError(Exception):
    """Something its user can act on. ``str()`` is the whole line that they see."""

    hint = ""
    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        if hint is not None:
            self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".rstrip()


class ConfigError(TargetError):
    """A setting cannot be used. Says which, what it got and what it takes."""


class InputError(TargetError):
    """The input is no Singer stream from this line on."""

    hint = (
        "Everything before it was sent. Look at what the tap writes there, "
        "then run again: it resumes at the last state."
    )

    def __init__(self, line: int, problem: str, *, hint: str | None = None) -> None:
        super().__init__(f"Input line {line:,}: {problem}.", hint=hint)
        self.line = line


class NoInputError(TargetError):
    """There is no input to read."""

    hint = "Pipe a tap into this target, or name a file with --input."


class StoppedError(TargetError):
    """A signal ended the run before its input did."""

    def __init__(self, message: str, *, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class OutputError(TargetError):
    """Standard output is closed: the program that reads the states has gone."""

    hint = "Run again: it resumes at the last state that was read from here."


class DeliveryError(TargetError):
    """A request did not deliver its records."""


class RejectedError(DeliveryError):
    """The receiver looked at the records and said no."""

    hint = (
        "Fix the record at its source, or set on_rejected to dead_letter to save such "
        "records and go on."
    )


class FatalError(DeliveryError):
    """No request of this run can succeed."""


class GaveUpError(DeliveryError):
    """Retries used up max_retry_seconds."""

    hint = "Run again when the receiver is back: it resumes at the last state."
