"""The console command: runs the target, and turns what ends it into one line."""

from __future__ import annotations

import sys
from importlib.metadata import version

from target_patterns_webhook.cli import ending
from target_patterns_webhook.cli.report import Report

NAME = "target-patterns-webhook"


def main() -> int:
    """Run the target and return the exit code, 0 only when all was done."""
    report = Report(NAME)
    return ending.run(NAME, lambda: _command(report), report)


def _command(report: Report) -> int | None:
    if sys.argv[1:] == ["--version"]:  # without the imports that a run needs
        print(f"{NAME} v{version(NAME)}, Meltano SDK v{version('singer-sdk')}")  # noqa: T201 - asked for
        return 0
    from target_patterns_webhook.errors import OutputError  # noqa: PLC0415 - as above
    from target_patterns_webhook.target import TargetPatternsWebhook  # noqa: PLC0415 - as above

    TargetPatternsWebhook.report = report
    try:
        code: int | None = TargetPatternsWebhook.cli.main(
            prog_name=NAME, standalone_mode=False
        )
    except OutputError:
        ending.discard(1)
        raise
    return code


if __name__ == "__main__":
    sys.exit(main())
