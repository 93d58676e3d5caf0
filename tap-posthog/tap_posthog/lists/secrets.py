"""Secrets that PostHog's own lists may show, and how they are kept out. Pure."""

from __future__ import annotations

from typing import Any

REDACTED = "redacted"
# Of a project; nested in what belongs to one.
NAMES = frozenset(
    {
        "api_token",
        "secret_api_token",
        "secret_api_token_backup",
        "live_events_token",
        "ingest_token",
    }
)


def without_secrets(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """Return a value without tokens, and with each decrypted payload replaced.

    A personal key gets the payloads decrypted that PostHog keeps encrypted.
    """
    if isinstance(value, list):
        return [without_secrets(each) for each in value]
    if not isinstance(value, dict):
        return value
    kept = {
        name: without_secrets(each) for name, each in value.items() if name not in NAMES
    }
    filters = kept.get("filters")
    if kept.get("has_encrypted_payloads") and isinstance(filters, dict):
        payloads = filters.get("payloads")
        if isinstance(payloads, dict):
            kept["filters"] = filters | {"payloads": dict.fromkeys(payloads, REDACTED)}
    return kept
