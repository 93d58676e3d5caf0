"""Standard Webhooks signatures, https://www.standardwebhooks.com. Pure.

The signature covers the body before compression: receivers' libraries verify text.
"""

from __future__ import annotations

import base64
import hashlib
import hmac


class Signer:
    """Signs bodies with one secret, ``whsec_`` and base64."""

    def __init__(self, secret: str) -> None:
        self._key = base64.b64decode(secret.removeprefix("whsec_"))

    def headers(self, name: str, body: bytes, at: float) -> dict[str, str]:
        """Return the headers of one attempt, made ``at`` seconds since 1970.

        ``name``, the batch's id, is the same for every attempt; the time is not.
        """
        timestamp = str(int(at))
        signed = hmac.new(self._key, digestmod=hashlib.sha256)
        signed.update(f"{name}.{timestamp}.".encode())
        signed.update(body)
        return {
            "webhook-id": name,
            "webhook-timestamp": timestamp,
            "webhook-signature": "v1," + base64.b64encode(signed.digest()).decode(),
        }
