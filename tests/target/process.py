"""The target as a real process: its input, its states, its words, its end."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

COMMAND = str(Path(sys.executable).with_name("target-patterns-webhook"))
NAME = "target-patterns-webhook: "
# In the log, or bare: where there is no log yet, and in a test of this process.
ERROR = re.compile(
    r"(?:\S+ \S+ \| ERROR +\| target-patterns-webhook +\| |"
    r"target-patterns-webhook: )(.*)"
)
SCHEMA = (
    b'{"type":"SCHEMA","stream":"s","key_properties":["id"],'
    b'"schema":{"properties":{"id":{},"pad":{}}}}\n'
)


def record(number: int, pad: str = "") -> bytes:
    """Return a RECORD line of stream ``s``."""
    text = json.dumps({"id": number, "pad": pad})
    return b'{"type":"RECORD","stream":"s","record":%b}\n' % text.encode()


def state(number: int) -> bytes:
    """Return a STATE line that says: everything up to ``number``."""
    return b'{"type":"STATE","value":{"upto":%d}}\n' % number


def singer(ids: Iterable[int], *, every: int = 10, pad: str = "") -> bytes:
    """Return a tap's output: a schema, the records, a state after ``every`` of them."""
    lines = [SCHEMA]
    number = -1
    for count, number in enumerate(ids, 1):
        lines.append(record(number, pad))
        if count % every == 0:
            lines.append(state(number))
    if number >= 0:
        lines.append(state(number))
    return b"".join(lines)


@dataclasses.dataclass(frozen=True)
class Ended:
    """How a process ended."""

    code: int
    stdout: bytes
    stderr: str

    @property
    def states(self) -> list[Any]:
        """The states that it wrote."""
        return [json.loads(line) for line in self.stdout.splitlines()]

    @property
    def error(self) -> str:
        """The one error, which is the last line; empty without one."""
        lines = self.stderr.splitlines()
        own = [found[1] for line in lines if (found := ERROR.match(line))]
        assert len(own) <= 1, own
        assert not own or ERROR.match(lines[-1]), lines[-3:]
        return own[0] if own else ""

    @property
    def summary(self) -> dict[str, Any]:
        """The stats of its last line."""
        line = next(
            line for line in reversed(self.stderr.splitlines()) if " read = " in line
        )
        return dict(json.loads(line[line.index("{") :]))


def environment(given: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return this process's environment without a proxy, and with what is given."""
    kept = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
    return kept | dict(given or {})


def start(
    folder: Path,
    config: Mapping[str, object],
    *options: str,
    env: Mapping[str, str] | None = None,
    stdin: int = subprocess.PIPE,
    stdout: int = subprocess.PIPE,
) -> subprocess.Popen[bytes]:
    """Start a target with a config file in ``folder``, its working directory."""
    path = folder / "config.json"
    path.write_text(json.dumps(config), encoding="utf-8")
    return subprocess.Popen(
        [COMMAND, "--config", str(path), *options],
        cwd=folder,
        env=environment(env),
        stdin=stdin,
        stdout=stdout,
        stderr=subprocess.PIPE,
    )


def finish(process: subprocess.Popen[bytes], given: bytes | None = None) -> Ended:
    """Hand the process the rest of its input and wait for its end."""
    stdout, stderr = process.communicate(given, timeout=120)
    return Ended(process.returncode, stdout, stderr.decode())


def run(
    folder: Path,
    config: Mapping[str, object],
    given: bytes,
    *options: str,
    env: Mapping[str, str] | None = None,
) -> Ended:
    """Run a target over ``given``, from start to end."""
    return finish(start(folder, config, *options, env=env), given)
