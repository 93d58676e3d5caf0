"""Patterns' webhook as a real process: what is answered, stored, shown and survives."""

from __future__ import annotations

import gzip
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import requests

from tests.support.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

TIMEOUT = 60


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    """One Patterns for this file, as the last test left it."""
    with Sandbox("patterns") as sandbox:
        yield sandbox


@pytest.fixture
def patterns(running: Sandbox) -> Sandbox:
    """Give an empty Patterns."""
    running.reset()
    return running


def post(url: str, body: bytes, **headers: str) -> requests.Response:
    """Send one body to the webhook `demo`."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    hook = f"{url}/api/app/webhooks/demo"
    return requests.post(hook, data=body, headers=names, timeout=TIMEOUT)


def ask(url: str, sql: str) -> requests.Response:
    """Ask the webhook's table."""
    answer = f"{url}/sandbox/patterns/sql"
    return requests.post(answer, json={"sql": sql}, timeout=TIMEOUT)


def rows(url: str, sql: str) -> list[list[Any]]:
    """Give the rows of a question that has an answer."""
    answer = ask(url, sql)
    assert answer.ok, answer.text
    found: list[list[Any]] = answer.json()["rows"]
    return found


def events(count: int, first: int = 0) -> bytes:
    """Make an array of events of which the uuid is a number."""
    made = [
        {
            "uuid": f"{n}",
            "event": "$pageview",
            "distinct_id": "d",
            "timestamp": "2026-11-20T10:00:00.250000Z",
            "properties": {"n": n},
        }
        for n in range(first, first + count)
    ]
    return json.dumps(made).encode()


def test_a_record_and_an_array_are_stored_as_they_came(patterns: Sandbox) -> None:
    """One record or several are appended in order, with their text untouched."""
    texts = ['{ "b" : 1.10, "a":"\\ud800" }', '{"uuid":"u"}', '{"n":1e400}']
    first = post(patterns.url, texts[0].encode())
    second = post(patterns.url, f"[{texts[1]}, {texts[2]}]".encode())

    assert first.json() == {"status": "ok", "records": 1}
    assert second.json() == {"status": "ok", "records": 2}
    found = rows(patterns.url, "select record, seq from webhook order by seq")
    assert [text for text, _ in found] == texts
    seqs = [seq for _, seq in found]
    assert seqs == sorted(set(seqs))


def test_the_columns_hold_what_the_event_says(patterns: Sandbox) -> None:
    """An event's names, its instant in UTC and the request's key have columns."""
    record = (
        b'{"uuid":"u","event":"e","distinct_id":"d",'
        b'"timestamp":"2026-11-20T10:00:00.250000+02:00"}'
    )
    post(patterns.url, record, Idempotency_Key="k")

    (row,) = rows(patterns.url, "select * exclude (seq, received_at) from webhook")
    columns = ["demo", "k", "u", "e", "d", "2026-11-20T08:00:00.250000"]
    assert row == [*columns, record.decode()]


def test_gzip_is_taken(patterns: Sandbox) -> None:
    """A body may come compressed."""
    body = gzip.compress(events(3))

    assert post(patterns.url, body, Content_Encoding="gzip").json()["records"] == 3


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        pytest.param(b"{}\n{}", {}, id="NDJSON"),
        pytest.param(b"[1]", {}, id="no record"),
        pytest.param(b"{}", {"Content_Encoding": "gzip"}, id="no gzip"),
        pytest.param(gzip.compress(b"{}")[:-4], {"Content_Encoding": "gzip"}, id="cut"),
        pytest.param(b"{}", {"Content_Encoding": "br"}, id="other encoding"),
    ],
)
def test_a_bad_body_is_refused_whole(
    patterns: Sandbox, body: bytes, headers: dict[str, str]
) -> None:
    """What is not taken gets 400 and a reason in JSON, and leaves nothing behind."""
    answer = post(patterns.url, body, **headers)

    assert answer.status_code == 400
    assert answer.json()["status"] == "error"
    assert answer.json()["error"]
    assert rows(patterns.url, "select count(*) from webhook") == [[0]]


def test_an_empty_array_is_fine(patterns: Sandbox) -> None:
    """No records are no error."""
    assert post(patterns.url, b"[]").json() == {"status": "ok", "records": 0}


def test_only_post_is_taken(patterns: Sandbox) -> None:
    """The webhook shows nothing to who only has its address."""
    hook = f"{patterns.url}/api/app/webhooks/demo"

    assert requests.get(hook, timeout=TIMEOUT).status_code == 405


def test_parallel_requests_lose_nothing(patterns: Sandbox) -> None:
    """Requests that come at once are all stored, each record with its own number."""
    with ThreadPoolExecutor(6) as pool:
        sent = [
            pool.submit(post, patterns.url, events(500, first))
            for first in range(0, 20_000, 500)
        ]
        assert all(answer.result().ok for answer in sent)

    counts = "select count(*), count(distinct uuid), count(distinct seq) from webhook"
    assert rows(patterns.url, counts) == [[20_000] * 3]


def test_ids_count_rows_and_distinct_ones(patterns: Sandbox) -> None:
    """A record that came twice is two rows and one id; another webhook has none."""
    post(patterns.url, events(3), Idempotency_Key="a")
    post(patterns.url, events(2), Idempotency_Key="b")

    url = f"{patterns.url}/sandbox/patterns"
    demo = requests.get(f"{url}/demo/ids", timeout=TIMEOUT).json()
    other = requests.get(f"{url}/other/ids", timeout=TIMEOUT).json()
    assert (demo["rows"], demo["distinct"], demo["requests"]) == (5, 3, 2)
    assert (other["rows"], other["distinct"], other["requests"]) == (0, 0, 0)


