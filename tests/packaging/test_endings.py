"""How both programs end, whatever their outputs are: the same table for each.

What a program says last is one line at ERROR; nothing is a traceback; 0 means done.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.receiver import Receiver
from tests.target.process import environment, singer

if TYPE_CHECKING:
    from collections.abc import Iterator

TAP, TARGET = "tap-posthog", "target-patterns-webhook"
NOWHERE = "http://127.0.0.1:9"
ERROR = re.compile(r"\S+ \S+ \| ERROR +\| ([\w.-]+) +\| (.+)")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Give a webhook."""
    with Receiver() as receiver:
        yield receiver


def shell(
    folder: Path, line: str, *, given: bytes = b"", **env: str
) -> subprocess.CompletedProcess[str]:
    """Run a line of shell with both programs on its path."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", f"exec {line}"],
        cwd=folder,
        env=environment({"PATH": path} | env),
        input=given.decode(),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    return done


def configure(folder: Path, receiver: Receiver | None = None) -> None:
    """Write what each program needs: the tap finds nobody, the target a webhook."""
    tap = {"api_key": "phx_x", "project_id": "1", "base_url": NOWHERE}
    target = {"webhook_url": receiver.url if receiver else NOWHERE}
    (folder / "tap.json").write_text(json.dumps(tap | {"max_wait_seconds": 0}))
    (folder / "target.json").write_text(json.dumps(target))


RUN = {TAP: "--config tap.json", TARGET: "--config target.json"}
FULL = "Standard output cannot be written: No space left on device."
CLOSED = "Standard output is closed, so nothing can be written to it."
NO_INPUT = "Standard input is closed, so there is nothing to read."


@pytest.mark.parametrize(
    ("program", "options", "streams", "code", "says"),
    [
        *(
            (program, "--version", streams, code, says)
            for program in (TAP, TARGET)
            for streams, code, says in (
                (">&-", 1, CLOSED),
                (">/dev/full", 1, FULL),
                ("2>&-", 0, ""),
                ("2>/dev/full", 0, ""),
                ("<&-", 0, ""),
                (">&- 2>&- <&-", 1, ""),
            )
        ),
        (TAP, "--about", ">/dev/full", 1, FULL),
        (TAP, "--discover", ">&-", 1, CLOSED),
        (TAP, "--discover", ">/dev/full", 1, FULL),
        (TAP, "--discover", "2>/dev/full", 0, ""),
        (TAP, RUN[TAP], "2>&- <&-", 1, ""),
        (TAP, RUN[TAP], ">&-", 1, CLOSED),
        (TAP, "--nonsense", "2>/dev/full", 2, ""),
        (TARGET, "--about", ">/dev/full", 1, FULL),
        (TARGET, RUN[TARGET], ">&-", 1, CLOSED),
        (TARGET, RUN[TARGET], ">/dev/full", 1, "A state could not be written"),
        (TARGET, RUN[TARGET], "2>/dev/full", 0, ""),
        (TARGET, RUN[TARGET], "<&-", 1, NO_INPUT),
        (TARGET, f"{RUN[TARGET]} --input .", "", 2, "Is a directory"),
    ],
)
def test_an_output_that_cannot_be_written_is_one_line_or_none(  # noqa: PLR0913, PLR0917 - a table
    tmp_path: Path,
    receiver: Receiver,
    program: str,
    options: str,
    streams: str,
    code: int,
    says: str,
) -> None:
    """A closed or full stdin, stdout or stderr is told as that, never as success."""
    configure(tmp_path, receiver)

    done = shell(tmp_path, f"{program} {options} {streams}", given=singer(range(3)))

    last = done.stderr.splitlines()[-1:] or [""]
    assert done.returncode == code, done.stderr
    assert says in last[0]
    assert says or "2>" in streams or "rror" not in done.stderr


def test_a_file_never_gets_what_was_meant_for_a_closed_stderr(
    tmp_path: Path, receiver: Receiver
) -> None:
    """What the program opens does not get the number of an output that is closed."""
    configure(tmp_path, receiver)
    config = json.loads((tmp_path / "target.json").read_text())
    letters = {"on_rejected": "dead_letter", "dead_letter_path": "letters.jsonl"}
    (tmp_path / "target.json").write_text(json.dumps(config | letters))

    done = shell(tmp_path, f"{TARGET} {RUN[TARGET]} 2>&-", given=singer(range(3)))

    assert done.returncode == 0
    assert (tmp_path / "letters.jsonl").read_text() == ""
    assert done.stdout.splitlines()[-1] == '{"upto":2}'


@pytest.mark.parametrize("level", ["", "CRITICAL"])
@pytest.mark.parametrize("program", [TAP, TARGET])
def test_the_first_cause_is_the_last_line(
    tmp_path: Path, receiver: Receiver, program: str, level: str
) -> None:
    """It goes through the log at ERROR: a runner shows that whatever its level."""
    receiver.judge = lambda _: "404"
    configure(tmp_path, receiver)
    env = {"LOGLEVEL": level} if level else {}

    done = shell(tmp_path, f"{program} {RUN[program]}", given=singer(range(3)), **env)

    lines = done.stderr.splitlines()
    cause = "cannot be reached" if program == TAP else "answered 404 Not Found"
    assert done.returncode == 1
    assert cause in lines[-1]
    if level == "CRITICAL":
        assert lines[-1].startswith(f"{program}: ")
        return
    assert [ERROR.match(line) is not None for line in lines].count(True) == 1
    found = ERROR.match(lines[-1])
    assert found is not None
    assert found[1] == program
    assert level or any("| INFO" in line for line in lines[:-1])


@pytest.mark.parametrize("program", [TAP, TARGET])
@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        ("--nonsense", 2, "No such option '--nonsense'."),
        ("--config flat.json", 1, "flattening_max_depth is required when flattening"),
        ("--config maps.json", 1, "stream_maps"),
    ],
)
def test_a_wrong_use_is_one_line_at_error(
    tmp_path: Path, program: str, options: str, code: int, says: str
) -> None:
    """Also of what is known before there is a configuration."""
    configure(tmp_path)
    own = json.loads((tmp_path / f"{program.partition('-')[0]}.json").read_text())
    (tmp_path / "flat.json").write_text(json.dumps(own | {"flattening_enabled": True}))
    maps = {"stream_maps": {"events": {"x": "1 +"}, "__odd__": {}}}
    (tmp_path / "maps.json").write_text(json.dumps(own | maps))

    done = shell(tmp_path, f"{program} {options}")

    errors = [line for line in done.stderr.splitlines() if ERROR.match(line)]
    assert done.returncode == code
    assert len(errors) == 1, done.stderr
    assert errors == done.stderr.splitlines()[-1:]
    assert says in errors[0]


BROKEN = """
import sys
from {package} import __main__
from {package}.{module} import {owner}

