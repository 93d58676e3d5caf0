"""Every command in every document is run here, in a clean copy of the project.

Lines that install have a file of their own (`test_installs`). A target of the Makefile
is looked up and not run: `make demo` has a test of its own, and the others are what
runs this test.
"""

from __future__ import annotations

import ast
import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
import requests
import yaml

from sandbox.remote import Remote
from tests.docs.blocks import (
    DOCUMENTS,
    KINDS,
    SHELL,
    block,
    blocks,
    clean_copy,
    commands,
    prose,
    typed,
)
from tests.docs.settings import ROOT
from tests.support.receiver import Receiver, Reply
from tests.support.sandbox import API_KEY, PROJECT_TOKEN
from tests.target.process import run, singer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.support.receiver import Request

TIME = "2026-11-01T00:00:00Z"  # what a reader fills in for T
# A changed filter has a test of its own; one file of tests is part of `make test`.
APART = ("--state-id-suffix=names", "make ", ".venv/bin/pytest ")
RUN = [
    command
    for command in (*commands("sh"), *prose(), *commands("sh account"))
    if not any(part in command for part in APART)
]
TARGETS = [c for c in commands("sh") if c.startswith("make ")]
FILTERS = block("docs/operations.md", "sh", "--state-id-suffix=names").commands
# Against which CONTRIBUTING.md names a module.
PACKAGES = (
    "tap-posthog/tap_posthog",
    "target-patterns-webhook/target_patterns_webhook",
)
NAMES = ("signup completed", "order paid", "$pageview")


@pytest.fixture(scope="module")
def project(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Path, dict[str, str]]]:
    """Return a clean copy with this environment in it, and its variables.

    They lead to a sandbox that is up until the end, an account's own three included;
    and there is one dead letter.
    """
    copy = clean_copy(tmp_path_factory.mktemp("project") / "copy")
    (copy / ".venv").symlink_to(sys.prefix)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    hook = f"http://127.0.0.1:{port}/api/app/webhooks/demo"
    variables = os.environ | {
        "SANDBOX_PORT": port,
        "TAP_POSTHOG_BASE_URL": f"http://127.0.0.1:{port}",
        "TAP_POSTHOG_SETTLE_SECONDS": "1",  # or prod reads nothing that is so new
        "TARGET_PATTERNS_WEBHOOK_WEBHOOK_URL": hook,
        "TARGET_PATTERNS_WEBHOOK_WEBHOOK_URLS": json.dumps(
            {"persons": hook.replace("demo", "persons")}
        ),
        "POSTHOG_API_KEY": API_KEY,
        "POSTHOG_PROJECT_ID": "1",
        "PATTERNS_WEBHOOK_URL": hook,
    }
    try:
        typed(".venv/bin/sandbox up", copy, variables)
        with Receiver(judge=refuse_one) as picky:
            config = {"webhook_url": picky.url, "on_rejected": "dead_letter"}
            assert run(copy, config, singer(range(5))).code == 0
        yield copy, variables
    finally:
        typed(".venv/bin/sandbox down", copy, variables)


def refuse_one(request: Request) -> Reply:
    """Refuse the record with id 3 and the batches that hold it."""
    return Reply(422 if any(r["id"] == 3 for r in request.records) else 200)


def filled_in(command: str, copy: Path, variables: dict[str, str]) -> str:
    """Put in what a reader has to put in: a run's id, a time."""
    if "RUN_ID" in command:
        listed = typed(".venv/bin/meltano logs list --format json", copy, variables)
        newest = json.loads(listed)["runs"][0]["log_id"]
        command = command.replace("RUN_ID", newest)
    return command.replace('"T"', f'"{TIME}"')


@pytest.mark.parametrize("command", RUN)
def test_a_command_of_the_docs_works(
    project: tuple[Path, dict[str, str]], command: str
) -> None:
    """What a document tells to type exits 0 when it is typed."""
    if " jq " in command and not shutil.which("jq"):
        pytest.skip("jq is not installed")
    typed(filled_in(command, *project), *project)
    if "sandbox analyses" in command:
        few_events(project[1])  # what follows needs no 20,000


def few_events(variables: dict[str, str]) -> None:
    """Leave PostHog's side with nine events of each name, and the webhook empty.

    They are old enough to be read.
    """
    remote = Remote(int(variables["SANDBOX_PORT"]))
    remote.reset()
    events = [
        {"event": name, "distinct_id": "d", "timestamp": f"2026-05-0{day}T10:00:00Z"}
        for day in range(1, 10)
        for name in NAMES
    ]
    body = {"api_key": PROJECT_TOKEN, "batch": events}
    requests.post(f"{remote.url}/batch/", json=body, timeout=60).raise_for_status()
    time.sleep(2)


