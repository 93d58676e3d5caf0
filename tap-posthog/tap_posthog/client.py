"""Asks PostHog until it answers, waits as it says, and stops where asking is no use.

The one place for waiting and judgement, whatever the question. It knows neither SQL
nor events; `retry.py` decides, `transport.py` makes one attempt.
"""

from __future__ import annotations

import itertools
import logging
import random
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, TypeVar

from tap_posthog.errors import (
    ConfigError,
    GaveUpError,
    MissingEndpointError,
    TapError,
    TooHeavyError,
)
from tap_posthog.refusals import code, detail, refusal
from tap_posthog.retry import Verdict, backoff, judge
from tap_posthog.retry_after import http_date, retry_after
from tap_posthog.transport import Answer, NoAnswerError, Request, Transport

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_posthog.settings import Settings

T = TypeVar("T")
logger = logging.getLogger("tap-posthog")

SAID_FROM = 5.0  # seconds; a shorter wait is not worth a line in the log
UNREACHED_SECONDS = 60.0  # how long an address that never answered is tried


@dataclass(slots=True)
class Traffic:
    """What the questions of one run have cost so far."""

    requests: int = 0
    bytes: int = 0  # of answers, decompressed
    waits: int = 0
    waited: float = 0.0  # seconds, over all threads


@dataclass(frozen=True, slots=True)
class Setback:
    """Why one attempt did not bring an answer, and how long to wait."""

    reason: str
    wait: float
    for_all: bool = False  # a limit: no other request would fare better
    reached: bool = True


