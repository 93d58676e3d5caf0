"""What a person sees of a run: the same words on a terminal, in a log, at the end."""

from __future__ import annotations

import io
import logging

import pytest

from tap_posthog.progress import Progress, Stats, Traffic, size, span, traffic_words

EVENT = "2026-03-04T05:06:07.000008Z"


class Clock:
    """Moves when it is told to."""

    seconds = 0.0

    def __call__(self) -> float:
        """Say what time it is."""
        return self.seconds


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (162_400_000, "162.4 MB"),
        (3e15, "3,000.0 TB"),
    ],
)
def test_sizes(count: float, words: str) -> None:
    """Bytes are spelt as people do."""
    assert size(count) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.4, "0 s"),
        (119, "119 s"),
        (120, "2 min"),
        (7140, "119 min"),
        (7500, "2 h 5 min"),
    ],
)
def test_spans(seconds: float, words: str) -> None:
    """So are lengths of time."""
    assert span(seconds) == words


def test_traffic() -> None:
    """One is one, and none is none."""
    assert traffic_words(Traffic(1, 10)) == "10 B, 1 request, no waits"
    assert (
        traffic_words(Traffic(1200, 2000, 1, 30.2))
        == "2.0 kB, 1,200 requests, 1 wait (30 s)"
    )


def test_a_log_gets_a_line_every_few_seconds(caplog: pytest.LogCaptureFixture) -> None:
    """Not one for each batch; with the rate, the time reached and the share."""
    clock = Clock()
    progress = Progress(Traffic(3, 5000), stats := Stats(expected=50), clock=clock)

    with caplog.at_level(logging.INFO, "tap-posthog"):
        for second in range(1, 26):
            clock.seconds = second
            stats.read = second
            progress.advance(1000, EVENT)

    words = (
        "%d,000 events, 1,000 events/s, at 2026-03-04 05:06 UTC (%d%%), 5.0 kB, "
        "3 requests, no waits"
    )
    said = [record.getMessage() for record in caplog.records]
    assert said == [words % (10, 20), words % (20, 40)]


def test_a_terminal_gets_one_line_that_moves() -> None:
    """A log line in between does not run through it, and none stays behind."""
    out, clock = io.StringIO(), Clock()
    handler = logging.StreamHandler(out)
    handler.terminator = "\n"
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        progress = Progress(Traffic(), Stats(), terminal=out, clock=clock)
        clock.seconds = 1
        progress.advance(10, EVENT)
        logging.getLogger("tap-posthog").warning("rate limit")
        clock.seconds = 2
        progress.advance(10, "")
        progress.close()
        logging.getLogger("tap-posthog").warning("done")
    finally:
        root.removeHandler(handler)

    line = "%d events, 10 events/s, at 2026-03-04 05:06 UTC, 0 B, 0 requests, no waits"
    clear = "\r\x1b[K"
    assert out.getvalue() == (
        f"{clear}{line % 10}{clear}rate limit\n{clear}{line % 20}{clear}done\n"
    )
