"""A kept connection of requests on which all of a request keeps to one deadline.

Looking up the name, connecting, a proxy's CONNECT, TLS, sending, the head and the body.
Interim answers (1xx) are read over. Owns no request, and reads no body.

Both packages hold this file, byte for byte.
"""

from __future__ import annotations

import http.client
from typing import TYPE_CHECKING, Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from .deadline import TimedSocket, connect

if TYPE_CHECKING:
    import socket

    from urllib3 import PoolManager, ProxyManager

    from .deadline import Deadline


class _Response(http.client.HTTPResponse):
    """Reads over interim answers of every kind; http.client itself only over 100.

    Its private methods are the only place for that, and urllib3 calls them as well.
    """

    def _read_status(self) -> tuple[str, int, str]:
        version, status, reason = super()._read_status()  # type: ignore[misc]  # private
        while 100 <= status < 200 and status != http.HTTPStatus.SWITCHING_PROTOCOLS:  # noqa: PLR2004
            http.client.parse_headers(self.fp)
            version, status, reason = super()._read_status()  # type: ignore[misc]
        return version, status, reason

    def _read_next_chunk_size(self) -> int:
        size: int = super()._read_next_chunk_size()  # type: ignore[misc]  # as above
        if size < 0:
            raise ValueError  # as for what is no number: http.client lets this pass
        return size


class _Direct:
    """Connects to one address after the other, which urllib3 gives no common time."""

    def _new_conn(self: Any) -> socket.socket:
        try:
            return connect(
                self._dns_host,
                self.port,
                self.deadline,
                timeout=self.timeout,
                options=self.socket_options,
            )
        except TimeoutError as error:
            raise ConnectTimeoutError(self, "no connection in time") from error
        except (OSError, UnicodeError) as error:
            raise NewConnectionError(self, "no connection") from error


class _Timed:
    """What makes an HTTPConnection of urllib3 keep to a deadline."""

    deadline: Deadline
    response_class = _Response

    def connect(self: Any) -> None:
        try:
            super().connect()  # type: ignore[misc]
        finally:
            self.deadline.release()
        self.sock = _timed_socket(self.sock, self.deadline)
        self.deadline.fresh = True

    def _new_conn(self: Any) -> TimedSocket:
        return _timed_socket(super()._new_conn(), self.deadline)  # type: ignore[misc]

    def _connect_tls_proxy(self: Any, *args: Any) -> TimedSocket:  # noqa: ANN401
        return _timed_socket(super()._connect_tls_proxy(*args), self.deadline)  # type: ignore[misc]


def _timed_socket(found: Any, deadline: Deadline) -> TimedSocket:  # noqa: ANN401
    return found if isinstance(found, TimedSocket) else TimedSocket(found, deadline)


class DeadlineAdapter(HTTPAdapter):
    """requests' transport with one kept connection a host, which keep to a deadline."""

    def __init__(self, deadline: Deadline, hosts: int = 1) -> None:
        self._deadline = deadline
        super().__init__(pool_connections=hosts, pool_maxsize=1)

    def init_poolmanager(self, *args: Any, **options: Any) -> None:  # noqa: ANN401
        """Make the pools of direct connections."""
        super().init_poolmanager(*args, **options)
        self._watch(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **options: Any) -> ProxyManager:  # noqa: ANN401
        """Make the pools of connections through a proxy, once."""
        known = proxy in self.proxy_manager
        manager: ProxyManager = super().proxy_manager_for(proxy, **options)
        if not known:
            self._watch(manager)
        return manager

    def _watch(self, manager: PoolManager) -> None:
        """Derive the manager's pools and connections: those of SOCKS are its own."""
        pools: dict[str, Any] = {}
        given: dict[str, Any] = manager.pool_classes_by_scheme
        for scheme, pool in given.items():
            base = pool.ConnectionCls
            direct = base._new_conn is HTTPConnection._new_conn  # noqa: SLF001 - not SOCKS
            kinds = (_Timed, _Direct, base) if direct else (_Timed, base)
            connection = type(base.__name__, kinds, {"deadline": self._deadline})
            pools[scheme] = type(pool.__name__, (pool,), {"ConnectionCls": connection})
        manager.pool_classes_by_scheme = pools
