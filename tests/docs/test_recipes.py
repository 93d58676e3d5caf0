"""The recipes of docs/operations.md that cannot run here are followed step by step.

There is no Docker engine and no hosted CI: what they would do with the Dockerfile and
the workflow is done here, in a clean copy, with the environment that they would have.
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from fnmatch import fnmatch
from typing import TYPE_CHECKING, Any

import pytest
import requests
import yaml

from tests.docs.blocks import block, clean_copy, typed
from tests.docs.settings import ROOT
from tests.support.sandbox import API_KEY, PROJECT_TOKEN, Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PAGE = "docs/operations.md"
DOCKERFILE = block(PAGE, "dockerfile").body
WORKFLOW = yaml.safe_load(block(PAGE, "yaml", "runs-on").body)
UV = (sys.executable, "-m", "uv", "--quiet")


@pytest.fixture(scope="module")
def both() -> Iterator[Sandbox]:
    """Start a sandbox that has events."""
    with Sandbox("both") as sandbox:
        event = {"event": "e", "distinct_id": "d", "timestamp": "2026-05-01T10:00:00Z"}
        body = {"api_key": PROJECT_TOKEN, "batch": [event] * 40}
        batch = f"{sandbox.url}/batch/"
        requests.post(batch, json=body, timeout=60).raise_for_status()
        yield sandbox


def account(sandbox: Sandbox, webhook: str) -> dict[str, str]:
    """Return the three variables, and what leads them to a sandbox."""
    return {
        "POSTHOG_API_KEY": API_KEY,
        "POSTHOG_PROJECT_ID": "1",
        "PATTERNS_WEBHOOK_URL": f"{sandbox.url}/api/app/webhooks/{webhook}",
        "TAP_POSTHOG_BASE_URL": sandbox.url,
        "TAP_POSTHOG_SETTLE_SECONDS": "0",
    }


def received(sandbox: Sandbox, webhook: str) -> int:
    """Count the rows that a webhook has."""
    url = f"{sandbox.url}/sandbox/patterns/{webhook}/ids"
    rows: int = requests.get(url, timeout=60).json()["rows"]
    return rows


def python(folder: Path) -> dict[str, str]:
    """Make what a Python image or runner has: a Python with pip, and no project's."""
    subprocess.run([*UV, "venv", "--seed", folder], check=True)
    kept = {"HOME", "UV_CACHE_DIR", "PIP_CACHE_DIR", "LANG"} & set(os.environ)
    return {name: os.environ[name] for name in kept} | {
        "PATH": f"{folder / 'bin'}:/usr/local/bin:/usr/bin:/bin",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        **{k: v for k, v in os.environ.items() if k.lower().endswith("_proxy")},
        **{k: v for k, v in os.environ.items() if k.startswith(("PIP_", "SSL_"))},
    }


def instructions(dockerfile: str) -> dict[str, str]:
    """Return what follows each instruction; no two are of a kind here."""
    lines = [line.partition(" ") for line in dockerfile.splitlines() if line]
    return {name: rest for name, _, rest in lines}


def test_the_image_holds_the_project_and_no_secret() -> None:
    """What COPY takes has all that is installed, and not what .dockerignore names."""
    steps = instructions(DOCKERFILE)
    ignored = (ROOT / ".dockerignore").read_text().split()

    assert list(steps) == ["FROM", "WORKDIR", "COPY", "RUN", "ENTRYPOINT"]
    assert steps["COPY"] == ". ."
    assert {".env", ".meltano", ".sandbox", ".venv"} <= set(ignored)
    needed = ("meltano.yml", "tap-posthog", "target-patterns-webhook")
    assert not [n for n in needed if any(fnmatch(n, each) for each in ignored)]


def test_every_recipe_installs_both_plugins_by_name() -> None:
    """`meltano install` takes names; what is no plugin's installs nothing at all."""
    page = (ROOT / PAGE).read_text() + (ROOT / "README.md").read_text()
    project = yaml.safe_load((ROOT / "meltano.yml").read_text())["plugins"]
    known = {plugin["name"] for kind in project.values() for plugin in kind}
    lines = re.findall(r"meltano install +([\w -]+)", page)

    assert len(lines) >= 3
    assert [line for line in lines if set(line.split()) - known] == []


@pytest.mark.prove
def test_the_dockerfile_builds_what_runs(both: Sandbox, tmp_path: Path) -> None:
    """Its RUN in a copy that has only what COPY gives, then its ENTRYPOINT."""
    steps = instructions(DOCKERFILE)
    project, image = clean_copy(tmp_path / "project"), python(tmp_path / "image")
    typed(steps["RUN"], project, image)
    entry = " ".join(f"'{word}'" for word in ast.literal_eval(steps["ENTRYPOINT"]))
    typed(entry, project, image | account(both, "docker"))

    assert received(both, "docker") == 40


@pytest.mark.prove
def test_the_workflow_moves_events_twice(both: Sandbox, tmp_path: Path) -> None:
    """Each run is a new machine: only the state backend is the same, and it is enough.

    An action is what it stands for: a checkout is a clean copy, a set-up a Python.
    """
    (job,) = WORKFLOW["jobs"].values()
    states = f"file://{tmp_path / 'states'}"
    given = account(both, "actions") | {"MELTANO_STATE_BACKEND_URI": states}
    named = {name for name in job["env"] if name in given}
    for machine in ("first", "second"):
        runner = python(tmp_path / machine / "python") | given
        project = clean_copy(tmp_path / machine / "project")
        for step in job["steps"]:
            if "run" in step:
                typed(step["run"], project, runner)

    assert named == set(job["env"])
    assert received(both, "actions") == 40


def test_the_workflow_gets_its_secrets_and_no_two_run_at_once() -> None:
    """Each variable comes from a secret of its own name; a checkout comes first."""
    (job,) = WORKFLOW["jobs"].values()

    assert {k: f"${{{{ secrets.{k} }}}}" for k in job["env"]} == job["env"]
    assert WORKFLOW["concurrency"]
    assert job["steps"][0]["uses"].startswith("actions/checkout@")


def test_airflows_snippet_imports_what_airflow_3_has() -> None:
    """Not from `airflow.decorators`, which Airflow 3 has deprecated."""
    tree = ast.parse(block(PAGE, "python", "airflow").body)
    imported = {
        node.module: [alias.name for alias in node.names]
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
    }

    assert imported == {"airflow.sdk": ["dag", "task"]}


@pytest.mark.prove
@pytest.mark.parametrize(
    ("package", "holds", "look"),
    [
        pytest.param(
            "apache-airflow>=3,<4",
            "airflow",
            "from airflow.sdk import DAG; import snippet;"
            " assert [t.task_id for t in snippet.posthog_to_patterns().tasks]",
            id="airflow",
        ),
        pytest.param(
            "dagster",
            "dagster",
            "import snippet; snippet.hourly.job; snippet.move",
            id="dagster",
        ),
    ],
)
def test_an_orchestrators_snippet_loads(
    tmp_path: Path, package: str, holds: str, look: str
) -> None:
    """In an environment that has the orchestrator, without a deprecation warning."""
    venv: dict[str, Any] = python(tmp_path / "venv")
    venv |= {"AIRFLOW_HOME": str(tmp_path / "home"), "DAGSTER_DISABLE_TELEMETRY": "1"}
    subprocess.run(
        [*UV, "pip", "install", "--python", tmp_path / "venv", package], check=True
    )
    (tmp_path / "snippet.py").write_text(block(PAGE, "python", holds).body)

    typed(f'python -W error::DeprecationWarning:snippet -c "{look}"', tmp_path, venv)
