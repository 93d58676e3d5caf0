"""The analyses of docs/analyses.md: their SQL, and what it gives on the demo data.

Run to write, `--check` to compare: a sandbox of its own is filled with the history
that ends at a fixed instant, the tap reads it once, and the target delivers it twice,
as events and as activity rows. The history is that of `sandbox seed --until`, sent in
without PostHog's client: whether that one works is `tests/sandbox`'s, and takes longer.
"""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from datetime import datetime
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec
import requests

from sandbox import analyses, people
from sandbox.remote import Remote
from tests.support.sandbox import API_KEY, PROJECT_TOKEN, Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

DOCUMENT = Path(__file__).parents[2] / "docs" / "analyses.md"
UNTIL = "2026-11-01T00:00:00Z"
BATCH = 500  # events
MARKED = re.compile(
    r"(?P<first>^<!-- (?P<name>\w+): generated on the demo data[^\n]*-->$)"
    r".*?(?P<last>^<!-- end of what is generated -->$)",
    re.DOTALL | re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class Received:
    """Two webhooks that got the same events: as events, and as activity rows."""

    events: Remote
    activities: Remote

    def result(self, name: str) -> str:
        """Return an analysis' table, on the kind of rows that it is written for."""
        rows = self.activities if name in analyses.ON_ACTIVITIES else self.events
        return table(rows, name)


def table(remote: Remote, name: str) -> str:
    """Return an analysis' table without its title."""
    return analyses.run(remote, name).partition("\n\n")[2]


@contextlib.contextmanager
def received() -> Iterator[Received]:
    """Move the demo data, whose events depend on `UNTIL` only, through the pair."""
    with (
        tempfile.TemporaryDirectory(prefix="analyses-") as folder,
        Sandbox("both") as both,
        Sandbox("patterns") as other,
    ):
        here = Path(folder)
        remotes = [Remote(urlsplit(each.url).port or 0) for each in (both, other)]
        _send(both.url)
        tap = {
            "api_key": API_KEY,
            "project_id": "1",
            "base_url": both.url,
            "settle_seconds": 0,
        }
        lines = _plugin("tap_posthog", tap, here)
        for remote, form in zip(remotes, ("event", "activity"), strict=True):
            hook = f"{remote.url}/api/app/webhooks/demo"
            target = {"webhook_url": hook, "record_format": form}
            _plugin("target_patterns_webhook", target, here, lines)
        yield Received(*remotes)


def _send(url: str) -> None:
    """Send the history in, oldest first, in batches as large as the client's."""
    events = people.history(datetime.fromisoformat(UNTIL))
    with requests.Session() as session:
        for first in range(0, len(events), BATCH):
            batch = events[first : first + BATCH]
            body = {"api_key": PROJECT_TOKEN, "batch": batch}
            answer = session.post(
                f"{url}/batch/", msgspec.json.encode(body), timeout=60
            )
            answer.raise_for_status()


def _plugin(
    module: str, config: dict[str, Any], folder: Path, lines: bytes | None = None
) -> bytes:
    path = folder / f"{module}.json"
    path.write_text(json.dumps(config))
    return _run(["-m", module, "--config", str(path)], folder, lines)


def _run(arguments: list[str], folder: Path, lines: bytes | None = None) -> bytes:
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        input=lines,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def filled(text: str, data: Received) -> str:
    """Return the document with everything between its markers written anew."""

    def fill(found: re.Match[str]) -> str:
        return f"{found['first']}\n\n{body(found['name'], data)}\n\n{found['last']}"

    return MARKED.sub(fill, text)


def body(name: str, data: Received) -> str:
    """Return one file's SQL, and its result where it is a whole query."""
    sql = resources.files(analyses).joinpath(f"{name}.sql").read_text()
    known = (*analyses.ANALYSES, *analyses.ON_ACTIVITIES)
    if name not in known:
        return f"```sql\n{sql}```"
    title, _, rest = sql.partition("\n")
    question = title.partition(": ")[2]
    asked = f"{question[0].upper()}{question[1:]}."
    return f"{asked}\n\n```sql\n{rest}```\n\n```\n{data.result(name)}\n```"


def main(arguments: list[str]) -> int:
    """Write the generated parts; with `--check`, say whether they are out of date."""
    before = DOCUMENT.read_text()
    with received() as data:
        after = filled(before, data)
    if "--check" not in arguments:
        DOCUMENT.write_text(after)
    elif after != before:
        sys.stderr.write(f"docs/{DOCUMENT.name} is out of date: make docs\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
