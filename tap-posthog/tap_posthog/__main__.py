"""The command `tap-posthog`: what a user can cause ends in one line and a status."""

from __future__ import annotations

import sys
from importlib.metadata import version

from tap_posthog.cli import ending
from tap_posthog.cli.report import Report

NAME = "tap-posthog"
SWITCH_SECONDS = 0.001  # at Python's 5 ms, pages that came in wait to be read


def main() -> int:
    """Run the tap and return the exit status, 0 only when all was done."""
    report = Report(NAME)
    return ending.run(NAME, lambda: _command(report), report)


def _command(report: Report) -> int | None:
    if sys.argv[1:] == ["--version"]:  # without the second that the imports take
        print(f"{NAME} v{version(NAME)}, Meltano SDK v{version('singer-sdk')}")  # noqa: T201 - asked for
        return 0
    from tap_posthog.tap import TapPostHog  # noqa: PLC0415 - as above

    sys.setswitchinterval(SWITCH_SECONDS)
    TapPostHog.report = report
    status: int | None = TapPostHog.cli.main(prog_name=NAME, standalone_mode=False)
    return status


if __name__ == "__main__":
    sys.exit(main())
