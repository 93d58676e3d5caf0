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
from typing import TYPE_CHECKING, Self, TypeVar

from tap_posthog.api import api_errors
from tap_posthog.api.api_errors import code, detail, is_page
from tap_posthog.api.retry import Verdict, Waits, backoff, judge
from tap_posthog.api.transport import NoResponseError, Request, Response, Transport
from tap_posthog.errors import (
    ConfigError,
    GaveUpError,
    LostAnswerError,
    MissingEndpointError,
    PostHogError,
    TooHeavyError,
)
from tap_posthog.http.failures import Failure
from tap_posthog.http.retry_after import http_date, retry_after
from tap_posthog.progress import Traffic

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_posthog.settings.settings import Settings

T = TypeVar("T")
logger = logging.getLogger("tap-posthog")

SAID_FROM = 5.0  # seconds; a shorter wait is not worth a line in the log
UNREACHED_SECONDS = 60.0  # how long an address that never answered is tried
UNDONE = {500, 503}  # statuses with which PostHog itself says that it did nothing
TIME_OUTS = 2  # in a row: a question that can be cut is too much, not unlucky


@dataclass(frozen=True, slots=True)
class Setback:
    """Why one attempt did not bring an answer, and how long to wait."""

    reason: str
    wait: float
    for_all: bool = False  # a limit: no other request would fare better
    reached: bool = True
    timed_out: bool = False


