"""The command of a program, with one change: it prints its settings and moves nothing.

`python -m tests.pair.shown tap-posthog --config ...` goes through the program's own
`main`, its command line and its reading of files and variables, to where the work would
begin. Secrets are printed: they are a test's.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from decimal import Decimal
from typing import Any

BEGIN = '{"shown":'


def shown(plugin: Any) -> dict[str, Any]:  # noqa: ANN401 - a tap or a target
    """Return what a plugin read: its own settings, and the SDK's."""
    sdks = {name: plugin.config.get(name) for name in plugin.builtin()}
    read = {**dataclasses.asdict(plugin.settings), **sdks}
    plain: dict[str, Any] = json.loads(json.dumps(read, default=_plain))
    return plain


def _plain(value: object) -> object:
    if isinstance(value, frozenset):
        return sorted(value)
    return float(value) if isinstance(value, Decimal) else str(value)


def _show(plugin: Any, *_: object) -> None:  # noqa: ANN401 - a tap or a target
    print(json.dumps({"shown": shown(plugin)}, separators=(",", ":")), flush=True)  # noqa: T201 - that is the task


def main(program: str) -> int | None:
    """Run a program's command up to its work."""
    if program == "tap-posthog":
        from tap_posthog import __main__ as command  # noqa: PLC0415 - one is in use
        from tap_posthog.tap import TapPostHog  # noqa: PLC0415 - as above

        TapPostHog.own_queries = lambda _: []  # type: ignore[method-assign,assignment]
        TapPostHog.sync_all = _show  # type: ignore[assignment, misc]
        return command.main()
    from target_patterns_webhook import __main__ as theirs  # noqa: PLC0415 - as above
    from target_patterns_webhook.target import TargetPatternsWebhook  # noqa: PLC0415 - as above

    TargetPatternsWebhook.listen = _show  # type: ignore[assignment, misc]
    theirs.main()
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv.pop(1)))
