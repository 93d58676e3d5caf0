"""A tap piped into a target, two real processes, as a Singer runner starts them.

The runner keeps the last whole state line that the target wrote, and hands it to the
tap of the next run.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PATIENCE = 240  # seconds; two cores may have a lot else to do


@dataclasses.dataclass(frozen=True, slots=True)
class Program:
    """A plugin and how it is configured."""

    command: str
    config: dict[str, Any]
    options: tuple[str, ...] = ()

    def but(self, **settings: object) -> Self:
        """Return the same plugin with other settings."""
        return dataclasses.replace(self, config={**self.config, **settings})

    def arguments(self, folder: Path, name: str) -> list[str]:
        """Write the configuration into `folder` and return the command line."""
        path = folder / f"{name}.json"
        path.write_text(json.dumps(self.config), encoding="utf-8")
        return [self.command, "--config", str(path), *self.options]


@dataclasses.dataclass(frozen=True, slots=True)
class Run:
    """One run of the two, under way or over."""

    tap: subprocess.Popen[bytes]
    target: subprocess.Popen[bytes]
    folder: Path

    def wait(self, seconds: float = PATIENCE) -> Self:
        """Wait until both have ended."""
        deadline = time.monotonic() + seconds
        for process in (self.tap, self.target):
            process.wait(max(0.0, deadline - time.monotonic()))
        return self

    def until(self, condition: Callable[[], object], seconds: float = PATIENCE) -> None:
        """Wait for a condition to hold while both are running."""
        deadline = time.monotonic() + seconds
        while not condition():
            over = self.tap.poll() is not None and self.target.poll() is not None
            assert not over, f"both ended too early: {self.last_words}"
            assert time.monotonic() < deadline, "nothing came of it"
            time.sleep(0.05)

    @property
    def codes(self) -> tuple[int | None, int | None]:
        """The exit codes of tap and target; None while one is running."""
        return self.tap.poll(), self.target.poll()

    @property
    def said(self) -> dict[str, str]:
        """What each wrote to stderr."""
        return {
            name: (self.folder / f"{name}.log").read_text(encoding="utf-8")
            for name in ("tap", "target")
        }

    @property
    def last_words(self) -> str:
        """The end of what each wrote to stderr, to be read by a person."""
        tails = (f"{name}:\n{text[-1500:]}" for name, text in self.said.items())
        return "\n".join((f"exit codes {self.codes}", *tails))

    @property
    def states(self) -> list[dict[str, Any]]:
        """The states that the target let out, in order. A torn last line is none."""
        *whole, _torn = (self.folder / "states").read_bytes().split(b"\n")
        return [json.loads(line) for line in whole]


@dataclasses.dataclass(slots=True)
class Pipe:
    """A pipeline with its state, run again and again."""

    tap: Program
    target: Program
    folder: Path
    state: dict[str, Any] | None = None
    runs: int = 0

    def run(self) -> Run:
        """Run both to their end, without an error."""
        with self.started() as run:
            run.wait()
        assert run.codes == (0, 0), run.last_words
        return run

    @contextlib.contextmanager
    def started(self) -> Iterator[Run]:
        """Run both for as long as the block lasts; afterwards take the last state."""
        self.runs += 1
        folder = self.folder / f"run{self.runs}"
        folder.mkdir()
        command = self.tap.arguments(folder, "tap")
        if self.state is not None:
            path = folder / "state.json"
            path.write_text(json.dumps(self.state), encoding="utf-8")
            command += ["--state", str(path)]
        with contextlib.ExitStack() as stack:
            tap_log = stack.enter_context((folder / "tap.log").open("wb"))
            target_log = stack.enter_context((folder / "target.log").open("wb"))
            states = stack.enter_context((folder / "states").open("wb"))
            tap = subprocess.Popen(
                command,
                stdout=subprocess.PIPE,
                stderr=tap_log,
                cwd=folder,
                process_group=0,
            )
            stack.callback(_end, tap)
            target = subprocess.Popen(
                self.target.arguments(folder, "target"),
                stdin=tap.stdout,
                stdout=states,
                stderr=target_log,
                cwd=folder,
                process_group=tap.pid,  # a Ctrl-C is for both
            )
            stack.callback(_end, target)
            assert tap.stdout is not None
            tap.stdout.close()  # so that the tap notices when the target is gone
            run = Run(tap, target, folder)
            yield run
        if run.states:
            self.state = run.states[-1]


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


def installed(command: str) -> str:
    """Return the path of a program of the environment that the tests run in."""
    return str(Path(sys.executable).with_name(command))
