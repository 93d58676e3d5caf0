"""Attempts of a transport at a receiver."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from target_patterns_webhook.delivery.batching import Payload
from target_patterns_webhook.http.transport import Transport
from tests.support.simulation import settings

if TYPE_CHECKING:
    from target_patterns_webhook.http.outcome import Outcome

BODY = b'[{"id":"1","name":"\xc3\xa9"}]'


class Attempts:
    """Several attempts over one transport."""

    def __init__(self, url: str, **config: Any) -> None:  # noqa: ANN401 - any setting
        config.setdefault("timeout_seconds", 10)
        given = settings(**{**config, "webhook_url": url})
        self.transport = Transport(given, Payload(given.payload_format))

    def __enter__(self) -> Self:
        """Give the attempts."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connection."""
        self.transport.close()

    def __call__(self) -> Outcome:
        """Send the body once."""
        return self.transport.post(
            "events", "msg_a", BODY, self.transport.compress(BODY)
        )


def post(url: str, **config: Any) -> Outcome:  # noqa: ANN401 - any setting
    """Send one body over a transport of its own."""
    with Attempts(url, **config) as attempt:
        return attempt()
