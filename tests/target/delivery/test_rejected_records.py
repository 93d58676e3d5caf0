"""Records that a receiver refuses: their file, their state, their words."""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from target_patterns_webhook.errors import ConfigError, FatalError, RejectedError
from tests.support.receiver import Receiver, Reply, Request
from tests.target.delivery.crews import delivery, record

if TYPE_CHECKING:
    from pathlib import Path


def test_refused_records_go_to_the_file_before_the_state(tmp_path: Path) -> None:
    """Each is in the dead-letter file, with what the receiver said, when a state is."""
    path = tmp_path / "dead.jsonl"
    bad = {5, 123, 124, 777}
    seen: list[tuple[int, set[int]]] = []

    def buried() -> set[int]:
        lines = path.read_bytes().splitlines()
        return {json.loads(line)["record"]["id"] for line in lines}

    def judge(request: Request) -> Reply | None:
        found = bad & {r["id"] for r in request.records}
        body = f"no {found} at {request.path}".encode()
        return Reply(status=422, body=body) if found else None

    with (
        Receiver(judge=judge) as hook,
        delivery(
            hook,
            write_state=lambda state: seen.append((int(state), buried())),
            batch_size_rows=100,
            on_rejected="dead_letter",
            dead_letter_path=str(path),
        ) as crew,
    ):
        for number in range(1000):
            crew.add("s", record(number))
            if number % 100 == 99:
                crew.mark(b"%d" % number)
        assert crew.drain()

    assert seen[-1] == (999, bad)
    for state, letters in seen:
        assert {number for number in bad if number <= state} <= letters
    assert Counter(map(int, hook.accepted)) == Counter(set(range(1000)) - bad)
    assert (crew.stats.accepted, crew.stats.dead_lettered) == (996, 4)
    lines = [json.loads(line) for line in path.read_bytes().splitlines()]
    assert {line["response"] for line in lines} == {f"no {{{n}}} at ***" for n in bad}


@pytest.mark.parametrize("on_rejected", ["fail", "dead_letter"])
def test_a_refused_record_is_reported_with_its_key_and_the_reason(
    on_rejected: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Which record of which stream, and what the receiver said; never the webhook."""

    def judge(request: Request) -> Reply | None:
        if not any(r["id"] == 3 for r in request.records):
            return None
        body = f"field 'n' is\nno number at {request.path}".encode()
        return Reply(status=400, body=body)

    with Receiver(judge=judge) as hook, contextlib.suppress(RejectedError):
        crew = delivery(
            hook,
            keys={"s": ("shop", "id")}.__getitem__,
            batch_size_rows=5,
            on_rejected=on_rejected,
            dead_letter_path=str(tmp_path / "dead.jsonl"),
        )
        with crew:
            for number in range(10):
                crew.add("s", b'{"id":%d,"shop":"north"}' % number)
            crew.drain()

    said = caplog.text
    if on_rejected == "fail":
        assert isinstance(crew._outbox.failure, RejectedError)  # noqa: SLF001 - what came out
        said = str(crew._outbox.failure)  # noqa: SLF001
    assert "'s'" in said
    assert "shop north, id 3" in said
    assert "field 'n' is no number at ***" in said
    assert "400" in said
    assert "wh_canary" not in said


def test_a_full_disk_moves_no_state() -> None:
    """A dead letter that cannot be written ends the run behind the last safe state."""
    states: list[bytes] = []

    def judge(request: Request) -> int | None:
        return 400 if any(r["id"] == 15 for r in request.records) else None

    hook = Receiver(judge=judge)
    crew = delivery(
        hook,
        write_state=states.append,
        batch_size_rows=10,
        on_rejected="dead_letter",
        dead_letter_path="/dev/full",
    )
    with hook, pytest.raises(FatalError, match="/dev/full cannot be written"), crew:  # noqa: PT012 - out of whichever call is next
        for number in range(40):
            crew.add("s", record(number))
            crew.mark(b"%d" % number)
        crew.drain()

    assert max(map(int, states), default=0) < 15


def test_an_unwritable_dead_letter_path_sends_nothing(tmp_path: Path) -> None:
    """It is known before the first record is read."""
    with (
        Receiver() as hook,
        pytest.raises(ConfigError, match="dead_letter_path"),
        delivery(hook, on_rejected="dead_letter", dead_letter_path=str(tmp_path)),
    ):
        pass

    assert not hook.connections