@pytest.mark.parametrize(
    "sql",
    [
        "delete from webhook",
        "insert into webhook(uuid) values ('x')",
        "drop table webhook",
        "select 1; delete from webhook",
        "select 1; select 2",
        "copy webhook to 'x.csv'",
        "attach 'x.duckdb'",
        "select * from read_text('/etc/hostname')",
        "select * from 'x.parquet'",
        "set threads = 1",
        "this is no SQL",
        "",
    ],
)
def test_sql_can_only_read_the_table(patterns: Sandbox, sql: str) -> None:
    """Anything but one SELECT over the table gets 400 and changes nothing."""
    post(patterns.url, events(2))

    answer = ask(patterns.url, sql)

    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]
    assert rows(patterns.url, "select count(*) from webhook") == [[2]]


def test_no_acknowledged_record_is_lost_to_a_kill() -> None:
    """After SIGKILL in the middle of deliveries, all that got 200 is in the table."""
    acknowledged: list[int] = []
    enough = threading.Event()

    def send(first: int) -> None:
        try:
            while post(killed.url, events(10, first)).ok:
                acknowledged.extend(range(first, first + 10))
                first += 40
                if len(acknowledged) > 2_000:
                    enough.set()
        except requests.RequestException:
            pass  # the kill

    with Sandbox("patterns") as killed:
        with ThreadPoolExecutor(4) as pool:
            for first in (0, 10, 20, 30):
                pool.submit(send, first)
            assert enough.wait(TIMEOUT)
            killed.kill()
        killed.restart()
        stored = {int(uuid) for (uuid,) in rows(killed.url, "select uuid from webhook")}
        last = rows(killed.url, "select max(seq), count(*) from webhook")[0]
        post(killed.url, events(1, 10**6))
        newest = rows(killed.url, "select max(seq) from webhook")[0][0]

    assert set(acknowledged) <= stored
    assert last[0] == last[1] == newest - 1


def test_a_signal_ends_it_well() -> None:
    """SIGTERM closes the table; the next process finds every record."""
    with Sandbox("patterns") as own:
        post(own.url, events(5))
        own.restart()
        assert rows(own.url, "select count(*) from webhook") == [[5]]


def test_the_page_shows_what_arrived(patterns: Sandbox) -> None:
    """The figures behind the page are those of the table."""
    post(patterns.url, events(3))
    post(patterns.url, events(2))
    post(patterns.url, b'{"event":"odd","timestamp":"yesterday"}')

    stats = requests.get(f"{patterns.url}/sandbox/patterns/stats", timeout=TIMEOUT)
    shown = stats.json()
    assert (shown["rows"], shown["duplicates"], shown["requests"]) == (6, 2, 0)
    assert shown["events"] == [["$pageview", 5], ["odd", 1]]
    assert shown["hours"] == [["2026-11-20T10:00:00", 5]]
    assert shown["webhooks"] == [["demo", 6]]
    assert shown["lag"] == []
    assert [row[2] for row in shown["newest"]] == ["odd", *["$pageview"] * 5]
    assert shown["rows_per_second"] <= 0.6


@pytest.mark.parametrize("created_at", [True, False], ids=["event", "activity"])
def test_lag_is_of_what_came_after_the_first_run(
    patterns: Sandbox, *, created_at: bool
) -> None:
    """A backfill is no delay; an event that PostHog took in later has one."""
    post(patterns.url, events(5))
    ahead = datetime.now(UTC) + timedelta(seconds=5)
    happened = ahead - timedelta(minutes=5) if created_at else ahead
    later = {"event": "later", "timestamp": happened.isoformat()}
    if created_at:
        later["created_at"] = ahead.isoformat()
    post(patterns.url, json.dumps([later, {"timestamp": "yesterday"}]).encode())

    stats = requests.get(f"{patterns.url}/sandbox/patterns/stats", timeout=TIMEOUT)
    assert stats.json()["lag"] == [["< 1 h" if created_at else "< 1 s", 1]]


def test_the_page_stands_alone(patterns: Sandbox) -> None:
    """The page is one file: it takes nothing from any other server."""
    page = requests.get(f"{patterns.url}/", timeout=TIMEOUT)

    assert page.headers["content-type"].startswith("text/html")
    links = page.text.replace("http://www.w3.org/2000/svg", "")
    assert "://" not in links
    assert "sandbox/patterns/stats" in page.text


def test_figures_are_of_one_webhook_or_of_all(patterns: Sandbox) -> None:
    """Each is counted alone, whatever its name is; the newest rows hold their JSON."""
    names = {"events": 3, "per'sons": 2}
    for webhook, count in names.items():
        records = [{"uuid": f"{webhook}-{n}", "event": webhook} for n in range(count)]
        url = f"{patterns.url}/api/app/webhooks/{webhook}"
        requests.post(url, json=records, timeout=TIMEOUT).raise_for_status()
    url = f"{patterns.url}/sandbox/patterns/stats"

    whole = requests.get(url, timeout=TIMEOUT).json()
    assert whole["webhooks"] == [list(each) for each in names.items()]
    for webhook, count in names.items():
        asked = {"webhook": webhook}
        shown = requests.get(url, params=asked, timeout=TIMEOUT).json()
        assert shown["rows"] == count
        assert shown["events"] == [[webhook, count]]
        assert {json.loads(row[5])["event"] for row in shown["newest"]} == {webhook}
        assert shown["webhooks"] == whole["webhooks"]
    assert (
        requests.get(url, params={"webhook": "none"}, timeout=TIMEOUT).json()["rows"]
        == 0
    )
