"""One webhook a stream: where each record goes, and what is said when one is wrong."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from target_patterns_webhook.errors import ConfigError
from target_patterns_webhook.http.probe import probe
from tests.support.receiver import Receiver, Reply
from tests.support.simulation import settings
from tests.target.inside import run_inside

if TYPE_CHECKING:
    from pathlib import Path

PERSONS, EVENTS = 1200, 700


def lines(**streams: int) -> bytes:
    """Return so many records of each stream, and a state behind them.

    A SCHEMA comes when a tap comes to its stream, behind the records of the one before.
    """
    out: list[dict[str, object]] = []
    for name, records in streams.items():
        head: dict[str, object] = {"type": "SCHEMA", "stream": name}
        out.append(head | {"schema": {"properties": {}}, "key_properties": []})
        out += [
            {"type": "RECORD", "stream": name, "record": {"id": f"{name}-{n}"}}
            for n in range(records)
        ]
        out.append({"type": "STATE", "value": {"done": name}})
    return "".join(json.dumps(each) + "\n" for each in out).encode()


def ids(receiver: Receiver) -> list[str]:
    """Return the ids of all records that a webhook took, in order of their text."""
    taken = [r["id"] for q in receiver.requests if q.accepted for r in q.records]
    return sorted(taken)


def named(stream: str, count: int) -> list[str]:
    """Return the ids of a stream's records."""
    return sorted(f"{stream}-{n}" for n in range(count))


def test_each_stream_goes_to_its_webhook() -> None:
    """A stream that has none of its own goes to webhook_url; each is counted."""
    with Receiver() as persons, Receiver() as groups, Receiver() as others:
        ended = run_inside(
            {
                "webhook_url": others.url,
                "webhook_urls": {"persons": persons.url, "groups": groups.url},
            },
            lines(persons=PERSONS, events=EVENTS, groups=3),
        )

    assert ended.code == 0, ended.stderr
    assert ids(persons) == named("persons", PERSONS)
    assert ids(others) == named("events", EVENTS)
    assert ids(groups) == named("groups", 3)
    assert ended.states[-1] == {"done": "groups"}
    streams = ended.summary["streams"]
    assert {name: each["accepted"] for name, each in streams.items()} == {
        "persons": PERSONS,
        "events": EVENTS,
        "groups": 3,
    }
    assert streams["persons"]["batches"] == streams["persons"]["requests"] == 3
    for part in ("read", "accepted", "batches", "requests", "bytes", "wire_bytes"):
        total = sum(each[part] for each in streams.values())
        assert ended.summary[part] == total, part


@pytest.mark.parametrize("more", [{}, {"add_record_metadata": True}])
def test_a_stream_without_a_webhook_is_refused_by_name(more: dict[str, object]) -> None:
    """Nothing of it is sent; what came before it is delivered, with its state."""
    with Receiver() as persons:
        ended = run_inside(
            {"webhook_urls": {"persons": persons.url}, **more},
            lines(persons=30, groups=20),
        )

    assert ended.code == 1
    assert ended.error == (
        "Input line 33: stream groups has no URL in webhook_urls. Add one, or set "
        "webhook_url; or leave the stream out at the tap."
    )
    assert ids(persons) == named("persons", 30)
    assert ended.states == [{"done": "persons"}]


def test_an_error_names_the_webhook_that_it_is_about() -> None:
    """By the stream, never by its URL."""
    with Receiver() as good, Receiver([Reply(status=404)] * 9) as gone:
        ended = run_inside(
            {"webhook_url": good.url, "webhook_urls": {"persons": gone.url}},
            lines(events=10, persons=10),
        )

    assert ended.code == 1
    assert "Check webhook_urls.persons: there is no webhook at this" in ended.error
    assert "wh_canary" not in ended.stderr


@pytest.mark.parametrize("strict", [{}, {"max_parallel_requests": 1}])
def test_each_webhook_is_judged_alone(
    tmp_path: Path, strict: dict[str, object]
) -> None:
    """One that refuses everything ends the run, though another took all it was sent.

    None of its records becomes a dead letter.
    """
    letters = tmp_path / "dead.jsonl"
    no = Reply(status=422, body=b"no such column")
    with Receiver() as good, Receiver(judge=lambda _: no) as bad:
        ended = run_inside(
            {
                "webhook_url": good.url,
                "webhook_urls": {"persons": bad.url},
                "on_rejected": "dead_letter",
                "dead_letter_path": str(letters),
                **strict,
            },
            lines(events=500, persons=PERSONS),
        )

    assert ended.code == 1
    assert "refused every record that was tried (3, of stream 'persons')" in ended.error
    assert not letters.read_bytes()
    assert ids(good) == named("events", 500)


def test_one_webhook_on_trial_does_not_slow_the_others_down(tmp_path: Path) -> None:
    """A single record is refused at the start: the others are sent side by side.

    It stays undecided to the end, since nothing else is sent there.
    """
    with (
        Receiver(latency=0.05) as good,
        Receiver(judge=lambda _: Reply(status=422)) as bad,
    ):
        ended = run_inside(
            {
                "webhook_url": good.url,
                "webhook_urls": {"persons": bad.url},
                "on_rejected": "dead_letter",
                "dead_letter_path": str(tmp_path / "dead.jsonl"),
                "batch_size_rows": 10,
                "max_batch_age_seconds": 0,
            },
            lines(persons=1, events=EVENTS),
        )
        most = good.most_in_flight

    assert ended.code == 1
    assert ids(good) == named("events", EVENTS)
    assert most > 1


def test_a_url_that_cannot_be_used_is_named_and_not_shown() -> None:
    """Its setting and stream are; so it is for one that nothing has filled in."""
    for url in ("ftp://host/canary", "${CANARY_URL}", "https://<canary>", " "):
        with pytest.raises(ConfigError) as raised:
            settings(webhook_urls={"persons": url})
        assert str(raised.value).startswith("webhook_urls.persons: ")
        assert "canary" not in str(raised.value).lower()


def test_a_login_and_an_authorization_are_one_too_many() -> None:
    """Of any webhook: a request can carry one of them."""
    with pytest.raises(ConfigError, match=r"webhook_urls\.persons a user name or pass"):
        settings(
            webhook_urls={"persons": "https://u:p@host/"},
            headers={"Authorization": "Bearer x"},
        )


def test_all_hosts_are_probed() -> None:
    """Each once; the sentence names no path."""
    with Receiver() as one, Receiver() as two:
        urls = {"a": one.url, "b": f"{one.url}/b", "c": two.url}
        given = settings(webhook_url=None, webhook_urls=urls)
        said = probe(given)

    assert said.count("answers.") == 2
    assert said.endswith("No record was sent.")
    assert "canary" not in said
    assert not one.requests
