"""Where files lie: a bucket or a folder, listed and read in ranges through obstore.

Every range is asked of the version that was listed (If-Match): a file that is replaced
meanwhile is never read half and half. What a store says of an error may hold keys and
signed addresses, so our own words are shown instead.
"""

from __future__ import annotations

import io
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import unquote, urlsplit

from typing_extensions import override

from tap_posthog.errors import ConfigError, FilesError
from tap_posthog.events.exports.keys import Stored

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from typing_extensions import Buffer

TRIES = 5  # of one range, beside obstore's own
CHUNK = 4 << 20  # bytes of a range
MISSING = (
    "events_source: files and export need more packages; install them with "
    "pip install 'tap-posthog[files]'"
)
SCHEMES = ("s3", "gs", "az", "file")


def obstore() -> Any:  # noqa: ANN401 - a module that may be missing
    """Return the module.

    Raises:
        ConfigError: the extra is not installed.
    """
    try:
        import obstore  # noqa: PLC0415 - an extra
        import obstore.exceptions  # noqa: PLC0415
        import obstore.store  # noqa: PLC0415
        import pyarrow  # noqa: F401, ICN001, PLC0415
    except ImportError:
        raise ConfigError(MISSING) from None
    return obstore


class Ranges(Protocol):
    """Gives stored files a range at a time."""

    def range(self, stored: Stored, start: int, end: int) -> bytes:
        """Return bytes of a file, fewer at its end."""


class Store:
    """One bucket's prefix or one folder."""

    def __init__(self, url: str, options: Mapping[str, Any] | None = None) -> None:
        """Open it; nothing is asked yet.

        Raises:
            ConfigError: the options do not fit, or the extra is not installed.
        """
        self._obstore = obstore()
        parts = urlsplit(url)
        self.scheme = parts.scheme
        self.shown = f"{parts.scheme}://{parts.hostname or ''}{parts.path}"
        given = dict(options or {})
        folder = Path(unquote(parts.path))
        if parts.scheme == "file" and not folder.is_dir():
            msg = f"files_url: there is no folder {folder}"
            raise ConfigError(msg)
        try:
            if parts.scheme == "file":
                self._prefix = ""
                self._store = self._obstore.store.LocalStore(folder)
            else:
                self._prefix = unquote(parts.path).strip("/")
                root = f"{parts.scheme}://{parts.netloc}"
                self._store = self._obstore.store.from_url(root, **given)
        except Exception:  # noqa: BLE001 - whatever it is, it may show a key
            msg = (
                f"files_options: obstore takes none of this kind for {parts.scheme}://;"
                " it takes endpoint, region, access_key_id and others, as its docs "
                "name them"
            )
            raise ConfigError(msg) from None

    @property
    def always_manifest(self) -> bool:
        """Whether a single numbered part has a manifest too."""
        return self.scheme != "az"

    def list(self) -> Iterator[Stored]:
        """Give every object below the prefix, by its key from the bucket's root.

        Raises:
            FilesError: the store cannot be listed.
        """
        prefix = f"{self._prefix}/" if self._prefix else None

        def pages() -> list[Stored]:
            return [
                Stored(each["path"], each["size"], each["e_tag"])
                for page in self._obstore.list(self._store, prefix=prefix)
                for each in page
            ]

        yield from self._tried("listed", pages)

    def read(self, stored: Stored) -> bytes:
        """Return a small object whole."""
        return bytes(self.range(stored, 0, max(stored.size, 1)))

    def range(self, stored: Stored, start: int, end: int) -> bytes:
        """Return bytes of the version that was listed.

        Raises:
            FilesError: it was replaced, or cannot be read.
        """
        if start >= stored.size:
            return b""
        options: dict[str, Any] = {"range": (start, min(end, stored.size))}
        if stored.etag:
            options["if_match"] = stored.etag

        def part() -> bytes:
            got = self._obstore.get(self._store, stored.key, options=options)
            return bytes(got.bytes())

        found: bytes = self._tried(f"read ({stored.key})", part)
        return found

    def _tried(self, what: str, ask: Callable[[], Any]) -> Any:  # noqa: ANN401
        errors = self._obstore.exceptions
        for attempt in range(1, TRIES + 1):
            try:
                return ask()
            except errors.PreconditionError:
                msg = (
                    f"{self.shown}: a file was replaced while it was read; run again, "
                    "it goes on from the last state"
                )
                raise FilesError(msg) from None
            except (errors.PermissionDeniedError, errors.UnauthenticatedError):
                msg = (
                    f"{self.shown} cannot be {what}: access is denied. Check the "
                    "credentials in files_options or the environment, and that they "
                    "may list and read"
                )
                raise FilesError(msg) from None
            except (errors.NotFoundError, FileNotFoundError):
                msg = f"{self.shown} cannot be {what}: it is not there. Check files_url"
                raise FilesError(msg) from None
            except Exception as exc:  # noqa: BLE001 - its words may show a key
                if attempt == TRIES:
                    said = _kind(exc)
                    msg = f"{self.shown} cannot be {what}: {said}"
                    raise FilesError(msg) from None
                time.sleep(min(2 ** (attempt - 1) / 4, 5))
        raise AssertionError  # pragma: no cover


def _kind(exc: Exception) -> str:
    """Say what went wrong in words of our own, by what obstore's text gives away."""
    text = str(exc)
    for sign, words in (
        ("403", "access is denied. Check the credentials in files_options"),
        ("401", "access is denied. Check the credentials in files_options"),
        ("404", "it is not there. Check files_url"),
        ("503", "the store asks to slow down. Run again later"),
        ("dns", "its address cannot be resolved. Check files_url and endpoint"),
        ("onnect", "it does not answer. Check files_url and endpoint"),
        ("credential", "there are no credentials. Set files_options"),
    ):
        if sign in text:
            return words
    return "the connection broke, again and again. Run again later"


class RangeFile(io.RawIOBase):
    """A stored object as a file that can be read anywhere, a range at a time."""

    def __init__(self, store: Ranges, stored: Stored) -> None:
        super().__init__()
        self._store, self._stored = store, stored
        self._at = 0
        self._held, self._held_at = b"", 0

    @override
    def readable(self) -> bool:
        return True

    @override
    def seekable(self) -> bool:
        return True

    @override
    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._stored.size}
        self._at = base[whence] + offset
        return self._at

    @override
    def tell(self) -> int:
        return self._at

    @override
    def readinto(self, buffer: Buffer) -> int:
        view = memoryview(buffer).cast("B")
        data = self.take(len(view))
        view[: len(data)] = data
        return len(data)

    @override
    def read(self, size: int = -1) -> bytes:
        if size < 0:
            size = self._stored.size - self._at
        pieces = []
        while size > 0 and (piece := self.take(size)):
            pieces.append(piece)
            size -= len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def take(self, size: int) -> bytes:
        """Return some bytes from here on, empty at the end."""
        start = self._at - self._held_at
        if not 0 <= start < len(self._held):
            self._held_at, start = self._at, 0
            self._held = self._store.range(
                self._stored, self._at, self._at + max(CHUNK, size)
            )
        data = self._held[start : start + size]
        self._at += len(data)
        return data