class Client:
    """Puts requests to one project; may be used from several threads at once."""

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        sleep: Callable[[float], object] | None = None,
        rng: Callable[[], float] = random.random,
    ) -> None:
        """Time and chance are arguments; by default they are the real ones."""
        self.traffic = Traffic()
        self._settings = settings
        self._transport = Transport(
            settings.base_url,
            settings.api_key,
            timeout=settings.request_timeout_seconds,
        )
        self._clock, self._now, self._rng = clock, now, rng
        self._stopped = threading.Event()
        self._sleep = sleep or self._stopped.wait
        # Of the server: whoever reads an answer has made room for the next question.
        self._slots = threading.BoundedSemaphore(settings.max_concurrent_queries)
        self._lock = threading.Lock()
        self._closed_until = 0.0  # by the clock: nobody knocks before
        self._reached = False  # something answered at that address
        self._understood = False  # and it was PostHog
        self._ahead = timedelta(0)  # of the server's clock before this machine's

    def call(
        self, request: Request, parse: Callable[[bytes], T], *, divisible: bool = True
    ) -> T:
        """Return what `parse` makes of the answer, however long that takes.

        `parse` raises ValueError for a body that is no answer, which is then asked for
        again. With `divisible` a question that is too much is handed back.

        Raises:
            TooHeavyError: the caller has to ask for less at once.
            GaveUpError: `max_wait_seconds` have passed.
            TapError: the same request would meet the same refusal.

        """
        try:
            return self._call(request, parse, divisible=divisible)
        except (TooHeavyError, MissingEndpointError):
            raise
        except TapError:
            self.stop()
            raise

    def server_now(self) -> datetime:
        """Say what time it is at the server, by the last answer's `Date`."""
        return self._now() + self._ahead

    def scrubbed(self, text: str) -> str:
        """Return a server's words without the key, should it have repeated it."""
        return text.replace(self._settings.api_key, "***")

    def stop(self) -> None:
        """Wake every wait; what is still to be asked is not."""
        self._stopped.set()

    def close(self) -> None:
        """Let go of waits and connections."""
        self.stop()
        self._transport.close()

    def _call(
        self, request: Request, parse: Callable[[bytes], T], *, divisible: bool
    ) -> T:
        since: float | None = None  # when this request first failed
        for attempt in itertools.count(1):
            try:
                answer = self._send(request)
            except NoAnswerError as exc:
                setback = self._unanswered(exc, attempt)
            else:
                why = (
                    code(answer.body) if answer.status == HTTPStatus.BAD_REQUEST else ""
                )
                verdict = judge(answer.status, why, divisible=divisible)
                if verdict is Verdict.READ:
                    try:
                        found = parse(answer.body)
                    except ValueError:
                        setback = self._unreadable(attempt)
                    else:
                        self._understood = True
                        return found
                elif verdict is Verdict.STOP:
                    raise self._refusal(answer)
                elif verdict is Verdict.SHRINK:
                    raise TooHeavyError(self._too_heavy(answer))
                else:
                    limit = verdict is Verdict.WAIT
                    setback = self._asked_to_wait(answer, attempt, limit=limit)
            since = self._clock() if since is None else since
            self._hold(setback, since)
        raise AssertionError  # pragma: no cover - itertools.count has no end

    def _send(self, request: Request) -> Answer:
        with self._slots:
            self._wait_at_gate()
            with self._lock:
                self.traffic.requests += 1
            packed = self._transport.send(request)
        answer = packed.unpacked()
        with self._lock:
            self._reached = True
            self.traffic.bytes += len(answer.body)
            date = http_date(answer.headers.get("Date"))
            if date:
                self._ahead = date - self._now()
        return answer

    def _unanswered(self, exc: NoAnswerError, attempt: int) -> Setback:
        if exc.certificate:
            msg = (
                f"{self._settings.base_url}: {exc}. Check base_url; for a certificate "
                "of your own set REQUESTS_CA_BUNDLE to its file"
            )
            raise ConfigError(msg) from None
        return Setback(
            str(exc),
            backoff(attempt, self._rng),
            reached=exc.connected or self._reached,
        )

    def _unreadable(self, attempt: int) -> Setback:
        """Try again, but not for long where no answer has ever made sense."""
        reason, wait = "an answer that is not PostHog's", backoff(attempt, self._rng)
        return Setback(reason, wait, reached=self._understood)

    def _asked_to_wait(self, answer: Answer, attempt: int, *, limit: bool) -> Setback:
        said = self.scrubbed(detail(answer.body))
        headers = answer.headers
        asked = retry_after(
            headers.get("Retry-After"), headers.get("Date"), self._now()
        )
        # At least the back-off: 0, the past and nonsense do not ask to be flooded.
        wait = max(backoff(attempt, self._rng), asked or 0.0)
        reason = "rate limit" if limit else f"server error {answer.status}"
        return Setback(f"{reason} ({said})" if said else reason, wait, for_all=limit)

    def _hold(self, setback: Setback, since: float) -> None:
        """Wait out a setback, or give up where that would be too long."""
        longest = float(self._settings.max_wait_seconds)
        if not setback.reached:
            longest = min(longest, UNREACHED_SECONDS)
        if self._clock() - since + setback.wait > longest:
            raise self._gave_up(setback, self._clock() - since)
        until = self._clock() + setback.wait
        with self._lock:
            news = until > self._closed_until + 1 or not setback.for_all
            if setback.for_all:
                self._closed_until = max(self._closed_until, until)
            self.traffic.waits += 1
        if setback.wait >= SAID_FROM and news:
            back = self._now() + timedelta(seconds=setback.wait)
            logger.warning(
                "%s: waiting %s s until %s UTC",
                setback.reason,
                f"{setback.wait:,.0f}",
                f"{back:%H:%M}" if setback.wait >= 60 else f"{back:%H:%M:%S}",  # noqa: PLR2004 - a minute
            )
        else:
            logger.debug("%s: waiting %.1f s", setback.reason, setback.wait)
        self._pause(until)

    def _wait_at_gate(self) -> None:
        """Stay where a limit, met by any thread, says that nobody should knock."""
        self._pause(self._closed_until)

    def _pause(self, until: float) -> None:
        left = until - self._clock()
        if left > 0 and not self._stopped.is_set():
            self._sleep(left)
            with self._lock:
                self.traffic.waited += left
        if self._stopped.is_set():
            msg = "Stopped, since another request of this run could not be answered"
            raise GaveUpError(msg)

    def _gave_up(self, setback: Setback, spent: float) -> GaveUpError:
        where = self._settings.base_url
        if not setback.reached:
            return GaveUpError(
                f"{where} cannot be reached: {setback.reason}. Check base_url, the "
                "network and the proxy settings"
            )
        then = self._now() + timedelta(seconds=setback.wait)
        return GaveUpError(
            f"No answer from {where} after {spent:,.0f} s: {setback.reason}. The next "
            f"try would be at {then:%Y-%m-%d %H:%M} UTC, beyond max_wait_seconds "
            f"({self._settings.max_wait_seconds}). Run again after that; it goes on "
            "from the last state"
        )

    def _refusal(self, answer: Answer) -> TapError:
        return refusal(
            answer,
            base_url=self._settings.base_url,
            project_id=self._settings.project_id,
            api_key=self._settings.api_key,
        )

    def _too_heavy(self, answer: Answer) -> str:
        said = self.scrubbed(detail(answer.body)) or "no reason given"
        return (
            f"One query was too much for PostHog ({answer.status}): {said}. Lower "
            "page_size, or run again at a quieter time; it goes on from the last state"
        )
