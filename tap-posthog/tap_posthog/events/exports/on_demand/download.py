"""One file fetched from a signed address, gone on with where a connection breaks.

The address is a credential of its own: it is never shown, and the API key never goes
there.
"""

from __future__ import annotations

import re
import time
from http import HTTPStatus
from typing import IO, TYPE_CHECKING

import requests
import urllib3.exceptions

from tap_posthog.errors import ConfigError, FilesError
from tap_posthog.http.environment import UnusableError, environment

if TYPE_CHECKING:
    from collections.abc import Callable

CHUNK = 1 << 20
CONNECT_SECONDS, READ_SECONDS = 15.0, 120.0
TRIES = 8  # in a row that bring nothing
RANGE = re.compile(r"bytes (\d+)-\d+/(\d+)")
FAILURES = (requests.RequestException, urllib3.exceptions.HTTPError, OSError)
UNREADABLE = "A file of PostHog's export cannot be downloaded: {}. Run again later"


class GoneError(Exception):
    """PostHog has the file no more."""


class Download:
    """Fetches files, one after the other, over its own connections."""

    def __init__(self, *, sleep: Callable[[float], object] = time.sleep) -> None:
        """Have asked nothing yet."""
        self._sleep = sleep
        self._session = requests.Session()
        self._session.trust_env = False  # .netrc would add a header

    def to(self, file: IO[bytes], address: Callable[[], str | None]) -> int:
        """Write a file's bytes; return how many. `address` gives a fresh address.

        Raises:
            GoneError: there is no address.
            FilesError: it cannot be fetched.
        """
        etag, why, tries = "", "", 0
        while tries < TRIES:
            self._sleep(min(30.0, 0.5 * 2**tries) if tries else 0)
            url = address()
            if url is None:
                raise GoneError
            had = file.tell()
            headers = (
                {"Range": f"bytes={had}-", "If-Range": etag} if had and etag else {}
            )
            try:
                with self._get(url, headers) as response:
                    status = response.status_code
                    if status not in {HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT}:
                        tries, why = tries + 1, f"{status} {response.reason}"
                        continue
                    if status == HTTPStatus.OK:
                        file.seek(0)
                        file.truncate()
                    etag = response.headers.get("ETag", "")
                    whole = _length(response)
                    for chunk in response.raw.stream(CHUNK, decode_content=False):
                        file.write(chunk)
            except FAILURES:
                whole, why = None, "the connection broke, again and again"
            else:
                if whole is None or file.tell() == whole:
                    file.flush()
                    return file.tell()
            tries = 0 if file.tell() > had else tries + 1
        raise FilesError(UNREADABLE.format(why or "it is cut short"))

    def _get(self, url: str, headers: dict[str, str]) -> requests.Response:
        try:
            found = environment(url)
        except UnusableError as error:
            raise ConfigError(str(error)) from None
        return self._session.get(
            url,
            headers={"Accept-Encoding": "identity", **headers},
            timeout=(CONNECT_SECONDS, READ_SECONDS),
            allow_redirects=False,
            stream=True,
            verify=found.verify,
            proxies=found.proxies,
        )


def _length(response: requests.Response) -> int | None:
    """Return how many bytes the whole file has. None: it is not said."""
    found = RANGE.fullmatch(response.headers.get("Content-Range", ""))
    if found:
        return int(found[2])
    length = response.headers.get("Content-Length", "")
    return int(length) if length.isdigit() else None
