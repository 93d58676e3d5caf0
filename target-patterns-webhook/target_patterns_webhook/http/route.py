"""The way to one webhook: what all requests to it have in common, made once.

requests makes it: headers, TLS, proxies, the pool of connections. It would do so for
each request, which takes as long as to send one.
"""

from __future__ import annotations

import dataclasses
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import requests

from target_patterns_webhook.errors import ConfigError
from target_patterns_webhook.http.environment import UnusableError, environment

if TYPE_CHECKING:
    from collections.abc import Mapping

    from urllib3 import BaseHTTPResponse, HTTPConnectionPool, Timeout

    from target_patterns_webhook.http.connection import DeadlineAdapter
    from target_patterns_webhook.http.environment import Environment
    from target_patterns_webhook.settings.webhook import Webhook


@dataclasses.dataclass(frozen=True, slots=True)
class Route:
    """One webhook, and how a sender gets there."""

    webhook: Webhook
    environment: Environment
    headers: Mapping[str, str]  # that do not depend on the body
    pool: HTTPConnectionPool
    url: str  # as the pool's host, or a proxy, wants it

    @classmethod
    def to(
        cls,
        webhook: Webhook,
        adapter: DeadlineAdapter,
        content_type: str,
        headers: Mapping[str, str],
    ) -> Route:
        """Look the way up; ``headers`` are the user's, which win over ours.

        Raises:
            ConfigError: the URL or a header cannot be sent.
        """
        try:
            found = environment(webhook.url)
        except UnusableError as error:
            msg = f"{error}."
            raise ConfigError(msg) from None
        ours = {
            "Content-Type": content_type,
            "Accept": "*/*",
            "Accept-Encoding": "identity",
            "User-Agent": "target-patterns-webhook/"
            + version("target-patterns-webhook"),
        }
        given = {name.lower() for name in headers}
        merged = {n: v for n, v in ours.items() if n.lower() not in given}
        try:
            request = requests.Request(
                "POST", webhook.url, headers={**merged, **headers}
            ).prepare()
        except (requests.RequestException, ValueError):
            message = f"{webhook.setting} or headers cannot be sent."
            hint = "Check both for stray characters."
            raise ConfigError(message, hint=hint) from None
        verify, proxies = found.verify, found.proxies
        pool: Any = adapter.get_connection_with_tls_context(
            request, verify=verify, proxies=proxies
        )
        adapter.cert_verify(pool, webhook.url, verify, None)  # type: ignore[no-untyped-call]  # has no types
        url = adapter.request_url(request, proxies)
        return cls(webhook, found, dict(request.headers), pool, url)

    def send(
        self, wire: bytes, headers: Mapping[str, str], timeout: Timeout
    ) -> BaseHTTPResponse:
        """Post a body, and return once the head of the response is here.

        Raises:
            OSError, HTTPException, HTTPError: of the socket, http.client or urllib3.
        """
        return self.pool.urlopen(
            "POST",
            self.url,
            wire,
            {**self.headers, "Content-Length": str(len(wire)), **headers},
            retries=False,
            redirect=False,
            assert_same_host=False,
            timeout=timeout,
            preload_content=False,
            decode_content=False,
        )
