"""What a status code means for the records that were sent."""

from __future__ import annotations

from target_patterns_webhook.http.outcome import Verdict, judge


def test_every_status_has_one_meaning() -> None:
    """2xx accepts, 429 and 503 hold everybody, 413 cuts, 400 and 422 refuse.

    408, 425 and the other 5xx are retried, and 409 where the batch was sent before; all
    else, redirects too, ends the run.
    """
    found = {status: judge(status) for status in range(100, 1000)}

    assert found == {
        **dict.fromkeys(range(100, 1000), Verdict.FATAL),
        **dict.fromkeys(range(200, 300), Verdict.ACCEPTED),
        **dict.fromkeys((408, 425, *range(500, 600)), Verdict.RETRY),
        **dict.fromkeys((429, 503), Verdict.HOLD_ALL),
        409: Verdict.CONFLICT,
        413: Verdict.TOO_LARGE,
        **dict.fromkeys((400, 422), Verdict.REJECTED),
    }


def test_a_413_that_asks_to_wait_is_temporary() -> None:
    """RFC 9110 lets a server say that it takes no such body now, but will later."""
    assert judge(413, asked_to_wait=True) is Verdict.RETRY
