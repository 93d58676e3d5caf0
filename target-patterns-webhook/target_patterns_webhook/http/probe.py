"""Whether the webhooks' hosts answer: name, connection, certificate. Sends no request.

A POST would be a record, and a webhook need not know any other method. It goes the way
that a request goes: through the proxy, to the end of the TLS handshake.
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any

import requests
from urllib3.exceptions import HTTPError

from target_patterns_webhook.errors import ConfigError, FatalError
from target_patterns_webhook.http.connection import DeadlineAdapter
from target_patterns_webhook.http.deadline import Deadline
from target_patterns_webhook.http.environment import UnusableError, environment
from target_patterns_webhook.http.failures import Failure, cause_of

if TYPE_CHECKING:
    from target_patterns_webhook.errors import TargetError
    from target_patterns_webhook.http.environment import Environment
    from target_patterns_webhook.http.failures import Cause
    from target_patterns_webhook.settings.settings import Settings
    from target_patterns_webhook.settings.webhook import Webhook

PROBE_SECONDS = 40.0  # in all: `--test` promises a minute
FAILURES = (requests.RequestException, HTTPError, OSError)
REASONS = {
    Failure.REFUSED: "Connection refused",
    Failure.NO_CONNECTION: "no connection in time",
    Failure.TIMED_OUT: "not in time",
    Failure.TLS: "TLS",
    Failure.PROXY: "Connection refused",
}


def probe(settings: Settings) -> str:
    """Connect to each webhook's host and hang up; say in one line what answered.

    Raises:
        ConfigError: a setting, or a variable of the environment, cannot be used.
        FatalError: nothing answers there.
    """
    until = time.monotonic() + PROBE_SECONDS
    hosts = {webhook.receiver: webhook for webhook in settings.webhooks}
    answers = []
    for webhook in hosts.values():
        left = max(1.0, until - time.monotonic())
        answers.append(_answer(webhook, min(settings.timeout_seconds, left)))
    return " ".join([*answers, "No record was sent."])


def _answer(webhook: Webhook, seconds: float) -> str:
    try:
        found = environment(webhook.url)
    except UnusableError as error:
        msg = f"{error}."
        raise ConfigError(msg) from None
    try:
        _connect(webhook.url, found, seconds)
    except FAILURES as error:
        raise _problem(webhook, found, cause_of(error)) from None
    if found.proxy and webhook.url.lower().startswith("http:"):
        return f"The proxy for {webhook.receiver} answers."
    return f"{webhook.receiver} answers."


def _connect(url: str, found: Environment, seconds: float) -> None:
    deadline = Deadline()
    deadline.start(seconds)
    adapter: Any = DeadlineAdapter(deadline)
    try:
        pool = adapter.get_connection_with_tls_context(
            requests.Request("POST", url).prepare(),
            verify=found.verify,
            proxies=found.proxies,
        )
        adapter.cert_verify(pool, url, found.verify, None)
        # What urllib3 does at the start of a request, which nothing public does alone.
        connection = pool._get_conn()  # noqa: SLF001
        connection.timeout = seconds
        with contextlib.closing(connection):
            if pool.proxy is not None and pool.scheme == "https":
                pool._prepare_proxy(connection)  # noqa: SLF001 - CONNECT, then TLS
            else:
                connection.connect()
    finally:
        adapter.close()


def _problem(webhook: Webhook, found: Environment, cause: Cause) -> TargetError:
    """Say what stands in the way, and where to look."""
    receiver = webhook.receiver
    if cause.kind is Failure.NOT_LET_THROUGH:
        return ConfigError(f"{found.refused(cause.status, webhook.host)}.")
    if cause.kind is Failure.UNTRUSTED:
        return FatalError(
            f"{receiver}: its certificate is not trusted ({cause.detail}).",
            hint="Set REQUESTS_CA_BUNDLE if a private authority signs it.",
        )
    if cause.kind is Failure.NO_TLS:
        return FatalError(
            f"{receiver} does not speak TLS on this port.",
            hint=f"Check {webhook.setting}: http or https, port.",
        )
    name = f"The proxy that {found.variable} names" if found.proxy else receiver
    if cause.kind is Failure.NAME:
        hint = f"Check {found.variable if found.proxy else webhook.setting}."
        return ConfigError(f"{name}: no host has this name.", hint=hint)
    reason = REASONS.get(cause.kind, "the connection broke")
    return FatalError(
        f"{name} does not answer ({reason}).",
        hint=f"Check {webhook.setting}, the network and the proxy settings.",
    )