def test_a_dead_letter_was_sent_again(project: tuple[Path, dict[str, str]]) -> None:
    """After the commands of docs/delivery.md the webhook has the refused record."""
    port = int(project[1]["SANDBOX_PORT"])
    refused = "select record from webhook where uuid is null and webhook = 'demo'"
    _, rows = Remote(port).patterns(refused)

    assert rows == [['{"id": 3, "pad": ""}']]


def test_a_name_that_is_added_is_read_from_its_beginning(
    project: tuple[Path, dict[str, str]],
) -> None:
    """After both lines of "Changing a filter later" each event is there, once."""
    few_events(project[1])
    remote = Remote(int(project[1]["SANDBOX_PORT"]))
    counted = (
        "select event, count(*) from webhook where webhook = 'demo' "
        "group by all order by all"
    )
    after = []
    for command in FILTERS:
        typed(command, *project)
        after.append(remote.patterns(counted)[1])

    signups, orders = ["signup completed", 9], ["order paid", 9]
    assert after == [[signups], [orders, signups]]


def test_another_project_has_a_state_of_its_own(
    project: tuple[Path, dict[str, str]],
) -> None:
    """The extractor that operations.md inherits runs beside, its state in a folder."""
    clone, variables = project
    (snippet,) = (b.body for b in blocks() if "inherit_from: tap" in b.body)
    meltano = yaml.safe_load((clone / "meltano.yml").read_text())
    meltano["plugins"]["extractors"] += yaml.safe_load(snippet)["plugins"]["extractors"]
    (clone / "meltano.yml").write_text(yaml.safe_dump(meltano))
    given = variables | {
        "POSTHOG_EU_API_KEY": "phx_sandbox",
        "POSTHOG_EU_PROJECT_ID": "1",
        "TAP_POSTHOG__EU_BASE_URL": variables["TAP_POSTHOG_BASE_URL"],
        "MELTANO_STATE_BACKEND_URI": f"file://{clone}/states",
    }
    command = ".venv/bin/meltano run tap-posthog--eu target-patterns-webhook"
    typed(command, clone, given)
    name = "sandbox:tap-posthog--eu-to-target-patterns-webhook"

    state = json.loads((clone / "states" / name / "state.json").read_text())
    bookmark = state["completed"]["singer_state"]["bookmarks"]["events"]
    assert bookmark["replication_key"] == "timestamp"


@pytest.mark.parametrize("command", TARGETS)
def test_a_make_target_exists(command: str) -> None:
    """Each `make` in the docs names a target, and CI calls the three that matter."""
    dry = subprocess.run(
        ["make", "--dry-run", *shlex.split(command)[1:]],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert dry.returncode == 0, dry.stderr
    assert re.findall(
        r"^make (\w+)$", (ROOT / ".ci/run").read_text(), re.MULTILINE
    ) == ["check", "test", "build"]


def test_every_block_says_what_it_is() -> None:
    """No block has an unknown kind, so none slips past these tests."""
    assert {block.kind for block in blocks()} <= KINDS
    assert {block.kind for block in blocks()} >= SHELL


@pytest.mark.parametrize("program", ["pip install", "meltano install", "meltano add"])
def test_an_install_line_is_run_by_a_test(program: str) -> None:
    """Whatever a document tells to install stands in a block whose kind is run."""
    followed = {*SHELL, "dockerfile", "yaml"}  # the last two are by test_recipes
    elsewhere = [
        f"{block.document.name}: {block.kind}"
        for block in blocks()
        if program in block.body and block.kind not in followed
    ]

    assert elsewhere == []


@pytest.mark.parametrize(
    ("kind", "parse"),
    [
        pytest.param("json", json.loads, id="json"),
        pytest.param("python", ast.parse, id="python"),
        pytest.param("yaml", yaml.safe_load, id="yaml"),
    ],
)
def test_a_snippet_parses(kind: str, parse: Callable[[str], object]) -> None:
    """Every snippet to copy is at least well-formed."""
    snippets = [block.body for block in blocks() if block.kind == kind]
    for snippet in snippets:
        parse(snippet)

    assert snippets


def test_links_lead_somewhere() -> None:
    """Every relative link of a document names a file that exists."""
    dead = [
        f"{document.name}: {link}"
        for document in DOCUMENTS
        for link in re.findall(r"\]\(([^)#\s]+)[^)]*\)", document.read_text())
        if "://" not in link and not (document.parent / link).exists()
    ]

    assert dead == []


def test_the_paths_of_contributing_exist() -> None:
    """Each file that CONTRIBUTING.md sends a newcomer to is there."""
    text = (ROOT / "CONTRIBUTING.md").read_text()
    roots = (ROOT, *(ROOT / name for name in PACKAGES), ROOT / "tests")
    named = re.findall(r"[` ]([\w./-]+\.(?:py|md|yml))`", text)

    assert named
    missing = [n for n in named if not any((root / n).exists() for root in roots)]
    assert missing == []
