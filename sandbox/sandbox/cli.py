"""The `sandbox` command: start it, stop it, fill it, compare both ends.

What each does is in its own module; here are only the words and the exit codes.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox import analyses, people_report
from sandbox.analyses import ANALYSES
from sandbox.remote import Remote, SandboxError
from sandbox.report import compare

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PORT = "8643"
DATA = ".sandbox"
START_WITHIN = 60  # seconds
STOP_WITHIN = 30  # seconds
LAST_PORT = 65535

Outcome = tuple[int, str]  # the exit code, and what to print


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0 is well, 1 is not, with one line on stderr that says why."""
    try:
        options = _parser().parse_args(arguments)
        code, text = COMMANDS[options.command](options)
    except SandboxError as exc:
        sys.stderr.write(f"sandbox: {exc}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    if text:
        sys.stdout.write(f"{text}\n")
    return code


def serve(options: argparse.Namespace) -> Outcome:
    """Run in the foreground until a signal comes."""
    from sandbox import serve as server  # noqa: PLC0415 - ClickHouse takes long to load
    from sandbox.patterns.table import TableError  # noqa: PLC0415 - as above

    with _owning(options.data):
        try:
            return server.serve(options.port, options.data, options.side), ""
        except TableError as exc:
            raise SandboxError(str(exc)) from None


def up(options: argparse.Namespace) -> Outcome:
    """Start it in the background, unless it is up already; its data stay."""
    remote, was_up = _started(options)
    how = "was already" if was_up else "is"
    return 0, f"The sandbox {how} up. What arrives: {remote.url}/"


def fresh(options: argparse.Namespace) -> Outcome:
    """Have it up, and empty."""
    remote, _ = _started(options)
    remote.reset()
    (options.data / "seed.json").unlink(missing_ok=True)
    return 0, f"The sandbox is up, and empty. What arrives: {remote.url}/"


def _started(options: argparse.Namespace) -> tuple[Remote, bool]:
    """Start it where it is not up; say whether it was."""
    remote = Remote(options.port)
    stats = remote.stats()
    if stats is None:
        _start(remote, options.data)
    elif Path(stats["data"]) != options.data.resolve():
        msg = (
            f"on port {options.port} a sandbox is up with its data in {stats['data']};"
            f" stop it (sandbox down --port {options.port}) or choose another --port"
        )
        raise SandboxError(msg)
    return remote, stats is not None


def down(options: argparse.Namespace) -> Outcome:
    """Stop it, if it is up, and say how to look again at what arrived."""
    remote = Remote(options.port)
    stats = remote.stats()
    if stats is None:
        return 0, f"No sandbox is up on port {options.port}."
    os.kill(stats["pid"], signal.SIGTERM)
    deadline = time.monotonic() + STOP_WITHIN
    while _alive(stats["pid"]):
        if time.monotonic() > deadline:
            msg = f"process {stats['pid']} has not ended in {STOP_WITHIN} s"
            raise SandboxError(msg)
        time.sleep(0.05)
    command = again(options.port, options.data)
    how = f"To look at them again: {command}, then open {remote.url}/"
    return 0, f"The sandbox is down, its data stay. {how}"


def again(port: int, data: Path) -> str:
    """Return the command that starts it over the same data, for who called us."""
    if root := os.environ.get("MELTANO_PROJECT_ROOT"):
        own = Path(root, ".venv", "bin", "meltano").exists()
        return f"{'.venv/bin/' if own else ''}meltano invoke sandbox:up"
    elsewhere = "" if str(port) == PORT else f" --port {port}"
    elsewhere += "" if data == Path(DATA) else f" --data {data}"
    return f"sandbox up{elsewhere}"


def seed(options: argparse.Namespace) -> Outcome:
    """Send the history in."""
    from sandbox import seed as sender  # noqa: PLC0415 - PostHog's client loads slowly

    return 0, sender.seed(Remote(options.port), options.data, options.until)


def more(options: argparse.Namespace) -> Outcome:
    """Send in what happened since."""
    from sandbox import seed as sender  # noqa: PLC0415 - PostHog's client loads slowly

    return 0, sender.more(Remote(options.port), options.data)


def report(options: argparse.Namespace) -> Outcome:
    """Compare both ends; 1 where something is missing or double."""
    remote = Remote(options.port)
    found = compare(remote, options.webhook)
    if not options.persons:
        return int(not found.complete), str(found)
    people = people_report.compare(remote, options.persons)
    complete = found.complete and people.complete
    return int(not complete), f"{found}\n\n{people}"


def analyse(options: argparse.Namespace) -> Outcome:
    """Show what the events say."""
    remote, names = Remote(options.port), options.name or ANALYSES[:3]
    return 0, "\n\n".join(analyses.run(remote, name) for name in names)


COMMANDS = {
    "serve": serve,
    "up": up,
    "fresh": fresh,
    "down": down,
    "seed": seed,
    "more": more,
    "report": report,
    "analyses": analyse,
}


@contextmanager
def _owning(data: Path) -> Iterator[None]:
    """Keep other sandboxes out of the folder, for as long as this process lives."""
    try:
        data.mkdir(parents=True, exist_ok=True)
        with (data / "sandbox.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
    except BlockingIOError:
        msg = (
            f"another sandbox has its data in {data}; stop it, or choose another --data"
        )
        raise SandboxError(msg) from None


def _start(remote: Remote, data: Path) -> None:
    """Start a process of its own, which holds none of our pipes, and wait for it."""
    if remote.port == 0:
        msg = "in the background it needs a port that others can find; 0 is for serve"
        raise SandboxError(msg)
    where = ["--port", str(remote.port), "--data", str(data)]
    try:
        data.mkdir(parents=True, exist_ok=True)
        log = data / "sandbox.log"
        with log.open("ab") as out:
            process = subprocess.Popen(  # noqa: S603 - this very program
                [sys.executable, "-m", "sandbox.cli", "serve", *where],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
    except OSError as exc:
        msg = (
            f"{data} cannot be used for the data: {exc.strerror}; choose another --data"
        )
        raise SandboxError(msg) from None
    deadline = time.monotonic() + START_WITHIN
    while process.poll() is None and time.monotonic() < deadline:
        stats = remote.stats()
        if stats is not None and stats["pid"] == process.pid:
            process.returncode = 0  # it lives on: nobody here waits for its end
            return
        time.sleep(0.1)
    process.kill()
    process.wait()
    lines = log.read_text(errors="replace").strip().splitlines()
    last = lines[-1].removeprefix("sandbox: ") if lines else "it said nothing"
    msg = f"the sandbox did not start: {last} (all of it is in {log})"
    raise SandboxError(msg)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        # Ended, but unburied: in a container nobody may wait for orphans.
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except ProcessLookupError:
        return False
    except FileNotFoundError:  # no Linux
        return True


def _parser() -> argparse.ArgumentParser:
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument(
        "--port",
        type=_port,
        default=os.environ.get("SANDBOX_PORT", PORT),
        help=f"where it listens (SANDBOX_PORT, or {PORT})",
    )
    shared.add_argument(
        "--data",
        type=Path,
        default=Path(os.environ.get("SANDBOX_DATA", DATA)),
        help=f"the folder that it keeps its data in (SANDBOX_DATA, or {DATA})",
    )
    parser = argparse.ArgumentParser(
        prog="sandbox", description="PostHog and Patterns on this machine."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")

    def command(name: str, text: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=text, description=text, parents=[shared])

    foreground = command("serve", "Run it in the foreground")
    sides = ["both", "posthog", "patterns"]
    foreground.add_argument("--side", choices=sides, default="both")
    command("up", "Start it in the background, over the data that it has")
    command("fresh", "Start it in the background, and forget all data")
    command("down", "Stop it")
    first = command("seed", "Send in 20,000 events of 60 days, by PostHog's own client")
    end = "where the 60 days end, as 2026-11-21T17:00:00Z (some hours before now)"
    first.add_argument("--until", type=_instant, help=end)
    command("more", "Send in 500 events more, some of them late")
    reporter = command("report", "Compare what PostHog has with what the webhook got")
    reporter.add_argument("--webhook", default="demo", help="its id (demo)")
    persons = "the id of the one that gets persons, to compare these too"
    reporter.add_argument("--persons", metavar="WEBHOOK", help=persons)
    analyst = command("analyses", "Funnel, retention, lifetime value and more")
    which = f"some of {', '.join(ANALYSES)}; else the first three"
    analyst.add_argument("name", nargs="*", type=_analysis, help=which)
    return parser


def _analysis(text: str) -> str:
    if text not in ANALYSES:
        msg = f"{text!r} is none of {', '.join(ANALYSES)}"
        raise argparse.ArgumentTypeError(msg)
    return text


def _instant(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None or at > datetime.now(UTC):
        msg = f"{text!r} is no past instant with a zone, as 2026-11-21T17:00:00Z is"
        raise argparse.ArgumentTypeError(msg)
    return at.astimezone(UTC)


def _port(text: str) -> int:
    port = int(text) if text.isdecimal() else -1
    if not 0 <= port <= LAST_PORT:
        msg = f"{text!r} is no port; it is a number from 0 to {LAST_PORT}"
        raise argparse.ArgumentTypeError(msg)
    return port


if __name__ == "__main__":
    sys.exit(main())
