"""What a whole run says of a record that the receiver refuses."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.support.receiver import Receiver, Reply
from tests.target.inside import run_inside

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.receiver import Request

SCHEMA = {"type": "object", "properties": {"code": {"type": "string"}}}
REASON = b'{"error": "code must have three letters"}'


def lines(key: list[str]) -> bytes:
    """Return five orders, of which the fourth will be refused."""
    schema = {
        "type": "SCHEMA",
        "stream": "orders",
        "schema": SCHEMA,
        "key_properties": key,
    }
    records = [
        {"type": "RECORD", "stream": "orders", "record": {"code": code, "id": n}}
        for n, code in enumerate(["abc", "def", "ghi", "four", "jkl"])
    ]
    return "".join(json.dumps(each) + "\n" for each in [schema, *records]).encode()


def judge(request: Request) -> Reply | None:
    """Refuse the order whose code is too long, and say why."""
    bad = any(record["code"] == "four" for record in request.records)
    return Reply(status=422, body=REASON) if bad else None


@pytest.mark.parametrize(
    ("key", "named"), [(["code"], "code four"), ([], "id 3"), (["id"], "id 3")]
)
@pytest.mark.parametrize("more", [{}, {"add_record_metadata": True}])
def test_the_last_line_says_which_record_was_refused_and_why(
    key: list[str], named: str, more: dict[str, object]
) -> None:
    """Stream, key and the receiver's reason, on the fast path and on the SDK's."""
    with Receiver(judge=judge) as receiver:
        ended = run_inside({"webhook_url": receiver.url, **more}, lines(key))

    assert ended.code == 1
    last = ended.error
    assert "refused 1 of 5 records of a batch of stream 'orders' with 422" in last
    assert f"The first: {named}. It said: " in last
    assert "code must have three letters" in last
    assert "wh_canary" not in ended.stderr


def test_a_dead_letter_is_named_in_the_log(tmp_path: Path) -> None:
    """The run goes on; the log says which record is in the file, and why."""
    config = {
        "on_rejected": "dead_letter",
        "dead_letter_path": str(tmp_path / "dead.jsonl"),
    }
    with Receiver(judge=judge) as receiver:
        given = {"webhook_url": receiver.url, **config}
        ended = run_inside(given, lines(["code"]))

    assert ended.code == 0
    assert "a record of stream 'orders' (code four) with 422: " in ended.stderr
    assert "code must have three letters" in ended.stderr


def test_a_receiver_that_refuses_everything_is_quoted() -> None:
    """The line that ends the run holds what it said of the last record."""
    rejection = Reply(status=400, body=b"unknown table\n")
    with Receiver([rejection] * 9) as receiver:
        ended = run_inside({"webhook_url": receiver.url}, lines(["code"]))

    assert ended.code == 1
    last = ended.error
    assert "refused every record that was tried" in last
    assert "It said: 'unknown table'." in last
