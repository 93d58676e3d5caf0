"""The console command: runs the target, and turns what ends it into one line."""

from __future__ import annotations

import os
import sys
from importlib.metadata import version

NAME = "target-patterns-webhook"


def main() -> None:
    """Run the target; exit with 0 only when all was done."""
    if sys.argv[1:] == ["--version"]:  # without the imports that a run needs
        print(f"{NAME} v{version(NAME)}, Meltano SDK v{version('singer-sdk')}")  # noqa: T201 - asked for
        sys.exit(0)
    sys.exit(_run())


def _run() -> int:
    try:
        return _command()
    except KeyboardInterrupt:
        return _end("Stopped by SIGINT before anything was read.", 130)


def _command() -> int:
    import click  # noqa: PLC0415 - not needed for --version
    from singer_sdk.exceptions import ConfigValidationError  # noqa: PLC0415 - as above

    from target_patterns_webhook.errors import OutputError, TargetError  # noqa: PLC0415 - as above
    from target_patterns_webhook.target import TargetPatternsWebhook  # noqa: PLC0415 - as above

    try:
        code = TargetPatternsWebhook.cli.main(prog_name=NAME, standalone_mode=False)
    except TargetError as error:
        if isinstance(error, OutputError):
            _discard_output()
        return _end(str(error), error.exit_code)
    except click.exceptions.Abort:
        return _end("Stopped by SIGINT before anything was read.", 130)
    except click.ClickException as error:
        return _end(error.format_message(), error.exit_code)
    except ConfigValidationError as error:
        return _end(f"The configuration cannot be used: {error}.", 1)
    except Exception as error:  # noqa: BLE001 - the last line of defence
        return _end(_bug(error), 1)
    return code if isinstance(code, int) else 0


def _bug(error: BaseException) -> str:
    """Name the place and kind of an error that nobody foresaw; its text may be data."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = ""
    if trace is not None:
        file = os.path.basename(trace.tb_frame.f_code.co_filename)  # noqa: PTH119 - text only
        place = f" at {file}:{trace.tb_lineno}"
    return (
        f"Unexpected {type(error).__name__}{place}. This is a bug in the target or in "
        "a stream map: what was delivered stays delivered, and the next run resumes at "
        "the last state."
    )


def _end(line: str, code: int) -> int:
    sys.stderr.write(f"{NAME}: {' '.join(line.split())}\n")
    return code


def _discard_output() -> None:
    """Keep Python from flushing to a reader that has gone, and from saying so."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


if __name__ == "__main__":
    main()
