"""One deadline for a whole request, and a socket whose every wait ends there.

Time-outs of the libraries start anew with each address and each byte, so a server that
drips could hold a request for ever. `abort` wakes whatever waits. Knows no HTTP.

Both packages hold this file, byte for byte.
"""

from __future__ import annotations

import contextlib
import io
import queue
import socket
import threading
import time
from typing import Any

_Addresses = list[tuple[Any, ...]]  # as getaddrinfo gives them


class Deadline:
    """When the request in flight must be over, and what it waits on.

    For one request at a time; only `abort` may be called from another thread.
    """

    def __init__(self) -> None:
        self.fresh = False  # connected since `start`
        self._at = 0.0
        self._aborted = False
        self._socket: socket.socket | None = None
        self._copy: socket.socket | None = None
        self._lookup: queue.SimpleQueue[_Addresses | Exception] | None = None

    def start(self, seconds: float) -> None:
        """Begin a request that has so many seconds in all."""
        self.fresh = False
        self._at = time.monotonic() + seconds

    @property
    def left(self) -> float:
        """Seconds until then, above 0: a time-out of 0 means not to wait."""
        return max(0.001, self._at - time.monotonic())

    @property
    def overdue(self) -> bool:
        """Whether the time is up."""
        return self._aborted or time.monotonic() >= self._at

    def check(self) -> None:
        """Raise TimeoutError when the time is up."""
        if self.overdue:
            raise TimeoutError

    def watch(self, found: socket.socket) -> None:
        """Note on which socket the request waits from now on."""
        self._socket = found
        if self._aborted:
            self.drop()

    def lend(self, found: socket.socket) -> None:
        """Keep hold of a socket that a TLS handshake takes over, until `release`."""
        self.release()
        self._copy = found.dup()
        self.watch(self._copy)

    def release(self) -> None:
        """Let go of what was lent."""
        if self._copy is not None:
            self._copy.close()
            self._copy = None

    def drop(self) -> None:
        """Break the connection, which wakes the thread that waits on it."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                # Not SSLSocket.shutdown: that is not meant for another thread.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def abort(self) -> None:
        """End the request in flight and all that follow, from any thread."""
        self._aborted = True
        if (lookup := self._lookup) is not None:
            lookup.put(TimeoutError())
        self.drop()

    def look_up(self, host: str, port: int) -> _Addresses:
        """Resolve a name, in a thread of its own: a resolver takes no time-out."""
        answers: queue.SimpleQueue[_Addresses | Exception] = queue.SimpleQueue()
        self._lookup = answers

        def ask() -> None:
            try:
                answers.put(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
            except (OSError, UnicodeError) as error:
                answers.put(error)

        self.check()
        threading.Thread(target=ask, name="resolver", daemon=True).start()
        try:
            answer = answers.get(timeout=self.left)
        except queue.Empty:
            raise TimeoutError from None
        finally:
            self._lookup = None
        if isinstance(answer, Exception):
            raise answer
        return answer


def connect(
    host: str,
    port: int,
    deadline: Deadline,
    *,
    timeout: float,
    options: list[tuple[int, int, int | bytes]] | None = None,
) -> socket.socket:
    """Connect to the first of a name's addresses that answers, all within the deadline.

    `timeout` is for each address.

    Raises:
        OSError: TimeoutError, socket.gaierror or what the last address said.
    """
    problem: OSError = OSError("the name has no address")
    for family, kind, protocol, _, address in deadline.look_up(host.strip("[]"), port):
        deadline.check()
        found = socket.socket(family, kind, protocol)
        try:
            for option in options or ():
                found.setsockopt(*option)
            found.settimeout(min(timeout, deadline.left))
            deadline.watch(found)
            found.connect(address)
        except OSError as error:
            found.close()
            problem = error
        else:
            return found
    raise problem


class TimedSocket:
    """A socket, except that each call has only what is left until the deadline."""

    def __init__(self, found: Any, deadline: Deadline) -> None:  # noqa: ANN401 - any kind of socket
        self._socket = found
        self._deadline = deadline
        if isinstance(found, socket.socket):
            deadline.watch(found)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - as the socket has it
        """Be the socket in all else."""
        return getattr(self._socket, name)

    def gettimeout(self) -> float:
        """Return what is left: TLS takes it as the time for its whole handshake."""
        return self._deadline.left

    def detach(self) -> int:
        """Hand the connection over to TLS, and keep it in reach of `abort`."""
        self._deadline.lend(self._socket)
        return int(self._socket.detach())

    def recv(self, *args: Any) -> bytes:  # noqa: ANN401 - as the socket's own
        """Receive within what is left."""
        self._wait()
        received: bytes = self._socket.recv(*args)
        return received

    def sendall(self, data: bytes) -> None:
        """Send, all of it within what is left."""
        rest = memoryview(data).cast("B")
        while rest:
            self._wait()
            rest = rest[self._socket.send(rest) :]

    def makefile(self, mode: str, *_: object) -> io.BufferedReader:
        """Return a reader whose every read has only what is left."""
        del mode  # http.client asks for "rb"
        raw = self._socket.makefile("rb", buffering=0)
        return io.BufferedReader(_TimedReader(raw, self))

    def _wait(self) -> None:
        self._deadline.check()
        self._socket.settimeout(self._deadline.left)


class _TimedReader(io.RawIOBase):
    def __init__(self, raw: socket.SocketIO, timed: TimedSocket) -> None:
        self._raw = raw
        self._timed = timed

    def readable(self) -> bool:
        return True

    # The type of a buffer has no name before Python 3.12.
    def readinto(self, buffer: Any) -> int | None:  # noqa: ANN401
        self._timed._wait()  # noqa: SLF001 - one thing in two classes, as io wants it
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()
