"""The tap as a user runs it: a process with files, or a value in this process."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tap_posthog.settings.schema import SETTINGS_SCHEMA
from tap_posthog.settings.settings import Settings, with_defaults
from tap_posthog.tap import TapPostHog

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.sandbox import Sandbox

API_KEY = "phx_sandbox"


@dataclass(frozen=True)
class Outcome:
    """What a run left behind."""

    status: int
    out: bytes
    err: str

    @property
    def messages(self) -> list[dict[str, Any]]:
        """All messages; a line that a kill cut off is none."""
        whole = self.out[: self.out.rfind(b"\n") + 1]
        return [json.loads(line, parse_int=_integer) for line in whole.splitlines()]

    @property
    def records(self) -> list[dict[str, Any]]:
        """The records, in order."""
        return [each["record"] for each in self.messages if each["type"] == "RECORD"]

    @property
    def uuids(self) -> list[str]:
        """The records' keys, in order."""
        return [record["uuid"] for record in self.records]

    @property
    def states(self) -> list[dict[str, Any]]:
        """The states, in order."""
        return [each["value"] for each in self.messages if each["type"] == "STATE"]

    @property
    def errors(self) -> list[str]:
        """The lines on stderr that are errors."""
        return [line for line in self.err.splitlines() if "| ERROR" in line]


def _integer(text: str) -> int | Decimal:
    return int(text) if len(text) < 4000 else Decimal(text)  # int() refuses 4,300


def config(sandbox: Sandbox, **more: object) -> dict[str, Any]:
    """Point at the sandbox; rows are settled as soon as they are there."""
    return {
        "api_key": API_KEY,
        "project_id": "1",
        "base_url": sandbox.url,
        "settle_seconds": 0,
        **more,
    }


def settings(**more: object) -> Settings:
    """Read a configuration as the tap does."""
    given = {"api_key": API_KEY, "project_id": "1", **more}
    return Settings.from_config(with_defaults(given, SETTINGS_SCHEMA))


def start(  # noqa: PLR0913 - a command has that many options
    folder: Path,
    config: dict[str, Any] | None,
    *,
    state: dict[str, Any] | None = None,
    catalog: dict[str, Any] | None = None,
    args: tuple[str, ...] = (),
    env: dict[str, str] | None = None,
    stdout: int = subprocess.PIPE,
) -> subprocess.Popen[bytes]:
    """Start the command with its files in a folder."""
    command = [sys.executable, "-m", "tap_posthog"]
    for option, value in (("config", config), ("state", state), ("catalog", catalog)):
        if value is not None:
            path = folder / f"{option}.json"
            path.write_text(json.dumps(value))
            command += [f"--{option}", str(path)]
    return subprocess.Popen(
        [*command, *args],
        stdout=stdout,
        stderr=subprocess.PIPE,
        cwd=folder,
        env=os.environ | (env or {}),
    )


def finish(process: subprocess.Popen[bytes], timeout: float = 240) -> Outcome:
    """Wait for a command to end."""
    out, err = process.communicate(timeout=timeout)
    return Outcome(process.returncode, out or b"", err.decode())


def run(folder: Path, config: dict[str, Any] | None, **more: Any) -> Outcome:  # noqa: ANN401 - as `start`
    """Run the command to its end."""
    return finish(start(folder, config, **more))


def run_here(
    config: dict[str, Any],
    *,
    state: dict[str, Any] | None = None,
    catalog: dict[str, Any] | None = None,
) -> Outcome:
    """Sync in this process, which is quicker; errors are raised."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        TapPostHog(config=config, state=state, catalog=catalog).sync_all()
    return Outcome(0, out.getvalue().encode(), "")
