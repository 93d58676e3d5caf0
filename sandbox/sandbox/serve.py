"""The sandbox as a process: one uvicorn on the loopback interface, until a signal.

`python -m sandbox.serve --port 0 --data DIR --side posthog`
"""

from __future__ import annotations

import argparse
import signal
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, get_args

import uvicorn

from sandbox.app import Side, build
from sandbox.control import Control
from sandbox.posthog.table import TableError

if TYPE_CHECKING:
    from collections.abc import Sequence


class _Server(uvicorn.Server):
    """Says on stdout when it accepts requests."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        if self.started and sockets:
            host, port = sockets[0].getsockname()
            sys.stdout.write(f"sandbox ready on http://{host}:{port}\n")
            sys.stdout.flush()


def serve(port: int, data: Path, side: Side = "both") -> int:
    """Run until SIGINT or SIGTERM.

    Args:
        port: 0 takes any free one; the line on stdout says which.
        data: A folder for what is stored; it is made when it is not there.
        side: Which of the two products are there.

    Returns:
        The exit code; 1 when the port is taken.
    """
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError as exc:
        sys.stderr.write(f"The sandbox cannot listen on port {port}: {exc.strerror}\n")
        return 1
    # uvicorn raises its signals again when it is done; by default they would end the
    # process there, before what is open is closed
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _exit)
    data.mkdir(parents=True, exist_ok=True)
    with listener, Control() as control:
        try:
            app = build(data, control, side)
        except TableError as exc:
            sys.stderr.write(f"{exc}\n")
            return 1
        config = uvicorn.Config(
            app,
            access_log=False,
            log_level="warning",
            timeout_graceful_shutdown=1,
            timeout_keep_alive=75,  # clients wait longer between pages than 5 s
            lifespan="off",
        )
        _Server(config).run(sockets=[listener])
    return 0


def _exit(*_: object) -> NoReturn:
    raise SystemExit(0)


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve as the command line says."""
    parser = argparse.ArgumentParser(prog="sandbox serve")
    parser.add_argument("--port", type=int, default=8643)
    parser.add_argument("--data", type=Path, default=Path(".sandbox"))
    parser.add_argument("--side", choices=get_args(Side), default="both")
    chosen = parser.parse_args(arguments)
    return serve(chosen.port, chosen.data, chosen.side)


if __name__ == "__main__":
    sys.exit(main())