class Client:
    """Puts requests to one project; may be used from several threads at once."""

    def __init__(  # noqa: PLR0913 - time and chance are arguments
        self,
        settings: Settings,
        *,
        patience: float | None = None,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        sleep: Callable[[float], object] | None = None,
        rng: Callable[[], float] = random.random,
    ) -> None:
        """Take how many seconds there are for all that is asked, None for no end.

        Raises:
            ConfigError: this machine's proxy or CA settings cannot be used.
        """
        self.traffic = Traffic()
        self._settings = settings
        self._transport = Transport(
            settings.base_url,
            settings.api_key,
            timeout=settings.request_timeout_seconds,
            connections=settings.max_concurrent_queries,
        )
        self._ends = None if patience is None else clock() + patience
        self._clock, self._now, self._rng = clock, now, rng
        self._waits = Waits(self.traffic, clock=clock, sleep=sleep)
        # Of the server: one is free once a response has come, before it is parsed.
        self._slots = threading.BoundedSemaphore(settings.max_concurrent_queries)
        self._lock = threading.Lock()
        self._reached = False  # something answered at that address
        self._understood = False  # and it was PostHog
        self._ahead = timedelta(0)  # of the server's clock before this machine's

    def call(
        self,
        request: Request,
        parse: Callable[[Response], T],
        *,
        divisible: bool = True,
        alone: bool = False,
    ) -> T:
        """Return what `parse` makes of the answer, however long that takes.

        `parse` raises ValueError for what is no answer, which is then asked for
        again. With `divisible` a question that is too much is handed back. A refusal
        ends the waits of all that is asked, but for what is asked `alone`.

        Raises:
            TooHeavyError: the caller has to ask for less at once.
            LostAnswerError: what is not repeatable may have been carried out.
            GaveUpError: `max_wait_seconds` have passed.
            TapError: the same request would meet the same refusal.
        """
        try:
            return self._call(request, parse, divisible=divisible)
        except (TooHeavyError, MissingEndpointError, LostAnswerError):
            raise
        except PostHogError as exc:
            if not alone:
                self.stop(exc)
            raise
        except BaseException as exc:  # a bug of ours too must not keep others waiting
            self.stop(exc)
            raise

    @property
    def is_stopped(self) -> bool:
        """Whether nothing can be asked any more."""
        return self._waits.is_stopped

    def server_now(self) -> datetime:
        """Say what time it is at the server, by the last answer's `Date`."""
        return self._now() + self._ahead

    def scrubbed(self, text: str) -> str:
        """Return a server's words without the key, should it have repeated it."""
        key = self._settings.api_key
        return text.replace(key, "***") if key else text

    def stop(self, cause: BaseException | None = None) -> None:
        """End every wait and every request in flight; what is to be asked is not.

        Each of them fails with the first cause that was given.
        """
        self._waits.stop(cause)
        self._transport.abort()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of waits and connections."""
        self.stop()
        self._transport.close()

    def _call(
        self, request: Request, parse: Callable[[Response], T], *, divisible: bool
    ) -> T:
        since: float | None = None  # when this request first failed
        time_outs = 0  # in a row
        for attempt in itertools.count(1):
            try:
                response = self._send(request)
                verdict = self._verdict(request, response, divisible=divisible)
                if verdict is Verdict.READ:
                    try:
                        found = parse(response)
                    except ValueError:
                        setback = self._unreadable(response, attempt)
                    else:
                        self._understood = True
                        return found
                elif verdict is Verdict.STOP:
                    raise api_errors.error_of(response, request.path, self._settings)
                elif verdict is Verdict.SHRINK:
                    raise TooHeavyError(
                        api_errors.too_heavy(response.status, self._said(response))
                    )
                else:
                    limit = verdict is Verdict.WAIT
                    if not limit and response.status not in UNDONE:
                        request.check_repeatable(f"server error {response.status}")
                    setback = self._asked_to_wait(response, attempt, limit=limit)
            except NoResponseError as exc:
                setback = self._unanswered(exc, attempt, request)
            time_outs = time_outs + 1 if setback.timed_out else 0
            if divisible and time_outs == TIME_OUTS:
                seconds = self._settings.request_timeout_seconds
                raise TooHeavyError(api_errors.too_slow(seconds, TIME_OUTS))
            since = self._clock() if since is None else since
            self._hold(setback, since)
        raise AssertionError  # pragma: no cover - itertools.count has no end

    def _send(self, request: Request) -> Response:
        with self._slots:
            self._waits.until_open()
            with self._lock:
                self.traffic.requests += 1
            most = None if self._ends is None else self._ends - self._clock()
            response = self._transport.send(request, most)
        with self._lock:
            self._reached = True
            self.traffic.bytes += response.size
            date = http_date(response.headers.get("Date"))
            if date:
                self._ahead = date - self._now()
        return response

    def _verdict(
        self, request: Request, response: Response, *, divisible: bool
    ) -> Verdict:
        if response.status == request.good:
            return Verdict.READ
        coded = {HTTPStatus.BAD_REQUEST, HTTPStatus.SERVICE_UNAVAILABLE}
        why = code(response.body) if response.status in coded else ""
        return judge(response.status, why, divisible=divisible)

    def _unanswered(
        self, exc: NoResponseError, attempt: int, request: Request
    ) -> Setback:
        self._waits.check()  # it may be what broke the connection
        if exc.final:
            raise ConfigError(str(exc)) from None
        if exc.connected:
            request.check_repeatable(str(exc))
        return Setback(
            str(exc),
            backoff(attempt, self._rng),
            reached=exc.connected or self._reached,
            timed_out=exc.kind is Failure.TIMED_OUT,
        )

    def _unreadable(self, response: Response, attempt: int) -> Setback:
        """Try again, but not for long where no answer has ever made sense."""
        reason = "an answer that is not PostHog's"
        if is_page(response):
            reason = "a web page, an answer that is not PostHog's"
        return Setback(reason, backoff(attempt, self._rng), reached=self._understood)

    def _asked_to_wait(
        self, response: Response, attempt: int, *, limit: bool
    ) -> Setback:
        headers = response.headers
        asked = retry_after(
            headers.get("Retry-After"), headers.get("Date"), self._now()
        )
        # At least the back-off: 0, the past and nonsense do not ask to be flooded.
        wait = max(backoff(attempt, self._rng), asked or 0.0)
        reason = "rate limit" if limit else f"server error {response.status}"
        said = self._said(response)
        return Setback(f"{reason} ({said})" if said else reason, wait, for_all=limit)

    def _said(self, response: Response) -> str:
        if is_page(response):
            return "a web page, which is not PostHog's own answer"
        return self.scrubbed(detail(response.body))

    def _hold(self, setback: Setback, since: float) -> None:
        """Wait out a setback, or give up where that would be too long."""
        now = self._clock()
        longest = float(self._settings.max_wait_seconds)
        if not setback.reached:
            longest = min(longest, UNREACHED_SECONDS)
        if self._ends is not None:
            longest = min(longest, self._ends - since)
        if now - since + setback.wait > longest:
            raise self._gave_up(setback, now - since)
        until = now + setback.wait
        news = self._waits.close_until(until) if setback.for_all else True
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
        self._waits.until(until)

    def _gave_up(self, setback: Setback, spent: float) -> GaveUpError:
        where = self._settings.base_url
        if not setback.reached:
            return GaveUpError(api_errors.not_reached(where, setback.reason))
        then = self._now() + timedelta(seconds=setback.wait)
        if self._ends is None:
            most = self._settings.max_wait_seconds
            return GaveUpError(
                api_errors.gave_up(where, setback.reason, spent, then, most)
            )
        if setback.for_all:
            wait = setback.wait
            return GaveUpError(api_errors.test_later(where, setback.reason, wait, then))
        return GaveUpError(api_errors.test_failed(where, setback.reason))