def broken(*_, **__):
    raise LookupError("canary")

{owner}.{name} = broken
sys.argv = ["{program}", *sys.argv[1:]]
sys.exit(__main__.main())
"""


@pytest.mark.parametrize(
    ("program", "module", "owner", "name", "maps"),
    [
        (TAP, "api.client", "Client", "call", False),
        (TAP, "events.follow", "Run", "batches", True),
        (TARGET, "singer.intake", "Intake", "take", False),
        (TARGET, "delivery.watermark", "Watermark", "settle", True),
    ],
)
def test_a_bug_of_ours_is_said_to_be_ours(  # noqa: PLR0913, PLR0917 - a table
    tmp_path: Path,
    receiver: Receiver,
    program: str,
    module: str,
    owner: str,
    name: str,
    maps: bool,  # noqa: FBT001 - a column
) -> None:
    """It is named by file and line, without its text and without a traceback."""
    configure(tmp_path, receiver)
    file = tmp_path / f"{program.partition('-')[0]}.json"
    used = {"stream_maps": {"s": {"x": "1"}, "events": {"x": "1"}}} if maps else {}
    file.write_text(json.dumps(json.loads(file.read_text()) | used))
    package = program.replace("-", "_")
    (tmp_path / "broken.py").write_text(
        BROKEN.format(
            program=program, package=package, module=module, owner=owner, name=name
        )
    )

    done = shell(tmp_path, f"python broken.py {RUN[program]}", given=singer(range(3)))

    found = ERROR.match(done.stderr.splitlines()[-1])
    assert done.returncode == 1
    assert found is not None, done.stderr
    assert re.match(r"Unexpected LookupError at \w+\.py:\d+ \(raised at bro", found[2])
    assert f"This is a bug in {program}, not in your settings or data" in found[2]
    assert "canary" not in done.stderr
    assert "stream_maps" not in found[2]


@pytest.mark.parametrize("package", ["tap_posthog", "target_patterns_webhook"])
@pytest.mark.parametrize(
    ("first", "second", "seconds", "one"),
    [
        (signal.SIGINT, signal.SIGTERM, 0.02, True),
        (signal.SIGTERM, signal.SIGINT, 1.9, True),
        (signal.SIGINT, signal.SIGTERM, 2.1, False),
        (signal.SIGINT, signal.SIGINT, 0.02, False),
        (signal.SIGTERM, signal.SIGTERM, 0.0, False),
    ],
)
def test_two_signals_are_one_stop(
    package: str, first: int, second: int, seconds: float, *, one: bool
) -> None:
    """Another one within two seconds is the runner's; the same one is impatience."""
    ending = importlib.import_module(f"{package}.cli.ending")

    assert ending.is_one_stop(first, second, seconds) is one


@pytest.mark.parametrize("package", ["tap_posthog", "target_patterns_webhook"])
def test_the_rest_of_a_stop_changes_no_exit_code(package: str) -> None:
    """Meltano's SIGTERM after Ctrl-C may come while Python itself is ending."""
    script = (
        f"import atexit, os, signal, sys; from {package}.cli import ending, report; "
        "atexit.register(os.kill, os.getpid(), signal.SIGTERM); "
        "sys.exit(ending.run('p', lambda: 130, report.Report('p')))"
    )

    done = subprocess.run([sys.executable, "-c", script], check=False)

    assert done.returncode == 130
