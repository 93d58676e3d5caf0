"""The command `tap-posthog`: what a user can cause ends in one line and a status."""

from __future__ import annotations

import logging
import sys

ERROR = 1
USAGE = 2
INTERRUPTED = 130
SWITCH_SECONDS = 0.001  # at Python's 5 ms, pages that came in wait to be read


def main() -> int:
    """Run the tap and return the exit status, 0 only when all was done."""
    if sys.argv[1:] == ["--version"]:
        return _version()
    # Everything below takes most of a second to import.
    import click  # noqa: PLC0415
    from singer_sdk.exceptions import MappingError  # noqa: PLC0415

    from tap_posthog.errors import TapError  # noqa: PLC0415
    from tap_posthog.tap import TapPostHog  # noqa: PLC0415

    sys.setswitchinterval(SWITCH_SECONDS)
    logger = logging.getLogger(TapPostHog.name)
    try:
        status = TapPostHog.cli.main(prog_name=TapPostHog.name, standalone_mode=False)
    except click.Abort:
        return INTERRUPTED
    except click.ClickException as exc:
        print(f"{TapPostHog.name}: {exc.format_message()}", file=sys.stderr)  # noqa: T201 - a command talks
        return USAGE
    except TapError as exc:
        logger.error("%s", exc)  # noqa: TRY400 - the line says all
        return ERROR
    except MappingError as exc:
        logger.error("stream_maps: %s", " ".join(str(exc).split()))  # noqa: TRY400
        return ERROR
    return status or 0


def _version() -> int:
    """Print what the SDK prints, without the second that importing it takes."""
    from importlib.metadata import version  # noqa: PLC0415

    ours, sdk = version("tap-posthog"), version("singer-sdk")
    print(f"tap-posthog v{ours}, Meltano SDK v{sdk}")  # noqa: T201 - that is the task
    return 0


if __name__ == "__main__":
    sys.exit(main())
