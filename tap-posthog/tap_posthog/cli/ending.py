"""How a command ends: one last line at ERROR, and an exit code that tells the truth.

The same file in tap_posthog and in target_patterns_webhook; it knows neither of them.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import signal
import sys
from pathlib import PurePath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import BinaryIO

    from .report import Report

ERROR = 1
SIGNAL_EXIT = 128  # the shell's convention: 143 is SIGTERM, 130 is SIGINT
ONE_STOP_SECONDS = 2.0
UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EPIPE)
NO_OUTPUT = "Standard output is closed, so nothing can be written to it."
FULL_OUTPUT = "Standard output cannot be written: {}."
INTERRUPTED = (
    SIGNAL_EXIT + signal.SIGINT,
    "Stopped by SIGINT before anything was read.",
)


def is_one_stop(first: int, second: int, seconds: float) -> bool:
    """Say whether two signals, so many seconds apart, are one wish to stop.

    Ctrl-C under a runner gives SIGINT to the whole process group, and then the runner's
    own SIGTERM. The same signal again is somebody who does not want to wait.
    """
    return first != second and seconds <= ONE_STOP_SECONDS


def run(program: str, command: Callable[[], int | None], report: Report) -> int:
    """Return the exit code of ``command``, once its last line and report are written.

    It starts with three open descriptors and ends with nothing left to be written.
    """
    _open_descriptors()
    logging.raiseExceptions = False  # a log that cannot be written is no traceback
    if sys.stdout is None:
        last_words(program, NO_OUTPUT)
        return ERROR
    words = ""
    try:
        code = command() or 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0
    except KeyboardInterrupt:
        code, words = INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the last line of defence
        code, words = _explain(program, error)
    if code > SIGNAL_EXIT:
        _ignore_signals()
    code, words = _flush_output(code, words)
    if problem := report.write(code, words):
        code, words = code or ERROR, f"{words} {problem}.".lstrip()
    if words:
        last_words(program, words)
    _flush_log()
    return code


def last_words(program: str, line: str) -> None:
    """Log a line at ERROR; without a log that takes it, write it to stderr."""
    words = " ".join(line.split())
    logger = logging.getLogger(program)
    if logger.hasHandlers() and logger.isEnabledFor(logging.ERROR):
        logger.error("%s", words)
    else:
        with contextlib.suppress(OSError):
            sys.stderr.write(f"{program}: {words}\n")


def last_words_in_a_handler(program: str, line: str) -> None:
    """Do the same where the log's locks may be held by the frame that was interrupted.

    ``line`` is one line already.
    """
    text = f"{program}: {line}"
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.StreamHandler) and handler.stream is sys.stderr:
            record = logging.LogRecord(
                program, logging.ERROR, __file__, 0, line, None, None
            )
            text = handler.format(record)
            break
    clear = "\r\x1b[K" if os.isatty(2) else ""  # of a live line
    with contextlib.suppress(OSError):
        os.write(2, f"{clear}{text}\n".encode())


def write_whole(out: BinaryIO, data: bytes) -> None:
    """Write all of it: with PYTHONUNBUFFERED a signal ends a write half-way."""
    left = memoryview(data)
    while left:
        left = left[out.write(left) :]


def discard(descriptor: int) -> None:
    """Let nothing fail that is still to be written there."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, descriptor)
    os.close(null)


def _ignore_signals() -> None:
    """Let the rest of a stop change nothing: Python gives up its handlers first."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)


def _explain(program: str, error: Exception) -> tuple[int, str]:
    """Return the exit code, and what stopped the command in the words of its cause."""
    import click  # noqa: PLC0415 - not needed for --version
    from singer_sdk.exceptions import ConfigValidationError  # noqa: PLC0415 - as above

    from . import map_errors  # noqa: PLC0415 - as above

    match error:
        case click.Abort():
            return INTERRUPTED
        case click.ClickException():
            return error.exit_code, error.format_message()
        case ConfigValidationError():
            return ERROR, "; ".join(error.errors) or str(error)
        case OSError() if error.filename is None and error.errno in UNWRITABLE:
            discard(1)
            return ERROR, FULL_OUTPUT.format(error.strerror)
    if isinstance(code := getattr(error, "exit_code", None), int):  # the program's own
        return code, str(error)
    told = map_errors.explain(error)
    return ERROR, ". ".join(told) if told else _bug(program, error)


def _bug(program: str, error: Exception) -> str:
    """Name the place and kind of an unforeseen error; its text may be data."""
    return (
        f"Unexpected {type(error).__name__}{_place(error.__traceback__)}. This is a "
        f"bug in {program}, not in your settings or data: please report this line. "
        "The next run resumes at the last state."
    )


def _place(trace: TracebackType | None) -> str:
    """Name the innermost line of this package, and below it the line that raised."""
    ours = raised = ""
    package = PurePath(__file__).parent
    while trace is not None:
        path = PurePath(trace.tb_frame.f_code.co_filename)
        raised = f"{path.name}:{trace.tb_lineno}"
        if path.parent == package or package in path.parents:
            ours = raised
        trace = trace.tb_next
    if not raised:
        return ""
    below = f" (raised at {raised})" if ours and ours != raised else ""
    return f" at {ours or raised}{below}"


def _open_descriptors() -> None:
    """Give a closed one to the null device.

    Else the next file or socket gets its number, and whatever is written there.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            null = os.open(os.devnull, os.O_RDWR)
            if null != number:
                os.dup2(null, number)
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - for as long as the process


def _flush_output(code: int, words: str) -> tuple[int, str]:
    """Write what is left; return what was given, but no 0 where not all could be."""
    try:
        sys.stdout.flush()
    except OSError as error:
        discard(1)
        if code == 0:
            return ERROR, FULL_OUTPUT.format(error.strerror)
    return code, words


def _flush_log() -> None:
    try:
        sys.stderr.flush()
    except OSError:
        discard(2)
