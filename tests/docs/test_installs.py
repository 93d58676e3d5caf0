"""Lines that install are typed in an environment of their own, pip's or Meltano's."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests
import yaml

from tests.docs.blocks import block, clean_copy, typed
from tests.pair import plugins
from tests.support.sandbox import API_KEY, PROJECT_TOKEN, Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

UV = (sys.executable, "-m", "uv", "--quiet")
PIPE = block("docs/operations.md", "sh pipe", "touch state.json").commands
PACKAGES = ("tap-posthog", "target-patterns-webhook")


@pytest.fixture(scope="module")
def both() -> Iterator[Sandbox]:
    """Start a sandbox that has events."""
    with Sandbox("both") as sandbox:
        send(sandbox, 40)
        yield sandbox


def send(sandbox: Sandbox, count: int) -> None:
    """Send events in, as an application does."""
    event = {"event": "e", "distinct_id": "d", "timestamp": "2026-05-01T10:00:00Z"}
    body = {"api_key": PROJECT_TOKEN, "batch": [event] * count}
    requests.post(f"{sandbox.url}/batch/", json=body, timeout=60).raise_for_status()


def received(sandbox: Sandbox, webhook: str) -> tuple[int, int]:
    """Count what a webhook has: rows, and distinct ones."""
    url = f"{sandbox.url}/sandbox/patterns/{webhook}/ids"
    ids = requests.get(url, timeout=60).json()
    return ids["rows"], ids["distinct"]


def settings(sandbox: Sandbox, webhook: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return both programs' settings for this sandbox."""
    hook = f"{sandbox.url}/api/app/webhooks/{webhook}"
    tap = {"api_key": API_KEY, "project_id": "1", "base_url": sandbox.url}
    return tap | {"settle_seconds": 0}, {"webhook_url": hook}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """Return a clean copy in whose environment the install line was typed."""
    folder = tmp_path_factory.mktemp("pipe")
    copy, venv = clean_copy(folder / "copy"), folder / "venv"
    subprocess.run([*UV, "venv", "--seed", venv], check=True)
    variables = os.environ | {
        "PATH": f"{venv / 'bin'}:{os.environ['PATH']}",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_COMPILE": "1",  # what is imported is compiled then
    }
    (line,) = block("docs/operations.md", "sh pipe", "pip install").commands
    typed(line, copy, variables)
    return copy, variables


def test_the_pipe_can_be_run_again_and_again(
    both: Sandbox, installed: tuple[Path, dict[str, str]]
) -> None:
    """The lines work before there is a state, and then send what is new."""
    copy, variables = installed
    tap, target = settings(both, "pipe")
    (copy / "tap.json").write_text(json.dumps(tap))
    (copy / "target.json").write_text(json.dumps(target | {"batch_size_rows": 7}))
    rows = []
    for new in (0, 3, 0):
        if new:
            send(both, new)
        for line in PIPE:
            typed(line, copy, variables)
        rows.append(received(both, "pipe"))

    assert rows[0] == (40, 40)
    assert rows[1:] == [(43, 43)] * 2
    assert json.loads((copy / "state.json").read_text().splitlines()[-1])["bookmarks"]


@pytest.mark.parametrize("package", PACKAGES)
def test_the_lines_of_a_packages_readme_work(
    both: Sandbox, installed: tuple[Path, dict[str, str]], package: str
) -> None:
    """Each program alone, as its own README shows it; any tap may feed the target."""
    copy, variables = installed
    tap, target = settings(both, package)
    given = block(f"{package}/README.md", "json").body
    shown = json.loads(given)
    (copy / "tap.json").write_text(json.dumps(tap))
    (copy / "config.json").write_text(
        json.dumps(shown | (tap if package == "tap-posthog" else target))
    )
    some_tap = Path(variables["PATH"].partition(":")[0]) / "some-tap"
    some_tap.unlink(missing_ok=True)
    some_tap.symlink_to("tap-posthog")
    (copy / "state.json").unlink(missing_ok=True)
    install, *lines = block(f"{package}/README.md", "sh pipe").commands
    for line in lines:
        typed(line, copy, variables)

    assert install == f"pip install ./{package}"  # run by tests/packaging
    if package == "tap-posthog":
        assert '"RECORD"' in (copy / "events.jsonl").read_text()
    else:
        assert json.loads((copy / "state.json").read_text().splitlines()[-1])


def test_a_meltano_project_of_ones_own_takes_the_pair(
    both: Sandbox, tmp_path: Path
) -> None:
    """In a new `meltano init` the README's lines add, install and run both."""
    clean_copy(tmp_path / "posthog-to-patterns")
    variables = os.environ | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "MELTANO_SEND_ANONYMOUS_USAGE_STATS": "false",
        "TAP_POSTHOG_BASE_URL": both.url,
        "TAP_POSTHOG_SETTLE_SECONDS": "0",
    }
    typed("meltano init --no-usage-stats own", tmp_path, variables)
    project = tmp_path / "own"
    add, install = (
        block("README.md", "sh own", text).commands
        for text in ("meltano add", "meltano install")
    )
    for line in add:
        typed(line, project, variables)
    # what the README says to write in place of the pip_url that is there
    edited = project / "meltano.yml"
    text = edited.read_text()
    snippet = block("README.md", "yaml", "../posthog-to-patterns/").body
    for where in re.findall(r"pip_url: (\S+)", snippet):
        name = where.rpartition("/")[2]
        text, count = re.subn(
            rf"pip_url: {name}$", f"pip_url: {where}", text, flags=re.MULTILINE
        )
        assert count == 1
    edited.write_text(text)
    values = [API_KEY, "1", f"{both.url}/api/app/webhooks/own"]
    names = re.findall(r"^(\w+)=", block("README.md", "env").body, re.MULTILINE)
    pairs = zip(names, values, strict=True)
    (project / ".env").write_text("".join(f"{k}={v}\n" for k, v in pairs))
    said = [typed(line, project, variables) for line in install]
    rows = received(both, "own")

    assert rows[0] == rows[1] >= 40
    assert API_KEY not in edited.read_text() + "".join(said)


def test_the_pin_of_the_duckdb_target_is_the_one_that_is_tested() -> None:
    """What the docs tell to pin is what the tests of the pair install."""
    snippet = block("docs/operations.md", "yaml", "target-duckdb").body

    pinned = yaml.safe_load(snippet)["pip_url"].split()
    assert tuple(pinned) == plugins.TARGET_DUCKDB.requirements
