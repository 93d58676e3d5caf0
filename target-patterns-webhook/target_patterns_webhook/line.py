"""One sender's kept connection: every wait on it ends at the request's own deadline.

requests' time-outs start anew with each byte, so a receiver that drips could hold a
request for ever. Owns no request and reads no answer.
"""

from __future__ import annotations

import contextlib
import io
import socket
import time
from typing import TYPE_CHECKING, Any

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

if TYPE_CHECKING:
    from urllib3 import PoolManager, ProxyManager


class Line:
    """The deadline and the socket of whatever request is under way on it."""

    def __init__(self) -> None:
        self.fresh = False  # connected since ``start``
        self._deadline = 0.0
        self._socket: socket.socket | None = None

    def start(self, seconds: float) -> None:
        """Begin a request that has so many seconds in all."""
        self.fresh = False
        self._deadline = time.monotonic() + seconds

    @property
    def left(self) -> float:
        """Seconds until the deadline, above 0: a time-out of 0 means not to wait."""
        return max(0.001, self._deadline - time.monotonic())

    @property
    def overdue(self) -> bool:
        """Whether the deadline has passed."""
        return time.monotonic() >= self._deadline

    def watch(self, found: socket.socket) -> TimedSocket:
        """Take a new connection's socket under this line's deadline."""
        self.fresh = True
        self._socket = found
        return TimedSocket(found, self)

    def abort(self) -> None:
        """Break the connection, from any thread: whoever waits on it wakes."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                # Not SSLSocket.shutdown: that is not meant for another thread.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


class TimedSocket:
    """A socket, except that each call has only what is left until the deadline."""

    def __init__(self, found: socket.socket, line: Line) -> None:
        self._socket = found
        self._line = line

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - as the socket has it
        """Be the socket in all else."""
        return getattr(self._socket, name)

    def sendall(self, data: bytes) -> None:
        """Send, all of it within what is left."""
        self._socket.settimeout(self._line.left)
        self._socket.sendall(data)

    def makefile(self, mode: str) -> io.BufferedReader:
        """Return a reader whose every read has only what is left."""
        del mode  # http.client asks for "rb"
        raw = self._socket.makefile("rb", buffering=0)
        return io.BufferedReader(_TimedReader(raw, self._socket, self._line))


class _TimedReader(io.RawIOBase):
    def __init__(self, raw: socket.SocketIO, found: socket.socket, line: Line) -> None:
        self._raw = raw
        self._socket = found
        self._line = line

    def readable(self) -> bool:
        return True

    # The type of a buffer has no name before Python 3.12.
    def readinto(self, buffer: Any) -> int | None:  # noqa: ANN401
        if self._line.overdue:
            raise TimeoutError
        self._socket.settimeout(self._line.left)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class LineAdapter(HTTPAdapter):
    """requests' transport with one kept connection, watched by a line."""

    def __init__(self, line: Line) -> None:
        self._line = line
        super().__init__(pool_connections=1, pool_maxsize=1)

    def init_poolmanager(self, *args: Any, **options: Any) -> None:  # noqa: ANN401
        """Make the pools of direct connections."""
        super().init_poolmanager(*args, **options)
        self._watch(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **options: Any) -> ProxyManager:  # noqa: ANN401
        """Make the pools of connections through a proxy."""
        manager: ProxyManager = super().proxy_manager_for(proxy, **options)
        self._watch(manager)
        return manager

    def _watch(self, manager: PoolManager) -> None:
        line = self._line

        class Plain(HTTPConnection):
            def connect(self) -> None:
                super().connect()
                self.sock = line.watch(self.sock)

        class Secure(HTTPSConnection):
            def connect(self) -> None:
                super().connect()
                self.sock = line.watch(self.sock)

        class PlainPool(HTTPConnectionPool):
            ConnectionCls = Plain

        class SecurePool(HTTPSConnectionPool):
            ConnectionCls = Secure

        manager.pool_classes_by_scheme = {"http": PlainPool, "https": SecurePool}
