"""The way to one webhook: its request, and what the environment says of its host."""

from __future__ import annotations

import dataclasses
from importlib.metadata import version
from typing import TYPE_CHECKING

import requests

from target_patterns_webhook.errors import ConfigError
from target_patterns_webhook.http.environment import UnusableError, environment

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_patterns_webhook.http.environment import Environment
    from target_patterns_webhook.settings.webhook import Webhook


@dataclasses.dataclass(frozen=True, slots=True)
class Route:
    """What all requests to one webhook have in common."""

    webhook: Webhook
    environment: Environment
    request: requests.PreparedRequest  # to be copied; it has no body

    @classmethod
    def to(
        cls, webhook: Webhook, content_type: str, headers: Mapping[str, str]
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
        return cls(webhook, found, request)
