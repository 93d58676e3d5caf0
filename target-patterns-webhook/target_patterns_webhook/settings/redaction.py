"""Takes the user's secrets out of text that a receiver sent. Pure.

Receivers echo what they were asked for: the path, a token, in an error page.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Iterator

    from target_patterns_webhook.settings.settings import Settings

SHORTEST = 6  # letters; what is shorter guards nothing, and is in every other word
KNOWN = frozenset({"webhook", "webhooks", "Bearer", "application"})


class Redaction:
    """Knows every secret of the settings, in the forms in which it may come back."""

    def __init__(self, settings: Settings) -> None:
        found = {s for s in _secrets(settings) if len(s) >= SHORTEST} - KNOWN
        found |= {s.replace("/", "\\/") for s in found}  # as some write it in JSON
        longest_first = sorted(found, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first)) or "(?!)")

    def __call__(self, text: str) -> str:
        """Return the text with ``***`` for each secret."""
        return self._pattern.sub("***", text)


def _secrets(settings: Settings) -> Iterator[str]:
    pieces = [s for webhook in settings.webhooks for s in webhook.secrets()]
    for value in (*settings.headers.values(), settings.signing_secret or ""):
        pieces += [value, *value.split(), value.removeprefix("whsec_")]
    for piece in pieces:
        yield piece
        yield unquote(piece)
