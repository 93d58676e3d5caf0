"""A certificate for 127.0.0.1 that nobody trusts, unless told to."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import trustme

if TYPE_CHECKING:
    from pathlib import Path


def make(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """Return what a server of it uses, and the file of the authority behind it."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    path = folder / "authority.pem"
    authority.cert_pem.write_to_path(path)
    return context, path
