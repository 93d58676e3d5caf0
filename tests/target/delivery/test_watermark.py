"""Which state may be written, over every order of acknowledgement."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from target_patterns_webhook.delivery.watermark import Watermark


def test_a_state_waits_for_every_batch_before_it() -> None:
    """A state is written when the last of the batches before it is settled."""
    watermark = Watermark()
    watermark.mark(b"A", opened=2)

    watermark.settle(1)
    assert watermark.take() is None
    watermark.settle(0)
    assert watermark.take() == b"A"


def test_a_state_before_any_record_is_safe_at_once() -> None:
    """What has nothing before it waits for nothing."""
    watermark = Watermark()
    watermark.mark(b"A", opened=0)

    assert watermark.take() == b"A"


def test_only_the_newest_safe_state_is_written() -> None:
    """Of several that become safe at once the last is written, the others never."""
    watermark = Watermark()
    for opened, state in enumerate((b"A", b"B", b"C"), 1):
        watermark.mark(state, opened)
    watermark.settle(1)
    watermark.settle(0)

    assert watermark.take() == b"B"
    assert watermark.take() is None


def test_the_same_state_is_not_written_twice() -> None:
    """A tap that repeats its state does not make the target repeat it."""
    watermark = Watermark()
    watermark.mark(b"A", opened=0)
    assert watermark.take() == b"A"
    watermark.mark(b"A", opened=0)

    assert not watermark.ready
    assert watermark.take() is None


def test_states_inside_one_batch_take_no_memory() -> None:
    """However many states come within one batch, only the newest is kept."""
    watermark = Watermark()
    for number in range(10_000):
        watermark.mark(b"%d" % number, opened=1)

    assert len(watermark._waiting) == 1  # noqa: SLF001 - its memory
    watermark.settle(0)
    assert watermark.take() == b"9999"


def test_a_batch_is_settled_once() -> None:
    """Settling a batch twice is a mistake of the program, and said so."""
    watermark = Watermark()
    watermark.settle(0)

    with pytest.raises(ValueError, match="settled twice"):
        watermark.settle(0)


@settings(max_examples=1500, deadline=None)
@given(
    steps=st.lists(st.sampled_from(["open", "mark", "settle", "take"]), max_size=60),
    seed=st.integers(0, 2**32),
)
def test_no_state_is_ever_ahead_of_what_is_settled(steps: list[str], seed: int) -> None:
    """In any order of openings, marks and acknowledgements, states are safe.

    Each has all before it settled, they come in order, and the last one is written.
    """
    chance = random.Random(seed)  # noqa: S311 - an order, no secret
    watermark = Watermark()
    opened, open_now, settled = 0, [], set[int]()
    before: dict[bytes, int] = {}  # state -> batches opened before it
    written: list[bytes] = []

    def take() -> None:
        state = watermark.take()
        if state is not None:
            assert set(range(before[state])) <= settled
            written.append(state)

    for step in steps:
        if step == "open":
            open_now.append(opened)
            opened += 1
        elif step == "mark":
            state = b"%d" % len(before)
            before[state] = opened
            watermark.mark(state, opened)
        elif step == "settle" and open_now:
            number = open_now.pop(chance.randrange(len(open_now)))
            settled.add(number)
            watermark.settle(number)
        else:
            take()
    chance.shuffle(open_now)
    for number in open_now:
        settled.add(number)
        watermark.settle(number)
        take()
    take()

    assert written == sorted(set(written), key=int)
    assert written[-1:] == list(before)[-1:]
    assert len(watermark._waiting) == 0  # noqa: SLF001 - its memory
