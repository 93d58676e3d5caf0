"""The page in a real browser: what it shows is what arrived. Needs Chromium."""

from __future__ import annotations

import html
import re
import shutil
import subprocess
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING

import pytest
import requests

from tests.support.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.prove  # a newcomer's machine may have no Chromium

OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="module")
def patterns() -> Iterator[Sandbox]:
    """Give one Patterns for this file."""
    with Sandbox("patterns") as sandbox:
        yield sandbox


def see(url: str, profile: Path, *more: str) -> str:
    """Open a page, let it live for four seconds, and give what it has become."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    assert browser, "this proof needs Chromium: apt-get install chromium"
    live = ["--virtual-time-budget=4000", f"--user-data-dir={profile}", *more]
    seen = subprocess.run(
        [browser, *OPTIONS, *live, "--dump-dom", url],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return seen.stdout


def shown(dom: str, name: str) -> str:
    """Give the text of the element with this id."""
    found = re.search(rf'id="{name}"[^>]*>([^<]*)<', dom)
    assert found, name
    return html.unescape(found[1])


def test_the_page_follows_what_arrives(patterns: Sandbox, tmp_path: Path) -> None:
    """Count, duplicates, newest row, picture and lag are there; text is only text."""
    before = see(patterns.url, tmp_path)
    records = [
        {
            "uuid": f"{n % 40}",
            "event": "<b>signup</b>",
            "distinct_id": "ärger & söhne",
            "timestamp": f"2026-11-2{n % 2}T0{n % 10}:00:00Z",
        }
        for n in range(42)
    ]
    hook = f"{patterns.url}/api/app/webhooks/demo"
    requests.post(hook, json=records, timeout=60).raise_for_status()
    newer = records[1] | {"uuid": "new", "created_at": "2999-01-01T00:00:00Z"}
    requests.post(hook, json=newer, timeout=60).raise_for_status()
    after = see(patterns.url, tmp_path)

    assert shown(before, "rows") == "0"
    assert shown(before, "live") == "waiting for the first record"
    assert (shown(after, "rows"), shown(after, "duplicates")) == ("43", "2")
    assert shown(after, "live").startswith("last arrival ")
    assert after.count("<rect") == 10 + 2  # hours with events, and days
    newest = after.partition('id="newest"')[2]
    assert newest.count("<tr title") == 15
    assert "&lt;b&gt;signup&lt;/b&gt;" in newest
    assert "ärger &amp; söhne" in newest
    assert re.search(r'id="lag"><span[^>]*>[^<]+</span>', after)


def test_each_webhook_has_a_tab(patterns: Sandbox, tmp_path: Path) -> None:
    """All are shown together, or one, which the address names."""
    for webhook, count in (("events", 7), ("per sons", 4)):
        records = [{"uuid": f"{webhook}-{n}", "event": "e"} for n in range(count)]
        url = f"{patterns.url}/api/app/webhooks/tab {webhook}"
        requests.post(url, json=records, timeout=60).raise_for_status()

    dom = see(f"{patterns.url}#tab%20per%20sons", tmp_path)

    assert shown(dom, "rows") == "4"
    assert '<button aria-pressed="true">tab per sons 4</button>' in dom
    assert '<button aria-pressed="false">tab events 7</button>' in dom


def test_the_page_asks_no_other_server(patterns: Sandbox, tmp_path: Path) -> None:
    """Every other name is unreachable, and the page is the same."""
    alone = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"

    assert shown(see(patterns.url, tmp_path, alone), "live") != "connecting"
    page = requests.get(patterns.url, timeout=60).text
    assert set(re.findall(r'(?:src|href)="([^"]*)"', page)) == {"data:,"}


def test_the_page_says_when_the_sandbox_is_gone(
    patterns: Sandbox, tmp_path: Path
) -> None:
    """When the figures do not come, the page says so instead of showing old ones."""
    folder = tmp_path / "page"
    folder.mkdir()
    (folder / "index.html").write_text(requests.get(patterns.url, timeout=60).text)
    serve = partial(SimpleHTTPRequestHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), serve) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        dom = see(f"http://127.0.0.1:{server.server_port}/", tmp_path)
        server.shutdown()

    assert shown(dom, "live") == "the sandbox does not answer"
