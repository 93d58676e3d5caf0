"""Whether the webhook's host answers: name, connection, certificate. Sends no request.

A POST would be a record, and a webhook need not know any other method.
"""

from __future__ import annotations

import os
import socket
import ssl
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from requests.utils import (
    DEFAULT_CA_BUNDLE_PATH,
    get_environ_proxies,
    select_proxy,
)

from target_patterns_webhook.errors import ConfigError, FatalError

if TYPE_CHECKING:
    from target_patterns_webhook.settings import Settings

_PORTS = {"http": 80, "https": 443}


def reach(settings: Settings) -> str:
    """Connect and hang up; return a sentence that says what answered.

    Behind a proxy it is the proxy that has to answer. Raises ConfigError, FatalError.
    """
    proxies = get_environ_proxies(settings.webhook_url)
    proxy = select_proxy(settings.webhook_url, proxies)
    if proxy:
        _connect("The proxy", proxy, settings.timeout_seconds)
        return f"The proxy for {settings.receiver} answers. No record was sent."
    name = settings.receiver
    _connect(name, settings.webhook_url, settings.timeout_seconds, tls=True)
    return f"{name} answers. No record was sent."


def _connect(name: str, url: str, timeout: float, *, tls: bool = False) -> None:
    parts = urlsplit(url if "://" in url else f"http://{url}")
    host, port = parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 80)
    try:
        with socket.create_connection((host, port), timeout=timeout) as connection:
            if tls and parts.scheme == "https":
                _context().wrap_socket(connection, server_hostname=host).close()
    except (socket.gaierror, UnicodeError):
        msg = f"{name}: no host has this name."
        raise ConfigError(msg, hint="Check webhook_url.") from None
    except ssl.SSLCertVerificationError as error:
        msg = f"{name}: its certificate is not trusted ({error.verify_message})."
        hint = "Set REQUESTS_CA_BUNDLE if a private authority signs it."
        raise FatalError(msg, hint=hint) from None
    except ssl.SSLError as error:
        msg = f"{name} does not speak TLS there ({error.reason})."
        raise FatalError(msg, hint="Check webhook_url: http or https, port.") from None
    except OSError as error:
        reason = error.strerror or type(error).__name__
        msg = f"{name} does not answer ({reason})."
        hint = "Check webhook_url, the network and the proxy settings."
        raise FatalError(msg, hint=hint) from None


def _context() -> ssl.SSLContext:
    """Trust whom requests trusts."""
    bundle = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
    place = bundle or DEFAULT_CA_BUNDLE_PATH
    if os.path.isdir(place):  # noqa: PTH112 - as requests itself does
        return ssl.create_default_context(capath=place)
    return ssl.create_default_context(cafile=place)
